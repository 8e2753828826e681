/* Token usage of one call. */
#ifndef MODEL_USAGE_H
#define MODEL_USAGE_H

#include <stdint.h>

struct usage {
	uint64_t input_tokens;        /* all input, cached included */
	uint64_t cached_input_tokens;
	uint64_t output_tokens;       /* all output, reasoning included */
	uint64_t reasoning_tokens;
};

#endif
