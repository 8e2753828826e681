/* Structured log lines on standard error: logfmt or JSON, one line each, written with one write(2).
 * Lower rooms return errors; the top logs. Never log secrets or prompt text. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/util.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

void log_init(enum log_format format, enum log_level least);
/* `context` names what it is about ("worker=1 request=req_..."), may be NULL. Lines over 2 kB are cut. */
void log_line(enum log_level level, const char *context, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(ctx, ...) log_line(LOG_DEBUG, ctx, __VA_ARGS__)
#define log_info(ctx, ...) log_line(LOG_INFO, ctx, __VA_ARGS__)
#define log_warn(ctx, ...) log_line(LOG_WARN, ctx, __VA_ARGS__)
#define log_error(ctx, ...) log_line(LOG_ERROR, ctx, __VA_ARGS__)

#endif
