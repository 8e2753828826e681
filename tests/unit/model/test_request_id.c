/* Goal: request ids read and written are the same, and nothing else is taken for one. Method: a table, and every
 * single-character change of a right id. */
#include "model/request_id.h"

#include <criterion/criterion.h>
#include <string.h>

static const char right[] = "req_0192f3a4b5c60708090a0bff";

Test(request_id, round_trip)
{
	struct request_id id;
	char text[REQUEST_ID_TEXT];

	cr_assert_eq(request_id_parse(right, strlen(right), &id), 0);
	cr_expect_eq(id.b[0], 0x01);
	cr_expect_eq(id.b[11], 0xff);
	request_id_format(&id, text);
	cr_expect_str_eq(text, right);
}

Test(request_id, other_forms)
{
	static const char *const rows[] = {
		"",
		"req_",
		"0192f3a4b5c60708090a0bff",
		"req_0192f3a4b5c60708090a0bf",
		"req_0192f3a4b5c60708090a0bff0",
		"req_0192F3A4B5C60708090A0BFF",
		"Req_0192f3a4b5c60708090a0bff",
		"req_nic_0123456789abcdef",
		"req_0192f3a4b5c60708090a0b f",
		" req_0192f3a4b5c60708090a0bf",
	};
	struct request_id id;

	memset(&id, 0x55, sizeof(id));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(request_id_parse(rows[i], strlen(rows[i]), &id), ERR_INVAL, "%s", rows[i]);
	for (size_t i = 0; i < strlen(right); i++)
		for (int c = 0; c < 256; c++) {
			char text[REQUEST_ID_TEXT];
			int rc;

			memcpy(text, right, sizeof(text));
			text[i] = (char)c;
			rc = request_id_parse(text, sizeof(text) - 1, &id);
			if (i >= 4 && c && strchr("0123456789abcdef", c))
				cr_expect_eq(rc, 0, "byte %zu = %d", i, c);
			else if (text[i] != right[i])
				cr_expect_eq(rc, ERR_INVAL, "byte %zu = %d", i, c);
		}
}
