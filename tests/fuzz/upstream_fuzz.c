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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;

	if (size < 2)
		return 0;
	whole = run((const char *)data + 1, size - 1, 0);
	cut = run((const char *)data + 1, size - 1, 1 + data[0] % 32);
	if (whole.last != cut.last || whole.status != cut.status || whole.body_len != cut.body_len ||
	    whole.body_hash != cut.body_hash || whole.surplus != cut.surplus || whole.keep_alive != cut.keep_alive ||
	    whole.eof_ok != cut.eof_ok)
		abort();
	return 0;
}
