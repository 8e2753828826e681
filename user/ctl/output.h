/* Standard output and standard error of tollctl. */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include "ctl/command.h"
#include "ctl/view.h"

/* Writes text from `view`, or JSON with --json. Errors: ERR_IO (standard output is closed or full). */
typedef void (*output_view)(struct buf *out, json_t *json, int64_t now_ms);
int output(struct ctl *ctl, json_t *json, output_view view, struct err *err) MUST_CHECK;
/* The buffer as it is; it is emptied. */
int output_text(struct buf *text, struct err *err) MUST_CHECK;
/* A line on standard error: "tollctl: ...". */
void output_note(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
