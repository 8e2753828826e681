#include "upstream/parse.h"

#include <string.h>
#include <strings.h>

#define INTERIM_MAX 16      /* 1xx answers before the real one */
#define CHUNK_DIGITS_MAX 15 /* no overflow of 64 bits */
#define CHUNK_EXT_MAX 4096

static enum parse_event fail(struct parser *p, const char *why)
{
	p->state = PARSE_S_FAILED;
	p->why = why;
	return PARSE_ERROR;
}

void parser_reset(struct parser *p, size_t head_max, bool no_body)
{
	p->state = PARSE_S_HEAD;
	p->no_body = no_body;
	p->keep_alive = false;
	p->interim = p->digits = 0;
	p->head_max = head_max;
	p->line_bytes = 0;
	p->left = 0;
	p->partial_used = 0;
	p->why = NULL;
	buf_reset(&p->partial);
}

void parser_done(struct parser *p)
{
	buf_done(&p->partial);
}

bool parser_eof(struct parser *p)
{
	if (p->state == PARSE_S_TO_CLOSE)
		p->state = PARSE_S_DONE;
	return p->state == PARSE_S_DONE;
}

/* ---- the head */

/* Token characters of RFC 9110. */
static bool is_token(unsigned char c)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && memchr(others, c, sizeof(others) - 1));
}

/* What the head says about framing, gathered while its lines are checked. */
struct framing {
	bool have_length, chunked, bad_coding, close;
	unsigned minor;
	uint64_t length;
};

static bool is_name(const char *name, size_t len, const char *want, size_t want_len)
{
	return len == want_len && strncasecmp(name, want, want_len) == 0;
}
#define IS_NAME(name, len, literal) is_name(name, len, literal, sizeof(literal) - 1)

static bool length_parse(const char *v, size_t len, uint64_t *ret)
{
	uint64_t n = 0;

	if (len == 0 || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (v[i] < '0' || v[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(v[i] - '0');
	}
	*ret = n;
	return true;
}

static bool list_has(const char *v, size_t len, const char *token)
{
	size_t n = strlen(token);

	while (len) {
		const char *comma = memchr(v, ',', len);
		size_t part = comma ? (size_t)(comma - v) : len, used = part + (comma ? 1 : 0);
		const char *w = v;

		while (part && (*w == ' ' || *w == '\t'))
			w++, part--;
		while (part && (w[part - 1] == ' ' || w[part - 1] == '\t'))
			part--;
		if (part == n && strncasecmp(w, token, n) == 0)
			return true;
		v += used;
		len -= used;
	}
	return false;
}

/* One field that matters here; returns what is wrong, or NULL. */
static const char *field_take(struct parser *p, struct framing *f, const char *name, size_t name_len, const char *v,
			      size_t len)
{
	uint64_t n;

	if (IS_NAME(name, name_len, "content-length")) {
		if (!length_parse(v, len, &n))
			return "bad Content-Length";
		if (f->have_length && f->length != n)
			return "two different Content-Length";
		f->have_length = true;
		f->length = n;
	} else if (IS_NAME(name, name_len, "transfer-encoding")) {
		/* Anything but the one coding we undo, once. */
		if (f->chunked || !IS_NAME(v, len, "chunked"))
			return "Transfer-Encoding is not just chunked";
		f->chunked = true;
	} else if (IS_NAME(name, name_len, "connection")) {
		f->close = f->close || list_has(v, len, "close");
	} else if (IS_NAME(name, name_len, "content-type")) {
		p->head.content_type = v;
		p->head.content_type_len = len;
	}
	return NULL;
}

static const char *line_take(struct parser *p, struct framing *f, const char *line, size_t len)
{
	size_t name_len = 0, at, end = len;

	while (name_len < len && is_token((unsigned char)line[name_len]))
		name_len++;
	if (name_len == 0 || name_len == len || line[name_len] != ':')
		return "malformed header line"; /* folded lines and blanks before the colon too */
	for (at = name_len + 1; at < len; at++)
		if ((unsigned char)line[at] < ' ' && line[at] != '\t')
			return "control character in a header";
	at = name_len + 1;
	while (at < end && (line[at] == ' ' || line[at] == '\t'))
		at++;
	while (end > at && (line[end - 1] == ' ' || line[end - 1] == '\t'))
		end--;
	return field_take(p, f, line, name_len, line + at, end - at);
}

static const char *status_take(struct parser *p, struct framing *f, const char *line, size_t len)
{
	int status = 0;

	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
	    (len > 12 && line[12] != ' '))
		return "malformed status line";
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return "malformed status line";
		status = status * 10 + (line[i] - '0');
	}
	if (status < 100 || status > 599)
		return "status out of range";
	for (size_t i = 12; i < len; i++)
		if ((unsigned char)line[i] < ' ' && line[i] != '\t')
			return "control character in the status line";
	f->minor = (unsigned)(line[7] - '0');
	p->head.status = status;
	return NULL;
}

