/* Streams as providers send them, for the tests of all wires. A wire's recordings are in a file of their own
 * (recorded_*.c), which exports an array; streams.c lists the arrays. */
#ifndef TESTS_DIALECT_STREAMS_H
#define TESTS_DIALECT_STREAMS_H

#include "dialect/dialect.h"

struct recorded_stream {
	const char *name; /* NULL ends an array */
	enum wire wire;
	const char *text;
	unsigned choices; /* asked for; 0 = 1 */
	bool complete, error, have_usage, usage_malformed, usage_inconsistent;
	struct usage usage;
	/* Translated: what a client understands, choice by choice (stream_summary()); NULL: the events can't be
	 * translated (ERR_PROTO). */
	const char *summary;
};
extern const struct recorded_stream *const recorded_streams[];
extern const size_t n_recorded_streams;

/* What came of feeding a stream. */
struct stream_run {
	struct dialect_stream s;
	struct buf out;  /* before the release */
	struct buf held; /* released */
	int rc;          /* of feed and end */
};
struct dialect_answer_opts stream_opts(enum wire from, enum wire to, unsigned choices);
/* Feeds [0, cut), then pieces of `step` bytes (0 = all of the rest). Each piece is a block of its own, of its exact
 * size, so that ASan sees a read beyond it. */
void stream_run(struct stream_run *r, const struct dialect_answer_opts *o, const char *text, size_t len, size_t cut,
		size_t step);
void stream_run_done(struct stream_run *r);

/* An OpenAI chat stream as its client understands it: "0:text~refusal|name(arguments)|finish;1:...". Asserts what the
 * SDK's helper wants of chunks. */
char *stream_summary(const char *text, size_t len);

#endif
