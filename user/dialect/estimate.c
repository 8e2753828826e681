/* Prompt tokens before the provider has counted them: four bytes of text a token. And the parts of a prompt from which
 * the most that it can be is worked out. */
#include "dialect/internal.h"
#include "dialect/openai.h"

#include <string.h>

/* Below this much text no embedded file can hide that is worth leaving out of the estimate. */
#define FILES_FROM_BYTES 16384u

static uint64_t tokens_of(uint64_t bytes)
{
	return (bytes + 3) / 4;
}

/* Images, audio and other files of a prompt. */
struct files {
	uint64_t embedded, embedded_bytes, linked;
};

/* Base64 of an image, audio or file: a data: URL, or the bare text of an input_audio or file part. */
static bool is_embedded(const struct json_span *name, const struct json_span *v)
{
	return v->len > 6 && (memcmp(v->at + 1, "data:", 5) == 0 || json_string_is(name, "data") ||
			      json_string_is(name, "file_data"));
}

static bool is_link(const struct json_span *name)
{
	return json_string_is(name, "url") || json_string_is(name, "file_id");
}

/* A part such as {"type":"image_url","image_url":{"url":"data:..."}}: files in it, one level down, and their bytes. */
static void count_files(const struct json_span *part, struct files *f)
{
	struct json_span name, v, inner_name, inner;
	struct json_iter it, inner_it;

	if (json_iter_init(&it, part) < 0 || part->type != JSON_SPAN_OBJECT)
		return;
	while (json_iter_next(&it, &name, &v) == 1) {
		if (v.type != JSON_SPAN_OBJECT || json_iter_init(&inner_it, &v) < 0)
			continue;
		while (json_iter_next(&inner_it, &inner_name, &inner) == 1) {
			if (inner.type != JSON_SPAN_STRING)
				continue;
			if (is_embedded(&inner_name, &inner)) {
				f->embedded++;
				f->embedded_bytes += inner.len - 2;
			} else if (is_link(&inner_name)) {
				f->linked++;
			}
		}
	}
}

static void walk_messages(const struct json_span *messages, struct files *f)
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
				count_files(&part, f);
		}
	}
}

/* Files sit in arrays that are members ("content": [...]), so most prompts needn't be walked: this is one memchr over
 * them. A bracket behind a colon in the text itself only costs the walk. */
static bool has_array_members(const struct json_span *messages)
{
	const char *start = messages->at + 1, *end = messages->at + messages->len, *p, *before;

	for (p = start; (p = memchr(p, '[', (size_t)(end - p))); p++) {
		for (before = p; before > start &&
				 (before[-1] == ' ' || before[-1] == '\t' || before[-1] == '\n' || before[-1] == '\r');)
			before--;
		if (before > start && before[-1] == ':')
			return true;
	}
	return false;
}

struct estimate openai_estimate_chat(const struct json_member *messages, const struct json_member *tools)
{
	struct files f = {0};
	struct estimate e;

	if (has_array_members(&messages->value))
		walk_messages(&messages->value, &f);
	e.files = f.embedded + f.linked;
	/* The JSON around the text stands for what a provider puts around each message. */
	e.text_bytes = messages->value.len - f.embedded_bytes + tools->value.len;
	if (messages->string_bytes < FILES_FROM_BYTES)
		f = (struct files){0};
	e.tokens = tokens_of(messages->string_bytes - f.embedded_bytes + tools->value.len) +
		   f.embedded * OPENAI_FILE_TOKENS;
	return e;
}

struct estimate openai_estimate_input(const struct json_member *input)
{
	/* Arrays of token numbers have no strings: "1234," is more than four bytes a token, on the safe side. */
	return (struct estimate){
		.tokens = tokens_of(input->string_bytes ? input->string_bytes : input->value.len),
		.text_bytes = input->value.len,
	};
}
