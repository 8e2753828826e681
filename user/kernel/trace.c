#include "kernel/trace.h"

#include "base/util.h"

#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

#define TRACE_TAIL_MAX 320

static _Thread_local char tail[TRACE_TAIL_MAX];

/* The verifier's reason is at the end, before its statistics. */
static void tail_append(char *text)
{
	char *stats = strstr(text, "processed ");
	size_t len, used, over;

	if (stats)
		*stats = '\0';
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	len = strlen(text);
	if (len >= TRACE_TAIL_MAX) {
		text += len - (TRACE_TAIL_MAX - 1);
		len = TRACE_TAIL_MAX - 1;
	}
	used = strlen(tail);
	over = used + len >= TRACE_TAIL_MAX ? used + len - (TRACE_TAIL_MAX - 1) : 0;
	memmove(tail, tail + over, used - over);
	memcpy(tail + used - over, text, len + 1);
}

static int trace_line(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	_cleanup_(freep) char *text = NULL;

	/* After the verifier's log libbpf repeats that loading failed; the log is what matters. */
	if (level != LIBBPF_WARN || strstr(fmt, "failed to load"))
		return 0;
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL; /* undefined then */
	else
		tail_append(text);
	return 0;
}

void trace_start(void)
{
	tail[0] = '\0';
	libbpf_set_print(trace_line);
}

const char *trace_tail(void)
{
	return tail;
}
