/* Goal: the response parser finds the same events however the bytes are cut, and refuses what is ambiguous.
 * Method: a table of answers with the events they must give; each is fed whole, cut in two at every place, and byte by
 * byte. Events are written down as text: "H<status>,<length>,<type>" "B<bytes>" "D+<surplus>" "E" "C" (more wanted). */
#include "upstream/parse.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define HEAD_MAX 512

struct row {
	const char *name, *text, *events;
	bool keep_alive, no_body;
	int len; /* 0 = strlen */
};

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define PLAIN "HTTP/1.1 200 OK\r\n"
#define F16 "0123456789abcdef"
#define F256 F16 F16 F16 F16 F16 F16 F16 F16 F16 F16 F16 F16 F16 F16 F16 F16

#define ROW(n, t, e, ...)                                                                                              \
	{                                                                                                              \
		.name = n, .text = t, .events = e, __VA_ARGS__                                                         \
	}

static const struct row rows[] = {
	/* complete */
	ROW("length", PLAIN "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
	    "H200,5,text/plain Bhello D+0", .keep_alive = true),
	ROW("length 0", PLAIN "Content-Length: 0\r\n\r\n", "H200,0, D+0", .keep_alive = true),
	ROW("surplus", PLAIN "Content-Length: 2\r\n\r\nhello", "H200,2, Bhe D+3", .keep_alive = true),
	ROW("same length twice", PLAIN "Content-Length: 2\r\ncontent-length: 2\r\n\r\nhi", "H200,2, Bhi D+0",
	    .keep_alive = true),
	ROW("blanks around value", PLAIN "Content-Length: \t 2 \t\r\n\r\nhi", "H200,2, Bhi D+0", .keep_alive = true),
	ROW("close", PLAIN "Connection: x, Close\r\nContent-Length: 2\r\n\r\nhi", "H200,2, Bhi D+0",
	    .keep_alive = false),
	ROW("not close", PLAIN "Connection: closed\r\nContent-Length: 2\r\n\r\nhi", "H200,2, Bhi D+0",
	    .keep_alive = true),
	ROW("1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "H200,2, Bhi D+0", .keep_alive = false),
	ROW("no reason", "HTTP/1.1 429\r\nContent-Length: 0\r\n\r\n", "H429,0, D+0", .keep_alive = true),
	ROW("204", "HTTP/1.1 204 No Content\r\n\r\n", "H204,-1, D+0", .keep_alive = true),
	ROW("304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "H304,9, D+0",
	    .keep_alive = true),
	ROW("HEAD", PLAIN "Content-Length: 9\r\n\r\n", "H200,9, D+0", .keep_alive = true, .no_body = true),
	ROW("interim",
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" PLAIN "Content-Length: 2\r\n\r\nhi",
	    "H200,2, Bhi D+0", .keep_alive = true),
	ROW("chunks", CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "H200,-1, Bhello! D+0", .keep_alive = true),
	ROW("chunk sizes", CHUNKED "00a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
	    "H200,-1, B01234567890123456789 D+0", .keep_alive = true),
	ROW("extensions", CHUNKED "2;a=b;c=\"d\"\r\nhi\r\n0 ;x\r\n\r\n", "H200,-1, Bhi D+0", .keep_alive = true),
	ROW("trailers", CHUNKED "2\r\nhi\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\nZ", "H200,-1, Bhi D+1", .keep_alive = true),
	ROW("to close", PLAIN "\r\nabc", "H200,-1, Babc C D", .keep_alive = false),
	ROW("NUL in body", PLAIN "Content-Length: 3\r\n\r\na\0b", "H200,3, Ba.b D+0", .keep_alive = true, .len = 41),
	/* incomplete */
	ROW("no head yet", PLAIN "Content-Le", "C E"),
	ROW("short body", PLAIN "Content-Length: 5\r\n\r\nhel", "H200,5, Bhel C E"),
	ROW("no last chunk", CHUNKED "2\r\nhi\r\n", "H200,-1, Bhi C E"),
	ROW("no end of trailers", CHUNKED "0\r\nA: b\r\n", "H200,-1, C E"),
	/* refused */
	ROW("both lengths", PLAIN "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "E"),
	ROW("both, the other way", PLAIN "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", "E"),
	ROW("two lengths", PLAIN "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", "E"),
	ROW("list of lengths", PLAIN "Content-Length: 2, 2\r\n\r\nhi", "E"),
	ROW("negative length", PLAIN "Content-Length: -2\r\n\r\nhi", "E"),
	ROW("plus length", PLAIN "Content-Length: +2\r\n\r\nhi", "E"),
	ROW("hex length", PLAIN "Content-Length: 0x2\r\n\r\nhi", "E"),
	ROW("empty length", PLAIN "Content-Length: \r\n\r\nhi", "E"),
	ROW("huge length", PLAIN "Content-Length: 99999999999999999999\r\n\r\n", "E"),
	ROW("gzip, chunked", PLAIN "Transfer-Encoding: gzip, chunked\r\n\r\n", "E"),
	ROW("identity", PLAIN "Transfer-Encoding: identity\r\n\r\n", "E"),
	ROW("chunked twice", PLAIN "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "E"),
	ROW("chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "E"),
	ROW("blank before colon", PLAIN "Content-Length : 2\r\n\r\nhi", "E"),
	ROW("folded", PLAIN "A: b\r\n c\r\nContent-Length: 2\r\n\r\nhi", "E"),
	ROW("no colon", PLAIN "Content-Length\r\n\r\nhi", "E"),
	ROW("empty name", PLAIN ": x\r\n\r\nhi", "E"),
	ROW("bare LF", PLAIN "A: b\nContent-Length: 2\r\n\r\nhi", "E"),
	ROW("bare CR", PLAIN "A: b\rContent-Length: 2\r\n\r\nhi", "E"),
	ROW("NUL in a header", PLAIN "A: b\0c\r\n\r\n", "E", .len = 27),
	ROW("not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "E"),
	ROW("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", "E"),
	ROW("status 42", "HTTP/1.1 42 OK\r\n\r\n", "E"),
	ROW("status 2000", "HTTP/1.1 2000 OK\r\n\r\n", "E"),
	ROW("status 999", "HTTP/1.1 999 OK\r\n\r\n", "E"),
	ROW("status 2x0", "HTTP/1.1 2x0 OK\r\n\r\n", "E"),
	ROW("101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "E"),
	ROW("empty line first", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "E"),
	ROW("head too large", PLAIN "A: " F256 F256 "\r\n\r\n", "E"),
	ROW("endless head", PLAIN "A: " F256 F256, "E"),
	ROW("no chunk size", CHUNKED "\r\nhi\r\n", "H200,-1, E"),
	ROW("chunk size g", CHUNKED "g\r\nhi\r\n", "H200,-1, E"),
	ROW("chunk size -1", CHUNKED "-1\r\nhi\r\n", "H200,-1, E"),
	ROW("chunk size 0x1", CHUNKED "0x1\r\nh\r\n", "H200,-1, E"),
	ROW("chunk size blank first", CHUNKED " 2\r\nhi\r\n", "H200,-1, E"),
	ROW("chunk size overflows", CHUNKED "10000000000000002\r\nhi\r\n", "H200,-1, E"),
	ROW("chunk size bare LF", CHUNKED "2\nhi\r\n", "H200,-1, E"),
	ROW("chunk size CR x", CHUNKED "2\rxhi\r\n", "H200,-1, E"),
	ROW("chunk too long", CHUNKED "2\r\nhi!\r\n0\r\n\r\n", "H200,-1, Bhi E"),
	ROW("chunk end bare LF", CHUNKED "2\r\nhi\n0\r\n\r\n", "H200,-1, Bhi E"),
	ROW("extension with LF", CHUNKED "2;a\nb\r\nhi\r\n", "H200,-1, E"),
	ROW("trailer with LF", CHUNKED "0\r\nA: b\nC: d\r\n\r\n", "H200,-1, E"),
	ROW("trailer folded", CHUNKED "0\r\n A: b\r\n\r\n", "H200,-1, E"),
	ROW("trailers too large", CHUNKED "0\r\nA: " F256 F256 "\r\n\r\n", "H200,-1, E"),
};

struct record {
	char text[2048];
	size_t at;
	bool in_body, keep_alive, over;
};

static void note(struct record *rec, const char *text, size_t len)
{
	for (size_t i = 0; i < len && rec->at + 1 < sizeof(rec->text); i++)
		rec->text[rec->at++] = text[i] ? text[i] : '.';
	rec->text[rec->at] = '\0';
}

static void note_event(struct record *rec, const char *text)
{
	if (rec->at)
		note(rec, " ", 1);
	note(rec, text, strlen(text));
	rec->in_body = false;
}

static void note_head(struct record *rec, const struct parser *p)
{
	char text[128];

	snprintf(text, sizeof(text), "H%d,%lld,%.*s", p->head.status, p->head.content_length,
		 (int)p->head.content_type_len, p->head.content_type);
	note_event(rec, text);
}

/* `after`: bytes of the answer that come after this piece; they are surplus too when the answer is over. */
static void feed(struct parser *p, struct record *rec, const char *data, size_t len, size_t after)
{
	size_t at = 0, used;
	char text[32];

	while (!rec->over) {
		switch (parser_next(p, data + at, len - at, &used)) {
		case PARSE_MORE:
			cr_assert_eq(at + used, len, "wants more with bytes unused");
			return;
		case PARSE_HEAD:
			note_head(rec, p);
			break;
		case PARSE_BODY:
			cr_assert_gt(p->body_len, 0);
			cr_assert(p->body >= data && p->body + p->body_len <= data + len,
				  "body outside of the bytes given");
			if (!rec->in_body)
				note_event(rec, "B");
			rec->in_body = true;
			note(rec, p->body, p->body_len);
			break;
		case PARSE_DONE:
			snprintf(text, sizeof(text), "D+%zu", len - at - used + after);
			note_event(rec, text);
			rec->over = true;
			break;
		case PARSE_ERROR:
			cr_assert(p->why && p->why[0]);
			note_event(rec, "E");
			rec->over = true;
			break;
		}
		at += used;
	}
}

static void finish(struct parser *p, struct record *rec)
{
	if (!rec->over) {
		note_event(rec, "C");
		note_event(rec, parser_eof(p) ? "D" : "E");
	}
	rec->keep_alive = p->keep_alive;
}

static void check(const struct row *r, const struct record *rec, const char *how, size_t cut)
{
	cr_expect_str_eq(rec->text, r->events, "%s, %s %zu: %s", r->name, how, cut, rec->text);
	if (strstr(r->events, " D"))
		cr_expect_eq(rec->keep_alive, r->keep_alive, "%s: keep-alive", r->name);
}

static size_t row_len(const struct row *r)
{
	return r->len ? (size_t)r->len : strlen(r->text);
}

/* A copy of exactly this size, so that ASan sees a read beyond a piece. */
static void feed_copy(struct parser *p, struct record *rec, const char *data, size_t len, size_t after)
{
	char *copy = malloc(len ? len : 1);

	memcpy(copy, data, len);
	feed(p, rec, copy, len, after);
	free(copy);
}

Test(parse, whole)
{
	struct parser p = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct record rec = {0};

		parser_reset(&p, HEAD_MAX, rows[i].no_body);
		feed_copy(&p, &rec, rows[i].text, row_len(&rows[i]), 0);
		finish(&p, &rec);
		check(&rows[i], &rec, "whole", 0);
	}
	parser_done(&p);
}

Test(parse, cut_everywhere)
{
	struct parser p = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = row_len(&rows[i]);

		for (size_t cut = 1; cut < len; cut++) {
			struct record rec = {0};

			parser_reset(&p, HEAD_MAX, rows[i].no_body);
			feed_copy(&p, &rec, rows[i].text, cut, len - cut);
			feed_copy(&p, &rec, rows[i].text + cut, len - cut, 0);
			finish(&p, &rec);
			check(&rows[i], &rec, "cut at", cut);
		}
	}
	parser_done(&p);
}

Test(parse, byte_by_byte)
{
	struct parser p = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = row_len(&rows[i]);
		struct record rec = {0};

		parser_reset(&p, HEAD_MAX, rows[i].no_body);
		for (size_t at = 0; at < len; at++)
			feed_copy(&p, &rec, rows[i].text + at, 1, len - at - 1);
		finish(&p, &rec);
		check(&rows[i], &rec, "bytes", 0);
	}
	parser_done(&p);
}

Test(parse, too_many_interim)
{
	struct parser p = {0};
	struct record rec = {0};
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

	parser_reset(&p, HEAD_MAX, false);
	for (int i = 0; i < 1000 && !rec.over; i++)
		feed(&p, &rec, interim, sizeof(interim) - 1, 0);
	cr_expect_str_eq(rec.text, "E");
	parser_done(&p);
}

Test(header, lookup)
{
	static const char block[] = "Content-Type:  a/b ; c=d \r\nX-Empty:\r\nRetry-After: 3\r\nLast: x";
	static const struct {
		const char *name, *value;
	} cases[] = {
		{"content-type", "a/b ; c=d"},
		{"CONTENT-TYPE", "a/b ; c=d"},
		{"x-empty", ""},
		{"retry-after", "3"},
		{"last", "x"},
		{"content", NULL},
		{"after", NULL},
		{"absent", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *v = NULL;
		long n = upstream_header(block, sizeof(block) - 1, cases[i].name, &v);

		if (!cases[i].value) {
			cr_expect_eq(n, -1, "%s", cases[i].name);
			continue;
		}
		cr_assert_eq(n, (long)strlen(cases[i].value), "%s: %ld", cases[i].name, n);
		cr_expect_eq(memcmp(v, cases[i].value, (size_t)n), 0, "%s", cases[i].name);
	}
	cr_expect_eq(upstream_header("", 0, "a", &(const char *){NULL}), -1);
}