/* The next line without its CRLF, or false. Every line of `text` ends in CRLF. */
static bool line_next(const char **at, const char *end, const char **ret, size_t *ret_len)
{
	const char *lf = memchr(*at, '\n', (size_t)(end - *at));

	if (!lf || lf == *at || lf[-1] != '\r')
		return false;
	*ret = *at;
	*ret_len = (size_t)(lf - 1 - *at);
	*at = lf + 1;
	return true;
}

/* How the body ends (RFC 9112, 6.3). */
static const char *framing_apply(struct parser *p, const struct framing *f)
{
	int status = p->head.status;

	if (f->chunked && f->have_length)
		return "both Content-Length and Transfer-Encoding";
	if (f->chunked && f->minor == 0)
		return "Transfer-Encoding in HTTP/1.0";
	p->keep_alive = f->minor == 1 && !f->close;
	p->head.content_length = f->have_length ? (long long)f->length : -1;
	if (p->no_body || status == 204 || status == 304) {
		p->state = PARSE_S_DONE;
	} else if (f->chunked) {
		p->state = PARSE_S_CHUNK_SIZE;
		p->left = 0;
		p->digits = 0;
		p->line_bytes = 0;
	} else if (f->have_length) {
		p->state = f->length ? PARSE_S_LENGTH : PARSE_S_DONE;
		p->left = f->length;
	} else {
		p->state = PARSE_S_TO_CLOSE;
		p->keep_alive = false;
	}
	return NULL;
}

/* A complete head, the empty line included. */
static enum parse_event head_parse(struct parser *p, const char *text, size_t len)
{
	const char *at = text, *end = text + len - 2, *line, *why;
	struct framing f = {0};
	size_t line_len;

	p->head = (struct upstream_head){.content_type = "", .content_length = -1};
	if (!line_next(&at, end, &line, &line_len))
		return fail(p, "malformed line end");
	why = status_take(p, &f, line, line_len);
	p->head.headers = at;
	p->head.headers_len = (size_t)(end - at);
	while (!why && at < end) {
		if (!line_next(&at, end, &line, &line_len))
			return fail(p, "malformed line end");
		why = line_take(p, &f, line, line_len);
	}
	if (why)
		return fail(p, why);
	if (p->head.status >= 200) {
		why = framing_apply(p, &f);
		return why ? fail(p, why) : PARSE_HEAD;
	}
	if (p->head.status == 101)
		return fail(p, "101 without an upgrade asked for");
	if (++p->interim > INTERIM_MAX)
		return fail(p, "too many interim answers");
	p->partial_used = p->partial.len;
	return PARSE_MORE; /* the caller loops */
}

/* Index after the empty line that ends a head, 0 = not there. */
static size_t head_end(const char *text, size_t len, size_t from)
{
	const char *e;

	from = from > 3 ? from - 3 : 0;
	e = memmem(text + from, len - from, "\r\n\r\n", 4);
	return e ? (size_t)(e - text) + 4 : 0;
}

/* Collects a head from pieces. The whole-in-one-read case never copies. */
static enum parse_event head_next(struct parser *p, const char *data, size_t len, size_t *used)
{
	size_t end, before, room;

	if (p->partial_used) { /* an interim answer's head was looked at */
		buf_reset(&p->partial);
		p->partial_used = 0;
	}
	if (!p->partial.len) {
		end = head_end(data, len, 0);
		if (end && end <= p->head_max) {
			*used = end;
			return head_parse(p, data, end);
		}
		if (end || len > p->head_max)
			return fail(p, "head too large");
	}
	before = p->partial.len;
	room = p->head_max - before;
	if (buf_append(&p->partial, data, len < room ? len : room) < 0)
		return fail(p, "out of memory");
	end = head_end(p->partial.data, p->partial.len, before);
	if (!end) {
		if (len > room)
			return fail(p, "head too large");
		*used = len;
		return PARSE_MORE;
	}
	*used = end - before;
	p->partial.len = end;
	return head_parse(p, p->partial.data, end);
}

/* ---- the body */

