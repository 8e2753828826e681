/* Anthropic messages: the row. */
#include "dialect/anthropic.h"

const struct wire_ops wire_anthropic = {
	.scan = anthropic_scan,
	.splice = anthropic_splice,
	.parse = anthropic_parse,
	.render = anthropic_render,
	.answer_valid = anthropic_answer_valid,
	.answer_usage = anthropic_answer_usage,
	.answer_parse = anthropic_answer_parse,
	.answer_render = anthropic_answer_render,
	.usage = anthropic_usage,
	.usage_member = "usage",
	.watch = anthropic_watch,
	.decoder_size = sizeof(struct anthropic_decoder),
	.decode = anthropic_decode,
	.encoder_size = sizeof(struct anthropic_encoder),
	.encode = anthropic_encode,
	.encoder_done = anthropic_encoder_done,
	.error_event = anthropic_error_event,
};
