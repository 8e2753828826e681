#include "conf/utf8.h"

#include "base/utf8.h"

/* As utf8_sequence_len, and 0 for control characters that have no place in a configuration file. */
static size_t sequence(const char *s, size_t left)
{
	unsigned char c = (unsigned char)s[0];

	if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
		return 0;
	return utf8_sequence_len(s, left);
}

size_t utf8_check(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t n = sequence(text + at, len - at);

		if (!n)
			return at;
		at += n;
	}
	return len;
}

bool utf8_is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

struct utf8_place utf8_place_of(const char *text, size_t offset)
{
	struct utf8_place p = {1, 1};

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			p.line++;
			p.column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			p.column++;
		}
	}
	return p;
}
