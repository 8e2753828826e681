/* Parameters: of the query, of the path, of JSON bodies. */
#include "admin/internal.h"

#include "base/num.h"

#include <string.h>

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

bool percent_decode(const char *s, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int hi, lo;
		char ch = s[i];

		if (ch == '%') {
			if (i + 2 >= len || (hi = hex_digit(s[i + 1])) < 0 || (lo = hex_digit(s[i + 2])) < 0 ||
			    !(hi | lo))
				return false;
			ch = (char)(hi << 4 | lo);
			i += 2;
		} else if (ch == '+') {
			ch = ' ';
		}
		if (n + 1 >= size)
			return false;
		ret[n++] = ch;
	}
	ret[n] = '\0';
	return true;
}

bool query_get(const struct admin_call *c, const char *name, char *ret, size_t size)
{
	const char *at = c->query;
	size_t want = strlen(name);

	while (*at) {
		size_t len = strcspn(at, "&");

		if (len > want && at[want] == '=' && !strncmp(at, name, want))
			return percent_decode(at + want + 1, len - want - 1, ret, size);
		at += len + (at[len] == '&');
	}
	return false;
}

int query_number(const struct admin_call *c, const char *name, uint64_t *ret, struct err *err)
{
	char text[32];

	*ret = 0;
	if (!query_get(c, name, text, sizeof(text)))
		return 0;
	if (num_parse_u64(text, strlen(text), ret) < 0)
		return err_set(err, ERR_INVAL, "%s must be a whole number", name);
	return 0;
}

json_t *body_object(struct admin_call *c)
{
	json_error_t e;
	json_t *o = json_loadb(c->body, c->body_len, JSON_REJECT_DUPLICATES, &e);

	if (json_is_object(o))
		return o;
	if (o)
		reply_error(c, 400, "invalid", "the body must be a JSON object");
	else
		reply_error(c, 400, "invalid", "the body is no JSON: line %d column %d: %s", e.line, e.column, e.text);
	json_decref(o);
	return NULL;
}

const char *body_string(struct admin_call *c, const json_t *o, const char *name, size_t max, bool required)
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v);

	if (!v && !required)
		return "";
	if (!s || (required && !*s) || strlen(s) > max || strlen(s) != json_string_length(v)) {
		reply_error(c, 400, "invalid", "%s must be a string of %d to %zu bytes", name, required ? 1 : 0, max);
		return NULL;
	}
	return s;
}
