/* Numbers and units as people write them. All return 0, ERR_INVAL (not of that form) or ERR_RANGE; *ret is
 * untouched on failure. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "base/err.h"

#include <stdint.h>

/* Decimal digits only, no sign, no blanks. */
int num_parse_u64(const char *s, size_t len, uint64_t *ret) MUST_CHECK;
/* A number with one unit: "500ms", "60s", "5m", "24h", "7d", "250us", "10ns". A bare number is refused. */
int num_parse_duration_ns(const char *s, size_t len, uint64_t *ret_ns) MUST_CHECK;
/* Bytes: "512", "8KiB", "64MiB", "1GiB", and decimal "kB", "MB", "GB". */
int num_parse_bytes(const char *s, size_t len, uint64_t *ret_bytes) MUST_CHECK;
/* The shortest exact form, such as "90s" or "1500ms"; buf[32]. */
void num_format_duration(uint64_t ns, char buf[32]);
/* A Go-style duration as OpenAI's reset headers have it ("12ms", "1.5s", "6m0s"); buf[32]. */
void num_format_go_duration(uint64_t ns, char buf[32]);

#endif
