/* Prompt tokens before the provider has counted them: four bytes of text a token. */
#include "dialect/internal.h"
#include "dialect/openai.h"

#include <string.h>

/* Below this much text nothing can hide that is worth a second walk. */
#define WALK_FROM_BYTES 16384u

static uint64_t tokens_of(uint64_t bytes)
{
	return (bytes + 3) / 4;
}

/* Base64 of an image, audio or file: a data: URL, or the bare text of an input_audio or file part. */
static bool is_file(const struct json_span *name, const struct json_span *v)
{
	return v->len > 6 && (memcmp(v->at + 1, "data:", 5) == 0 || json_string_is(name, "data") ||
			      json_string_is(name, "file_data"));
}

/* A part such as {"type":"image_url","image_url":{"url":"data:..."}}: files in it, one level down, and their bytes. */
static void count_files(const struct json_span *part, uint64_t *files, uint64_t *bytes)
{
	struct json_span name, v, inner_name, inner;
	struct json_iter it, inner_it;

	if (json_iter_init(&it, part) < 0 || part->type != JSON_SPAN_OBJECT)
		return;
	while (json_iter_next(&it, &name, &v) == 1) {
		if (v.type != JSON_SPAN_OBJECT || json_iter_init(&inner_it, &v) < 0)
			continue;
		while (json_iter_next(&inner_it, &inner_name, &inner) == 1) {
			if (inner.type != JSON_SPAN_STRING || !is_file(&inner_name, &inner))
				continue;
			++*files;
			*bytes += inner.len - 2;
		}
	}
}

static void walk_messages(const struct json_span *messages, uint64_t *files, uint64_t *bytes)
{
	struct json_span message, name, content, part;
	struct json_iter it, members, parts;

	if (json_iter_init(&it, messages) < 0)
		return;
	while (json_iter_next(&it, NULL, &message) == 1) {
		if (message.type != JSON_SPAN_OBJECT || json_iter_init(&members, &message) < 0)
			continue;
		while (json_iter_next(&members, &name, &content) == 1) {
			if (content.type != JSON_SPAN_ARRAY || json_iter_init(&parts, &content) < 0)
				continue;
			while (json_iter_next(&parts, NULL, &part) == 1)
				count_files(&part, files, bytes);
		}
	}
}

uint64_t openai_estimate_chat(const struct json_member *messages, const struct json_member *tools)
{
	uint64_t files = 0, file_bytes = 0;

	if (messages->string_bytes >= WALK_FROM_BYTES)
		walk_messages(&messages->value, &files, &file_bytes);
	return tokens_of(messages->string_bytes - file_bytes + tools->value.len) + files * OPENAI_FILE_TOKENS;
}

uint64_t openai_estimate_input(const struct json_member *input)
{
	/* Arrays of token numbers have no strings: "1234," is more than four bytes a token, on the safe side. */
	return tokens_of(input->string_bytes ? input->string_bytes : input->value.len);
}
