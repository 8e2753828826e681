/* Fuzz target: the response parser. The same bytes, whole and cut as the first byte of the input says, must give the
 * same verdict, status, body and surplus; body pieces lie within what was given. */
#include "upstream/parse.h"

#include <stdlib.h>
#include <string.h>

struct outcome {
	enum parse_event last;
	int status;
	size_t body_len, surplus;
	uint64_t body_hash;
	bool keep_alive, eof_ok;
};

static bool feed(struct parser *p, struct outcome *o, const char *data, size_t len, size_t after)
{
	size_t at = 0, used;

	for (;;) {
		o->last = parser_next(p, data + at, len - at, &used);
		at += used;
		if (at > len)
			abort();
		switch (o->last) {
		case PARSE_MORE:
			if (at != len)
				abort();
			return true;
		case PARSE_HEAD:
			o->status = p->head.status;
			if (o->status < 200 || o->status > 599)
				abort();
			break;
		case PARSE_BODY:
			if (!p->body_len || p->body < data || p->body + p->body_len > data + len)
				abort();
			for (size_t i = 0; i < p->body_len; i++)
				o->body_hash = (o->body_hash ^ (unsigned char)p->body[i]) * 0x100000001b3u;
			o->body_len += p->body_len;
			break;
		case PARSE_DONE:
			o->surplus = len - at + after;
			return false;
		case PARSE_ERROR:
			return false;
		}
	}
}

static struct outcome run(const char *data, size_t len, size_t step)
{
	struct parser p = {0};
	struct outcome o = {.body_hash = 7};

	parser_reset(&p, 1024, false);
	for (size_t at = 0; at < len;) {
		size_t n = step && len - at > step ? step : len - at;
		char *copy = malloc(n); /* exact size: ASan guards its end */
		bool more;

		if (!copy)
			abort();
		memcpy(copy, data + at, n);
		at += n;
		more = feed(&p, &o, copy, n, len - at);
		free(copy);
		if (!more)
			break;
	}
	o.keep_alive = o.last == PARSE_DONE && p.keep_alive;
	o.eof_ok = parser_eof(&p);
	parser_done(&p);
	return o;
}

/* The first byte chooses a head to start from, so that the states behind it are reached, and the cut. */
static const char *const heads[] = {
	"",
	"HTTP/1.1 ",
	"HTTP/1.1 200 OK\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: ",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: ",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;
	const char *head;
	size_t head_len;
	char *text;

	if (size < 1)
		return 0;
	head = heads[data[0] >> 5];
	head_len = strlen(head);
	text = malloc(head_len + size);
	if (!text)
		abort();
	memcpy(text, head, head_len);
	memcpy(text + head_len, data + 1, size - 1);
	whole = run(text, head_len + size - 1, 0);
	cut = run(text, head_len + size - 1, 1 + data[0] % 32);
	free(text);
	if (whole.last != cut.last || whole.status != cut.status || whole.body_len != cut.body_len ||
	    whole.body_hash != cut.body_hash || whole.surplus != cut.surplus || whole.keep_alive != cut.keep_alive ||
	    whole.eof_ok != cut.eof_ok)
		abort();
	return 0;
}
