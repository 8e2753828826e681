#include "conf/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Whoever pastes a secret where a name belongs shall not find it in a log: what looks like an API key (ours or a
 * provider's) is cut. */
static void redact_after(char *text, const char *prefix, size_t least)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t prefix_len = strlen(prefix);
	char *at = text;

	while ((at = strstr(at, prefix))) {
		char *rest = at + prefix_len;
		size_t len = strspn(rest, alphabet);

		if (len >= least) {
			memcpy(rest, "...", 3);
			memmove(rest + 3, rest + len, strlen(rest + len) + 1);
		}
		at = rest;
	}
}

static void redact(char *text)
{
	redact_after(text, "tg_live_", 4);
	redact_after(text, "sk-", 16);
}

static struct conf_error *errors_slot(struct conf_errors *errs)
{
	struct conf_error *items;
	size_t cap;

	if (errs->count >= CONF_ERRORS_MAX)
		return NULL;
	if (errs->count == errs->cap) {
		cap = errs->cap ? errs->cap * 2 : 8;
		items = realloc(errs->items, cap * sizeof(*items));
		if (!items)
			return NULL;
		errs->items = items;
		errs->cap = cap;
	}
	return &errs->items[errs->count];
}

void conf_errors_add(struct conf_errors *errs, unsigned line, unsigned column, const char *path, const char *fmt, ...)
{
	struct conf_error *e = errors_slot(errs);
	va_list ap;

	if (!e) {
		errs->dropped++;
		return;
	}
	e->line = line;
	e->column = column;
	snprintf(e->path, sizeof(e->path), "%s", path);
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	redact(e->path);
	redact(e->msg);
	errs->count++;
}

void conf_errors_sort(struct conf_errors *errs)
{
	/* Insertion: at most CONF_ERRORS_MAX, nearly in order, and stable for errors of one place. */
	for (size_t i = 1; i < errs->count; i++) {
		struct conf_error e = errs->items[i];
		size_t j = i;

		for (; j > 0; j--) {
			const struct conf_error *before = &errs->items[j - 1];

			if (before->line < e.line || (before->line == e.line && before->column <= e.column))
				break;
			errs->items[j] = *before;
		}
		errs->items[j] = e;
	}
}

void conf_errors_print(const struct conf_errors *errs, const char *file, struct buf *out)
{
	for (size_t i = 0; i < errs->count; i++) {
		const struct conf_error *e = &errs->items[i];

		buf_puts(out, file);
		if (e->line)
			buf_printf(out, ":%u:%u", e->line, e->column);
		buf_puts(out, ": ");
		if (e->path[0])
			buf_printf(out, "%s: ", e->path);
		buf_printf(out, "%s\n", e->msg);
	}
	if (errs->dropped)
		buf_printf(out, "%s: %zu more errors not shown\n", file, errs->dropped);
}

void conf_errors_done(struct conf_errors *errs)
{
	free(errs->items);
	*errs = (struct conf_errors){0};
}
