#include "model/request_id.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";
static const char prefix[4] = {'r', 'e', 'q', '_'};

/* -1: no lower-case hex digit. */
static int value_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int request_id_parse(const char *s, size_t len, struct request_id *ret)
{
	struct request_id id;

	if (len != REQUEST_ID_TEXT - 1 || memcmp(s, prefix, sizeof(prefix)) != 0)
		return ERR_INVAL;
	s += sizeof(prefix);
	for (size_t i = 0; i < REQUEST_ID_BYTES; i++) {
		int high = value_of(s[2 * i]), low = value_of(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERR_INVAL;
		id.b[i] = (uint8_t)(high << 4 | low);
	}
	*ret = id;
	return 0;
}

void request_id_format(const struct request_id *id, char buf[REQUEST_ID_TEXT])
{
	char *at = buf + sizeof(prefix);

	memcpy(buf, prefix, sizeof(prefix));
	for (size_t i = 0; i < REQUEST_ID_BYTES; i++) {
		*at++ = digits[id->b[i] >> 4];
		*at++ = digits[id->b[i] & 15];
	}
	*at = '\0';
}
