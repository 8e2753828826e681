/* Between the files of this room, beside chat.h and wire.h: what scan() of each wire is made of. */
#ifndef DIALECT_INTERNAL_H
#define DIALECT_INTERNAL_H

#include "base/json_scan.h"
#include "dialect/wire.h"

/* The whole body: well-formed, one object, none of the members asked for twice. ERR_INVAL. */
int scan_body(const char *body, size_t len, struct json_member *m, size_t n, struct dialect_fault *fault) MUST_CHECK;
/* ERR_INVAL, for a member that must be there. */
int scan_missing(struct dialect_fault *fault, const char *param);
/* The body's "model": must be given unless the path names one, which then stays the one that counts. ERR_INVAL. */
int scan_model(const char *body, const struct json_span *v, struct dialect_request *q,
	       struct dialect_fault *fault) MUST_CHECK;
/* Absent and null leave *ret alone. ERR_INVAL names `param`. */
int scan_bool(const struct json_span *v, const char *param, bool *ret, struct dialect_fault *fault) MUST_CHECK;
/* A whole number from 1 to max. */
int scan_count(const struct json_span *v, const char *param, uint64_t max, uint64_t *ret,
	       struct dialect_fault *fault) MUST_CHECK;
/* 2^40 tokens are beyond any bucket (gcra.h), and the product with the number of choices stays in 64 bits. */
#define SCAN_TOKENS_MAX ((uint64_t)1 << 40)
#define SCAN_CHOICES_MAX 128u

/* The body with the model's name replaced (inserted where there is none), and one more change or none. */
struct splice {
	size_t at, len; /* replaces len bytes at `at` (0 = insert) */
	const char *text;
};
int splice_model(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		 const struct splice *more, struct buf *out) MUST_CHECK;

/* What a prompt is made of, by its members (scanned by json_scan_object). */
struct estimate {
	uint64_t tokens;     /* what it probably is */
	uint64_t text_bytes; /* what can become tokens */
	uint64_t files;
};
struct estimate estimate_input(const struct json_member *input);
/* An array of messages with parts (any wire's), and tools. */
struct estimate estimate_messages(const struct json_member *messages, const struct json_member *tools);
/* Puts an estimate into q; other_bytes: other members that become tokens as well. */
void scan_estimate(struct dialect_request *q, struct estimate e, uint64_t other_bytes);

/* An OpenAI `usage` value of a chat or of embeddings (chat: completion_tokens is part of it). ERR_NOT_FOUND when null,
 * absent or without counts; ERR_INVAL when malformed. */
int openai_read_usage(const struct json_span *v, bool chat, struct usage *ret, bool *ret_inconsistent) MUST_CHECK;
/* A count of a usage: absent and null leave *ret alone. ERR_INVAL: anything that isn't plainly one. */
int usage_count(const struct json_span *v, uint64_t *ret) MUST_CHECK;

#endif
