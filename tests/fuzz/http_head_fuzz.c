/* Fuzz target: the strict look at a request's head. The input stands for the head as libmicrohttpd leaves it ('\n' and '\r'
 * of the input become the NULs that it writes); the first blanks end method and target. Nothing outside the bytes is read,
 * and what is accepted is unambiguous: spans lie inside, framing is single, identity fields stand once. */
#include "http/head.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *head, size_t len, const struct http_head *h)
{
	static const char *const single[] = {"host", "content-length", "transfer-encoding", "authorization", "x-api-key"};

	for (unsigned i = 0; i < h->count; i++) {
		const struct http_head_field *f = &h->fields[i];

		if (f->name < head || !f->name_len || f->name + f->name_len >= head + len || f->value < f->name + f->name_len ||
		    f->value + strlen(f->value) >= head + len)
			abort();
	}
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		unsigned count = 0;

		(void)http_head_find(h, single[i], &count);
		if (count > 1)
			abort();
	}
	if (h->chunked && h->has_length)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *head = malloc(size + 1), *uri, *version; /* one byte more only so that size 0 is an object */
	static struct http_head h;

	if (!head)
		return 0;
	for (size_t i = 0; i < size; i++)
		head[i] = (char)(data[i] == '\r' || data[i] == '\n' ? 0 : data[i]);
	head = realloc(head, size ? size : 1);
	uri = memchr(head, ' ', size);
	version = uri ? memchr(uri + 1, ' ', size - (size_t)(uri + 1 - head)) : NULL;
	if (version) {
		*uri++ = *version++ = '\0';
		if (http_head_check(head, size, uri, (size_t)(version - 1 - uri), version, &h) == HTTP_HEAD_OK)
			check(head, size, &h);
	}
	free(head);
	return 0;
}
