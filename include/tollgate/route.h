/* Path -> API method and dialect: the kernel program and the daemon decide by this one function.
 * The query is not part of a path; percent-encoded spellings are no route here (the daemon answers them).
 *
 * Invariant (tests cite it):
 *  R1  A path is matched whole: a prefix, a longer path, a trailing slash are other paths.
 */
#ifndef TOLLGATE_ROUTE_H
#define TOLLGATE_ROUTE_H

#include "tollgate/abi.h"
#include "tollgate/head.h"

/* What a path is: enum tg_route in the low byte, enum tg_dialect above. */
#define TG_ROUTE_HIT(route, dialect) ((__u32)(route) | (__u32)(dialect) << 8)
#define TG_ROUTE_OF(hit) ((hit)&0xffu)
#define TG_DIALECT_OF(hit) ((hit) >> 8)

#define TG_PATH_IS(lit) (len == sizeof(lit) - 1 && TG_HEAD_IS(buf, off, lit))
#define TG_PATH_STARTS(lit) (len > sizeof(lit) - 1 && TG_HEAD_IS(buf, off, lit))
#define TG_PATH_ENDS(lit, after)                                                                                       \
	(len > (after) + sizeof(lit) - 1 && TG_HEAD_IS(buf, off + len - (__u32)(sizeof(lit) - 1), lit))

/* Gemini: .../models/M:generateContent; else one model of a dialect's list. */
TG_INLINE __u32 tg_route_model(const struct tg_head_buf *buf, __u32 off, __u32 len, __u32 prefix, __u32 dialect)
{
	if (TG_PATH_ENDS(":generateContent", prefix) || TG_PATH_ENDS(":streamGenerateContent", prefix))
		return TG_ROUTE_HIT(TG_ROUTE_GENERATE_CONTENT, TG_DIALECT_GEMINI);
	return TG_ROUTE_HIT(TG_ROUTE_MODELS, dialect);
}

/* Paths under /v1. */
TG_INLINE __u32 tg_route_v1(const struct tg_head_buf *buf, __u32 off, __u32 len, __u32 dialect)
{
	if (TG_PATH_IS("/v1/chat/completions"))
		return TG_ROUTE_HIT(TG_ROUTE_CHAT_COMPLETIONS, dialect);
	if (TG_PATH_IS("/v1/embeddings"))
		return TG_ROUTE_HIT(TG_ROUTE_EMBEDDINGS, dialect);
	if (TG_PATH_IS("/v1/responses"))
		return TG_ROUTE_HIT(TG_ROUTE_RESPONSES, dialect);
	if (TG_PATH_IS("/v1/messages"))
		return TG_ROUTE_HIT(TG_ROUTE_MESSAGES, TG_DIALECT_ANTHROPIC);
	if (TG_PATH_IS("/v1/models"))
		return TG_ROUTE_HIT(TG_ROUTE_MODELS, dialect);
	if (TG_PATH_STARTS("/v1/models/"))
		return tg_route_model(buf, off, len, 11, dialect);
	if (TG_PATH_IS("/v1/batch/chat/completions"))
		return TG_ROUTE_HIT(TG_ROUTE_BATCH, dialect);
	return TG_ROUTE_HIT(TG_ROUTE_NONE, dialect);
}

/* The path of len bytes at off. No route: TG_ROUTE_NONE with the dialect to say so in. */
TG_INLINE __u32 tg_route_find(const struct tg_head_buf *buf, __u32 off, __u32 len)
{
	if (TG_PATH_STARTS("/v1/"))
		return tg_route_v1(buf, off, len, TG_DIALECT_OPENAI);
	if (TG_PATH_IS("/v1beta/models"))
		return TG_ROUTE_HIT(TG_ROUTE_MODELS, TG_DIALECT_GEMINI);
	if (TG_PATH_STARTS("/v1beta/models/"))
		return tg_route_model(buf, off, len, 15, TG_DIALECT_GEMINI);
	if (TG_PATH_STARTS("/openai/v1/"))
		return tg_route_v1(buf, off + 7, len - 7, TG_DIALECT_AZURE);
	if (TG_PATH_STARTS("/openai/deployments/")) {
		if (TG_PATH_ENDS("/chat/completions", 20))
			return TG_ROUTE_HIT(TG_ROUTE_CHAT_COMPLETIONS, TG_DIALECT_AZURE);
		if (TG_PATH_ENDS("/embeddings", 20))
			return TG_ROUTE_HIT(TG_ROUTE_EMBEDDINGS, TG_DIALECT_AZURE);
		return TG_ROUTE_HIT(TG_ROUTE_NONE, TG_DIALECT_AZURE);
	}
	return TG_ROUTE_HIT(TG_ROUTE_NONE, TG_DIALECT_OPENAI);
}

/* May this method be used on that route? */
TG_INLINE int tg_route_allows(__u32 route, __u32 method)
{
	if (route == TG_ROUTE_MODELS)
		return method == TG_METHOD_GET || method == TG_METHOD_HEAD;
	return route < TG_ROUTE_COUNT && method == TG_METHOD_POST;
}

#ifndef __bpf__
/* For user space: any path, the query (from '?') cut off. Paths over TG_HEAD_MAX are no route. */
TG_INLINE __u32 tg_route_find_text(const char *path, size_t len)
{
	struct tg_head_buf buf;
	const char *query = (const char *)memchr(path, '?', len);

	if (query)
		len = (size_t)(query - path);
	if (len > TG_HEAD_MAX)
		return TG_ROUTE_HIT(TG_ROUTE_NONE, TG_DIALECT_OPENAI);
	memcpy(buf.b, path, len);
	memset(buf.b + len, 0, TG_HEAD_PAD);
	return tg_route_find(&buf, 0, (__u32)len);
}
#endif

#endif
