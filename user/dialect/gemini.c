/* Gemini's row. */
#include "dialect/gemini.h"

const struct wire_ops wire_gemini = {
	.scan = gemini_scan,
	.splice = gemini_splice,
	.parse = gemini_parse,
	.render = gemini_render,
	.answer_valid = gemini_answer_valid,
	.answer_usage = gemini_answer_usage,
	.answer_parse = gemini_answer_parse,
	.answer_render = gemini_answer_render,
	.usage = gemini_usage,
	.usage_member = "usageMetadata",
	.watch = gemini_watch,
	.decoder_size = sizeof(struct gemini_decoder),
	.decode = gemini_decode,
	.encoder_size = sizeof(struct gemini_encoder),
	.encode = gemini_encode,
	.encoder_done = gemini_encoder_done,
	.error_event = gemini_error_event,
};
