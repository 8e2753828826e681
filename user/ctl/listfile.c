#include "ctl/listfile.h"

#include "base/num.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECOND_NS 1000000000u
#define REASON_MAX 95u /* what the daemon keeps */

void list_items_done(struct list_items *l)
{
	free(l->items);
	*l = (struct list_items){0};
}

int list_items_add(struct list_items *l, const struct list_item *item)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct list_item *items = reallocarray(l->items, cap, sizeof(*items));

		if (!items)
			return ERR_NOMEM;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = *item;
	return 0;
}

static void PRINTF_LIKE(3, 4) add_error(struct list_errors *errors, unsigned line, const char *fmt, ...)
{
	if (errors->n < LIST_ERRORS_MAX) {
		struct list_error *e = &errors->first[errors->n];
		va_list ap;

		e->line = line;
		va_start(ap, fmt);
		vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
		va_end(ap);
	}
	errors->n++;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of [*at, end); NUL-terminated in place. NULL when none is left. */
static char *next_word(char **at, char *end)
{
	char *word;

	while (*at < end && is_blank(**at))
		++*at;
	if (*at == end)
		return NULL;
	word = *at;
	while (*at < end && !is_blank(**at))
		++*at;
	**at = '\0';
	if (*at < end)
		++*at;
	return word;
}

/* What is left of the line, without blanks around it. */
static const char *rest_of(char *at, char *end)
{
	while (at < end && is_blank(*at))
		at++;
	while (end > at && is_blank(end[-1]))
		end--;
	*end = '\0';
	return at;
}

static bool parse_line(char *line, char *end, unsigned number, struct list_item *item, struct list_errors *errors)
{
	struct err err;
	char *word = next_word(&line, end);

	if (!word)
		return false;
	if (policy_parse_cidr(word, strlen(word), &item->cidr, &err) < 0) {
		add_error(errors, number, "%s", err.msg);
		return false;
	}
	word = next_word(&line, end);
	if (word && strcmp(word, "-") == 0) {
		item->ttl_ns = 0;
	} else if (word && (num_parse_duration_ns(word, strlen(word), &item->ttl_ns) < 0 || !item->ttl_ns)) {
		add_error(errors, number,
			  "'%.40s' is not a TTL; a number with one unit is right, such as 1h, or - for none", word);
		return false;
	}
	if (word) {
		const char *reason = rest_of(line, end);

		if (*reason)
			item->reason = reason;
	}
	if (strlen(item->reason) > REASON_MAX) {
		add_error(errors, number, "the reason has over %u bytes", REASON_MAX);
		return false;
	}
	return true;
}

int listfile_parse(char *text, size_t len, uint64_t ttl_ns, const char *reason, struct list_items *ret,
		   struct list_errors *errors)
{
	char *end = text + len;
	unsigned number = 1;

	for (char *line = text; line < end; number++) {
		struct list_item item = {.ttl_ns = ttl_ns, .reason = reason};
		char *newline = memchr(line, '\n', (size_t)(end - line));
		char *line_end = newline ? newline : end;
		char *comment = memchr(line, '#', (size_t)(line_end - line));

		if (memchr(line, '\0', (size_t)(line_end - line)))
			add_error(errors, number, "has a NUL byte; is it a text file?");
		else if (parse_line(line, comment ? comment : line_end, number, &item, errors) &&
			 list_items_add(ret, &item) < 0)
			return ERR_NOMEM;
		line = line_end + 1;
	}
	return 0;
}

/* ---- as a request's body */

static uint64_t ttl_seconds(uint64_t ttl_ns)
{
	return (ttl_ns + SECOND_NS - 1) / SECOND_NS;
}

/* A reason with # in it would end the line. */
static bool text_can_say(const struct list_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strpbrk(items[i].reason, "#\r\n"))
			return false;
	return true;
}

static void encode_text(const struct list_item *items, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		char cidr[64];

		policy_format_cidr(&items[i].cidr, cidr);
		buf_puts(out, cidr);
		if (items[i].ttl_ns)
			buf_printf(out, " %" PRIu64 "s", ttl_seconds(items[i].ttl_ns));
		else if (*items[i].reason)
			buf_puts(out, " -");
		if (*items[i].reason)
			buf_printf(out, " %s", items[i].reason);
		buf_putc(out, '\n');
	}
}

static void encode_json(const struct list_item *items, size_t n, struct buf *out)
{
	buf_puts(out, "{\"entries\":[");
	for (size_t i = 0; i < n; i++) {
		char cidr[64];

		policy_format_cidr(&items[i].cidr, cidr);
		buf_printf(out, "%s{\"cidr\":\"%s\"", i ? "," : "", cidr);
		if (items[i].ttl_ns)
			buf_printf(out, ",\"ttl_s\":%" PRIu64, ttl_seconds(items[i].ttl_ns));
		if (*items[i].reason) {
			buf_puts(out, ",\"reason\":");
			buf_put_json_string(out, items[i].reason, strlen(items[i].reason));
		}
		buf_putc(out, '}');
	}
	buf_puts(out, "]}");
}

void listfile_encode(const struct list_item *items, size_t n, struct buf *out, const char **ret_type)
{
	if (text_can_say(items, n)) {
		encode_text(items, n, out);
		*ret_type = "text/plain";
	} else {
		encode_json(items, n, out);
		*ret_type = "application/json";
	}
}
