/* UTF-8 as RFC 3629 has it. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* Length of the valid sequence at s (1 to 4 bytes), or 0: overlong forms, surrogates, above U+10FFFF, cut off. */
static inline size_t utf8_sequence_len(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned char c;
	size_t n;

	if (!left)
		return 0;
	c = s[0];
	n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	if (!n || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) ||
	    (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

#endif
