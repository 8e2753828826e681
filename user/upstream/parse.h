/* Response parser: bytes in any pieces -> head, body pieces, end. Pure: no sockets, no clock; fuzzed.
 *
 * Strict where a lenient reader would take one answer's end for another's: both lengths, two lengths, odd chunk sizes,
 * bare LF and folded lines are refused.
 */
#ifndef UPSTREAM_PARSE_H
#define UPSTREAM_PARSE_H

#include "base/buf.h"
#include "upstream/upstream.h"

enum parse_event {
	PARSE_MORE,  /* everything was used, more bytes are needed */
	PARSE_HEAD,  /* parser->head holds it; borrowed until the next call */
	PARSE_BODY,  /* a piece of the body: within the bytes given */
	PARSE_DONE,  /* the answer is complete; bytes not used are surplus */
	PARSE_ERROR, /* parser->why says what */
};

enum parse_state {
	PARSE_S_HEAD,
	PARSE_S_LENGTH,
	PARSE_S_TO_CLOSE,
	PARSE_S_CHUNK_SIZE,
	PARSE_S_CHUNK_EXT,
	PARSE_S_CHUNK_LF,
	PARSE_S_CHUNK_DATA,
	PARSE_S_CHUNK_DATA_CR,
	PARSE_S_CHUNK_DATA_LF,
	PARSE_S_TRAILER,
	PARSE_S_TRAILER_LINE,
	PARSE_S_TRAILER_LINE_LF,
	PARSE_S_TRAILER_LAST_LF,
	PARSE_S_DONE,
	PARSE_S_FAILED,
};

struct parser {
	enum parse_state state;
	bool no_body;    /* the request was HEAD */
	bool keep_alive; /* the connection may be used again after this answer */
	unsigned interim, digits;
	size_t head_max, line_bytes;
	uint64_t left;
	struct buf partial; /* a head that came in pieces */
	size_t partial_used;
	struct upstream_head head;
	const char *body;
	size_t body_len;
	const char *why;
};

/* Ready for a new answer; keeps the memory of the last one. Start from a zeroed parser. */
void parser_reset(struct parser *p, size_t head_max, bool no_body);
void parser_done(struct parser *p);
/* The next event; *ret_used says how many of the bytes it took. */
enum parse_event parser_next(struct parser *p, const char *data, size_t len, size_t *ret_used);
/* The peer closed: true when that is how this answer ends. */
bool parser_eof(struct parser *p);

#endif