static enum parse_event body_take(struct parser *p, const char *data, size_t len, size_t *used)
{
	p->body = data;
	p->body_len = len;
	*used += len;
	return PARSE_BODY;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum parse_event chunk_size_char(struct parser *p, char c)
{
	int digit = hex_digit(c);

	if (digit >= 0) {
		if (++p->digits > CHUNK_DIGITS_MAX)
			return fail(p, "chunk size too large");
		p->left = p->left << 4 | (uint64_t)digit;
	} else if (!p->digits) {
		return fail(p, "malformed chunk size");
	} else if (c == '\r') {
		p->state = PARSE_S_CHUNK_LF;
	} else if (c == ';' || c == ' ' || c == '\t') {
		p->state = PARSE_S_CHUNK_EXT;
		p->line_bytes = 0;
	} else {
		return fail(p, "malformed chunk size");
	}
	return PARSE_MORE;
}

static void chunk_open(struct parser *p)
{
	p->state = PARSE_S_CHUNK_SIZE;
	p->left = 0;
	p->digits = 0;
}

/* One byte of the framing between pieces of data. */
static enum parse_event frame_char(struct parser *p, char c)
{
	switch (p->state) {
	case PARSE_S_CHUNK_SIZE:
		return chunk_size_char(p, c);
	case PARSE_S_CHUNK_EXT:
		if (c == '\r')
			p->state = PARSE_S_CHUNK_LF;
		else if (((unsigned char)c < ' ' && c != '\t') || ++p->line_bytes > CHUNK_EXT_MAX)
			return fail(p, "malformed chunk extension");
		return PARSE_MORE;
	case PARSE_S_CHUNK_LF:
		p->line_bytes = 0;
		p->state = p->left ? PARSE_S_CHUNK_DATA : PARSE_S_TRAILER;
		return c == '\n' ? PARSE_MORE : fail(p, "malformed chunk size line");
	case PARSE_S_CHUNK_DATA_CR:
		p->state = PARSE_S_CHUNK_DATA_LF;
		return c == '\r' ? PARSE_MORE : fail(p, "chunk longer than its size");
	case PARSE_S_CHUNK_DATA_LF:
		chunk_open(p);
		return c == '\n' ? PARSE_MORE : fail(p, "chunk longer than its size");
	case PARSE_S_TRAILER:
		if (c == '\r') {
			p->state = PARSE_S_TRAILER_LAST_LF;
			return PARSE_MORE;
		}
		if (!is_token((unsigned char)c))
			return fail(p, "malformed trailer");
		p->state = PARSE_S_TRAILER_LINE;
		/* fall through */
	case PARSE_S_TRAILER_LINE:
		if (c == '\r')
			p->state = PARSE_S_TRAILER_LINE_LF;
		else if (((unsigned char)c < ' ' && c != '\t') || ++p->line_bytes > p->head_max)
			return fail(p, "malformed trailer");
		return PARSE_MORE;
	case PARSE_S_TRAILER_LINE_LF:
		p->state = PARSE_S_TRAILER;
		return c == '\n' ? PARSE_MORE : fail(p, "malformed trailer");
	case PARSE_S_TRAILER_LAST_LF:
		p->state = PARSE_S_DONE;
		return c == '\n' ? PARSE_MORE : fail(p, "malformed trailer");
	default:
		return fail(p, "parser in a wrong state");
	}
}

enum parse_event parser_next(struct parser *p, const char *data, size_t len, size_t *ret_used)
{
	enum parse_event e = PARSE_MORE;
	size_t used = 0, took;

	while (e == PARSE_MORE) {
		if (p->state == PARSE_S_DONE) {
			e = PARSE_DONE;
		} else if (p->state == PARSE_S_FAILED) {
			e = PARSE_ERROR;
		} else if (used == len) {
			break;
		} else if (p->state == PARSE_S_HEAD) {
			took = 0;
			e = head_next(p, data + used, len - used, &took);
			used += took;
		} else if (p->state == PARSE_S_TO_CLOSE) {
			e = body_take(p, data + used, len - used, &used);
		} else if (p->state == PARSE_S_LENGTH || p->state == PARSE_S_CHUNK_DATA) {
			took = p->left < len - used ? (size_t)p->left : len - used;
			p->left -= took;
			if (!p->left)
				p->state = p->state == PARSE_S_LENGTH ? PARSE_S_DONE : PARSE_S_CHUNK_DATA_CR;
			e = body_take(p, data + used, took, &used);
		} else {
			e = frame_char(p, data[used++]);
		}
	}
	*ret_used = used;
	return e;
}
