/* Looking up header fields in a raw block. */
#include "upstream/upstream.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

long upstream_header(const char *headers, size_t len, const char *name, const char **ret_value)
{
	const char *p = headers, *end = headers + len;
	size_t name_len = strlen(name);

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		const char *stop = eol ? eol : end, *v;

		if ((size_t)(stop - p) > name_len && p[name_len] == ':' && strncasecmp(p, name, name_len) == 0) {
			v = p + name_len + 1;
			while (v < stop && is_blank(*v))
				v++;
			while (stop > v && (is_blank(stop[-1]) || stop[-1] == '\r'))
				stop--;
			*ret_value = v;
			return (long)(stop - v);
		}
		if (!eol)
			break;
		p = eol + 1;
	}
	return -1;
}
