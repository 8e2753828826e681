/* Prompt tokens before the provider has counted them: four bytes of text a token. And the parts of a prompt from which
 * the most that it can be is worked out. */
#include "dialect/internal.h"

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

static bool name_in(const struct json_span *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (json_string_is(name, names[i]))
			return true;
	return false;
}

static bool is_link(const struct json_span *name)
{
	static const char *const names[] = {"url", "file_id", "image_url", "file_url", "fileUri", "file_uri"};

	return name_in(name, names, ARRAY_SIZE(names));
}

/* What stands beside base64 and says of what it is; text written as a file is text all the same. */
static bool says_media(const struct json_span *name, const struct json_span *v)
{
	static const char *const names[] = {"media_type", "mimeType", "mime_type", "format"};

	return name_in(name, names, ARRAY_SIZE(names)) && v->type == JSON_SPAN_STRING &&
	       (v->len < 6 || memcmp(v->at + 1, "text", 4) != 0);
}

static bool object_says_media(const struct json_span *object)
{
	struct json_span name, v;
	struct json_iter it;

	if (object->type != JSON_SPAN_OBJECT || json_iter_init(&it, object) < 0)
		return false;
	while (json_iter_next(&it, &name, &v) == 1)
		if (says_media(&name, &v))
			return true;
	return false;
}

static void count_string(const struct json_span *object, const struct json_span *name, const struct json_span *v,
			 struct files *f)
{
	bool link = is_link(name);

	if ((link && v->len > 6 && memcmp(v->at + 1, "data:", 5) == 0) || json_string_is(name, "file_data") ||
	    (json_string_is(name, "data") && object_says_media(object))) {
		f->embedded++;
		f->embedded_bytes += v->len - 2;
	} else if (link) {
		f->linked++;
	}
}

/* A part of a message: files in it, and in what it holds: {"type":"image_url","image_url":{"url":"data:..."}} or a
 * tool's result with images. No wire puts them deeper. */
#define PART_DEPTH 6u
static void count_files(const struct json_span *part, unsigned depth, struct files *f)
{
	struct json_span name = {.type = JSON_SPAN_ABSENT}, v;
	struct json_iter it;

	if (depth == PART_DEPTH || json_iter_init(&it, part) < 0)
		return;
	while (json_iter_next(&it, &name, &v) == 1) {
		if (v.type == JSON_SPAN_OBJECT || v.type == JSON_SPAN_ARRAY)
			count_files(&v, depth + 1, f);
		else if (v.type == JSON_SPAN_STRING && part->type == JSON_SPAN_OBJECT)
			count_string(part, &name, &v, f);
	}
}

/* Each member of a message that is an array has its parts. */
static void walk_messages(const struct json_span *messages, struct files *f)
{
	struct json_span message, name, content;
	struct json_iter it, members;

	if (json_iter_init(&it, messages) < 0)
		return;
	while (json_iter_next(&it, NULL, &message) == 1) {
		if (message.type != JSON_SPAN_OBJECT || json_iter_init(&members, &message) < 0)
			continue;
		while (json_iter_next(&members, &name, &content) == 1)
			if (content.type == JSON_SPAN_ARRAY)
				count_files(&content, 0, f);
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

struct estimate estimate_messages(const struct json_member *messages, const struct json_member *tools)
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
		   f.embedded * DIALECT_FILE_TOKENS;
	return e;
}

struct estimate estimate_input(const struct json_member *input)
{
	/* Arrays of token numbers have no strings: "1234," is more than four bytes a token, on the safe side. */
	return (struct estimate){
		.tokens = tokens_of(input->string_bytes ? input->string_bytes : input->value.len),
		.text_bytes = input->value.len,
	};
}
