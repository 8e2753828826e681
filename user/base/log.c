#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* A reload sets them while every thread logs. */
static _Atomic enum log_format log_format = LOG_LOGFMT;
static _Atomic enum log_level log_least = LOG_INFO;

static const char *const level_name[] = { "debug", "info", "warn", "error" };

void log_init(enum log_format format, enum log_level least)
{
	atomic_store_explicit(&log_format, format, memory_order_relaxed);
	atomic_store_explicit(&log_least, least, memory_order_relaxed);
}

static void write_all(const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(STDERR_FILENO, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return; /* nowhere left to report it */
		p += w;
		n -= (size_t)w;
	}
}

void log_line(enum log_level level, const char *context, const char *fmt, ...)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT;
	char when[25], msg[2048];
	va_list ap;

	if (level < atomic_load_explicit(&log_least, memory_order_relaxed))
		return;
	clock_format_wall(clock_wall_ms(), when);
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (atomic_load_explicit(&log_format, memory_order_relaxed) == LOG_JSON) {
		buf_printf(&b, "{\"time\":\"%s\",\"level\":\"%s\",", when, level_name[level]);
		if (context && *context) {
			buf_puts(&b, "\"context\":");
			buf_put_json_string(&b, context, strlen(context));
			buf_putc(&b, ',');
		}
		buf_puts(&b, "\"msg\":");
		buf_put_json_string(&b, msg, strlen(msg));
		buf_puts(&b, "}\n");
	} else {
		buf_printf(&b, "time=%s level=%s ", when, level_name[level]);
		if (context && *context)
			buf_printf(&b, "%s ", context);
		buf_puts(&b, "msg=");
		buf_put_json_string(&b, msg, strlen(msg));
		buf_putc(&b, '\n');
	}
	if (!b.failed)
		write_all(b.data, b.len);
}
