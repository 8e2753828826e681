/* Names of the headers that the dialects' SDKs and their users read, as the daemon and the NIC send them. */
#ifndef DIALECT_HEADERS_H
#define DIALECT_HEADERS_H

#define DIALECT_H_REQUEST_ID "x-request-id" /* of all */
#define DIALECT_H_REQUEST_ID_ANTHROPIC                                                                                 \
	"request-id"                              /* Anthropic's beside it; at the NIC, which has room for one, alone */
#define DIALECT_H_RETRY_AFTER "retry-after"       /* seconds, rounded up, at least 1 */
#define DIALECT_H_RETRY_AFTER_MS "retry-after-ms" /* milliseconds, rounded up, at least 1 */
/* OpenAI, Azure, Gemini: prefix + "requests" or "tokens". */
#define DIALECT_H_LIMIT "x-ratelimit-limit-"
#define DIALECT_H_REMAINING "x-ratelimit-remaining-"
#define DIALECT_H_RESET "x-ratelimit-reset-" /* a Go duration (num_format_go_duration) */
/* Anthropic: prefix + "requests" or "tokens" + suffix. */
#define DIALECT_H_ANTHROPIC "anthropic-ratelimit-"
#define DIALECT_H_ANTHROPIC_LIMIT "-limit"
#define DIALECT_H_ANTHROPIC_REMAINING "-remaining"
#define DIALECT_H_ANTHROPIC_RESET "-reset"     /* RFC 3339, UTC */
#define DIALECT_H_IGNORED "x-tollgate-ignored" /* hints of the request that its provider has no word for */

#endif
