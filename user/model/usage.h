/* Token usage of one call. */
#ifndef MODEL_USAGE_H
#define MODEL_USAGE_H

#include <stdint.h>

/* What JSON numbers carry exactly; a provider that reports more is not believed. */
#define USAGE_TOKENS_MAX ((uint64_t)1 << 53)

struct usage {
	uint64_t input_tokens;        /* all input: fresh, read from a cache, written to one */
	uint64_t cached_input_tokens; /* of them: read from a cache */
	uint64_t cache_write_tokens;  /* of them: written to one */
	uint64_t output_tokens;       /* all output, reasoning included */
	uint64_t reasoning_tokens;    /* of them; not priced apart */
};

/* Where a record's tokens are from. Stored: append only. */
enum usage_source {
	USAGE_NONE,      /* nothing delivered, nothing charged */
	USAGE_REPORTED,  /* the provider's report, in an answer the client was taking */
	USAGE_DRAINED,   /* the provider's report, read after the client had gone */
	USAGE_ESTIMATED, /* no report to be had: from what was asked and delivered */
	USAGE_RECOVERED, /* by start-up recovery, from the hold that a crash left open */
	USAGE_SOURCES,
};

#endif
