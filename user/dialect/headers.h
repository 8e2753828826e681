/* Names of the headers that OpenAI's SDKs and their users read, as the daemon and the NIC send them. */
#ifndef DIALECT_HEADERS_H
#define DIALECT_HEADERS_H

#define OPENAI_H_REQUEST_ID "x-request-id"
#define OPENAI_H_RETRY_AFTER "retry-after"          /* seconds, rounded up, at least 1 */
#define OPENAI_H_RETRY_AFTER_MS "retry-after-ms"    /* milliseconds, rounded up, at least 1 */
#define OPENAI_H_LIMIT "x-ratelimit-limit-"         /* + "requests" or "tokens" */
#define OPENAI_H_REMAINING "x-ratelimit-remaining-" /* likewise */
#define OPENAI_H_RESET "x-ratelimit-reset-"         /* likewise; a Go duration (num_format_go_duration) */

#endif
