#include "base/json_text.h"

#include "base/utf8.h"

#include <string.h>

/* ---- reading */

static unsigned hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static unsigned hex4(const char *p)
{
	return hex_value(p[0]) << 12 | hex_value(p[1]) << 8 | hex_value(p[2]) << 4 | hex_value(p[3]);
}

/* One escape of a checked string as UTF-8 into out[4]; returns what follows it. Surrogate pairs are joined, a lone
 * surrogate gives its three-byte form, which equals no valid text. */
const char *json_unescape_one(const char *p, const char *end, char out[4], size_t *ret_len)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	unsigned u, low;

	if (p[1] != 'u') {
		out[0] = to[strchr(from, p[1]) - from];
		*ret_len = 1;
		return p + 2;
	}
	u = hex4(p + 2);
	p += 6;
	if (u >= 0xd800 && u < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		low = hex4(p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
			p += 6;
		}
	}
	*ret_len = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
	for (size_t i = *ret_len; i-- > 1; u >>= 6)
		out[i] = (char)(0x80 | (u & 0x3f));
	out[0] = (char)(*ret_len == 1 ? u : (0xf00u >> *ret_len & 0xf0) | u);
	return p;
}

bool json_content_is(const char *p, size_t len, bool escaped, const char *text, size_t text_len)
{
	const char *end = p + len, *text_end = text + text_len;
	char c[4];
	size_t n;

	if (!escaped)
		return len == text_len && memcmp(p, text, len) == 0;
	while (p < end) {
		if (*p == '\\') {
			p = json_unescape_one(p, end, c, &n);
		} else {
			c[0] = *p++;
			n = 1;
		}
		if ((size_t)(text_end - text) < n || memcmp(text, c, n) != 0)
			return false;
		text += n;
	}
	return text == text_end;
}

/* A surrogate's three-byte form: ED A0..BF xx. */
static bool is_surrogate(const char c[4], size_t n)
{
	return n == 3 && (unsigned char)c[0] == 0xed && (unsigned char)c[1] >= 0xa0;
}

int json_unescape(const char *raw, size_t len, struct buf *out)
{
	const char *p = raw, *end = raw + len, *back;
	char c[4];
	size_t n;
	int rc = 0;

	while (p < end && rc == 0) {
		back = memchr(p, '\\', (size_t)(end - p));
		rc = buf_append(out, p, (size_t)((back ? back : end) - p));
		if (!back || rc < 0)
			break;
		p = json_unescape_one(back, end, c, &n);
		rc = is_surrogate(c, n) ? buf_append(out, "\xef\xbf\xbd", 3) : buf_append(out, c, n);
	}
	return rc;
}

/* ---- writing */

static void put_json_char(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		buf_puts(b, "\\\"");
		break;
	case '\\':
		buf_puts(b, "\\\\");
		break;
	case '\n':
		buf_puts(b, "\\n");
		break;
	case '\r':
		buf_puts(b, "\\r");
		break;
	case '\t':
		buf_puts(b, "\\t");
		break;
	default:
		if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\u%04x", c);
		else
			buf_putc(b, (char)c);
	}
}

/* Bytes from s on that go as they are. */
static size_t plain_run(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] < 0x7f && s[i] != '"' && s[i] != '\\')
		i++;
	return i;
}

int json_escape(const char *s, size_t len, struct buf *b)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = plain_run(s + i, len - i);
		if (n) {
			buf_append(b, s + i, n);
			continue;
		}
		n = utf8_sequence_len(s + i, len - i);
		if (n > 1) {
			buf_append(b, s + i, n);
		} else if (n == 1) {
			put_json_char(b, (unsigned char)s[i]);
		} else {
			buf_puts(b, "\\ufffd");
			n = 1;
		}
	}
	return b->failed ? ERR_NOMEM : 0;
}
