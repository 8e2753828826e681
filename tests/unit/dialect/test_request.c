/* Goal: what is read from request bodies, what is refused and whom it blames, and that rewriting changes only what it
 * must. Method: table rows; rewritten bodies are compared byte for byte and read back with jansson. */
#include "dialect/dialect.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define CHAT WIRE_OPENAI_CHAT
#define EMBED WIRE_OPENAI_EMBEDDINGS
#define M "\"model\":\"gpt-4\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"

static int parse(enum wire wire, const char *body, struct dialect_request *q, struct dialect_fault *fault)
{
	struct dialect_target t = {.wire = wire};
	size_t len = strlen(body);
	char *copy = malloc(len ? len : 1); /* exact size, for ASan */
	int rc;

	memcpy(copy, body, len);
	rc = dialect_request_parse(&t, copy, len, q, fault);
	if (rc == 0)
		q->model = body + (q->model - copy);
	free(copy);
	return rc;
}

Test(request, read)
{
	static const struct {
		enum wire wire;
		const char *body, *model;
		bool stream, include_usage;
		uint64_t max_output, choices, estimate;
	} rows[] = {
		{CHAT, "{" M "}", "gpt-4", false, false, 0, 1, 2},
		{CHAT, " \n{ " M " , \"stream\" : true }\t", "gpt-4", true, false, 0, 1, 2},
		{CHAT, "{" M ",\"stream\":false,\"max_tokens\":5}", "gpt-4", false, false, 5, 1, 2},
		{CHAT, "{" M ",\"stream\":null,\"stream_options\":null,\"max_tokens\":null,\"n\":null}", "gpt-4", false,
		 false, 0, 1, 2},
		{CHAT, "{" M ",\"max_completion_tokens\":7,\"n\":3}", "gpt-4", false, false, 21, 3, 2},
		{CHAT, "{" M ",\"max_completion_tokens\":7,\"max_tokens\":9,\"n\":128}", "gpt-4", false, false, 9 * 128,
		 128, 2},
		{CHAT, "{" M ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", "gpt-4", true, true, 0, 1,
		 2},
		{CHAT, "{" M ",\"stream\":true,\"stream_options\":{\"include_usage\":false}}", "gpt-4", true, false, 0,
		 1, 2},
		{CHAT, "{" M ",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}}", "gpt-4", true,
		 false, 0, 1, 2},
		{CHAT, "{" M ",\"tools\":[{\"type\":\"function\"}],\"user\":\"me\"}", "gpt-4", false, false, 0, 1, 7},
		{CHAT, "{\"m\\u006fdel\":\"x\",\"messages\":[0]}", "x", false, false, 0, 1, 0},
		{CHAT, "{\"messages\":[{\"model\":\"no\"}],\"model\":\"\xe6\xa8\xa1\"}", "\xe6\xa8\xa1", false, false,
		 0, 1, 1},
		{CHAT, "{" M ",\"foo\":1,\"foo\":2}", "gpt-4", false, false, 0, 1, 2},
		{CHAT, "{" M ",\"max_tokens\":1099511627776}", "gpt-4", false, false, 1ull << 40, 1, 2},
		{EMBED, "{\"model\":\"e\",\"input\":\"four\"}", "e", false, false, 0, 1, 1},
		{EMBED, "{\"model\":\"e\",\"input\":[\"four\",\"fives\"],\"stream\":true}", "e", false, false, 0, 1, 3},
		{EMBED, "{\"model\":\"e\",\"input\":[1,2,3]}", "e", false, false, 0, 1, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dialect_request q;
		struct dialect_fault fault;

		cr_assert_eq(parse(rows[i].wire, rows[i].body, &q, &fault), 0, "row %zu: %s", i, fault.err.msg);
		cr_expect_eq(q.model_len, strlen(rows[i].model), "row %zu", i);
		cr_expect_arr_eq(q.model, rows[i].model, q.model_len, "row %zu", i);
		cr_expect_eq(rows[i].body[q.body_model.at], '"');
		cr_expect_eq(q.model, rows[i].body + q.body_model.at + 1);
		cr_expect_eq(q.stream, rows[i].stream, "row %zu", i);
		cr_expect_eq(q.include_usage, rows[i].include_usage, "row %zu", i);
		cr_expect_eq(q.max_output_tokens, rows[i].max_output, "row %zu", i);
		cr_expect_eq(q.choices, rows[i].choices, "row %zu", i);
		cr_expect_eq(q.prompt_tokens_estimate, rows[i].estimate, "row %zu: %" PRIu64, i,
			     q.prompt_tokens_estimate);
	}
}

Test(request, refused)
{
	static const struct {
		enum wire wire;
		const char *body, *param, *message; /* a part of it */
	} rows[] = {
		{CHAT, "", NULL, "unexpected end at byte 0"},
		{CHAT, "[]", NULL, "expected an object"},
		{CHAT, "{" M, NULL, "unexpected end"},
		{CHAT, "{" M "}}", NULL, "more after the value"},
		{CHAT, "{" M ",\"x\":\"\xff\"}", NULL, "invalid UTF-8"},
		{CHAT, "{" M ",\"x\":01}", NULL, "bad number"},
		{CHAT, "{\"messages\":[1]}", "model", "Missing"},
		{CHAT, "{\"model\":\"\",\"messages\":[1]}", "model", "non-empty string"},
		{CHAT, "{\"model\":7,\"messages\":[1]}", "model", "non-empty string"},
		{CHAT, "{\"model\":null,\"messages\":[1]}", "model", "non-empty string"},
		{CHAT, "{\"model\":\"gpt\\u002d4\",\"messages\":[1]}", "model", "no escapes"},
		{CHAT, "{\"model\":\"a\",\"model\":\"b\",\"messages\":[1]}", "model", "given twice"},
		{CHAT, "{\"model\":\"a\",\"mode\\u006c\":\"b\",\"messages\":[1]}", "model", "given twice"},
		{CHAT, "{\"model\":\"a\"}", "messages", "Missing"},
		{CHAT, "{\"model\":\"a\",\"messages\":[ ]}", "messages", "non-empty array"},
		{CHAT, "{\"model\":\"a\",\"messages\":{\"a\":1}}", "messages", "non-empty array"},
		{CHAT, "{\"model\":\"a\",\"messages\":null}", "messages", "non-empty array"},
		{CHAT, "{" M ",\"messages\":[1]}", "messages", "given twice"},
		{CHAT, "{" M ",\"stream\":1}", "stream", "boolean"},
		{CHAT, "{" M ",\"stream\":\"true\"}", "stream", "boolean"},
		{CHAT, "{" M ",\"stream\":true,\"stream\":false}", "stream", "given twice"},
		{CHAT, "{" M ",\"stream_options\":{}}", "stream_options", "only allowed"},
		{CHAT, "{" M ",\"stream\":false,\"stream_options\":{}}", "stream_options", "only allowed"},
		{CHAT, "{" M ",\"stream\":true,\"stream_options\":[]}", "stream_options", "object"},
		{CHAT, "{" M ",\"stream\":true,\"stream_options\":true}", "stream_options", "object"},
		{CHAT, "{" M ",\"stream\":true,\"stream_options\":{\"include_usage\":1}}",
		 "stream_options.include_usage", "boolean"},
		{CHAT, "{" M ",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"include_usage\":false}}",
		 "stream_options.include_usage", "given twice"},
		{CHAT, "{" M ",\"max_tokens\":0}", "max_tokens", "positive integer"},
		{CHAT, "{" M ",\"max_tokens\":-1}", "max_tokens", "positive integer"},
		{CHAT, "{" M ",\"max_tokens\":1.5}", "max_tokens", "positive integer"},
		{CHAT, "{" M ",\"max_tokens\":1e3}", "max_tokens", "positive integer"},
		{CHAT, "{" M ",\"max_tokens\":\"5\"}", "max_tokens", "positive integer"},
		{CHAT, "{" M ",\"max_tokens\":1099511627777}", "max_tokens", "too large"},
		{CHAT, "{" M ",\"max_completion_tokens\":99999999999999999999}", "max_completion_tokens",
		 "positive integer"},
		{CHAT, "{" M ",\"n\":0}", "n", "positive integer"},
		{CHAT, "{" M ",\"n\":129}", "n", "too large"},
		{EMBED, "{\"model\":\"e\"}", "input", "Missing"},
		{EMBED, "{\"model\":\"e\",\"input\":null}", "input", "Missing"},
		{EMBED, "{\"model\":\"e\",\"input\":\"\"}", "input", "non-empty"},
		{EMBED, "{\"model\":\"e\",\"input\":[]}", "input", "non-empty"},
		{EMBED, "{\"model\":\"e\",\"input\":5}", "input", "non-empty"},
		{EMBED, "{\"input\":\"x\"}", "model", "Missing"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dialect_request q;
		struct dialect_fault fault;

		cr_expect_eq(parse(rows[i].wire, rows[i].body, &q, &fault), ERR_INVAL, "row %zu: %s", i, rows[i].body);
		cr_expect_str_eq(fault.param, rows[i].param ? rows[i].param : "", "row %zu: %s", i, rows[i].body);
		cr_expect_not_null(strstr(fault.err.msg, rows[i].message), "row %zu: %s", i, fault.err.msg);
	}
}

/* The prompt's text is no business of logs and errors. */
Test(request, errors_do_not_quote)
{
	struct dialect_request q;
	struct dialect_fault fault;

	cr_expect_eq(parse(CHAT, "{\"model\":\"m\",\"messages\":\"secret prompt\"}", &q, &fault), ERR_INVAL);
	cr_expect_null(strstr(fault.err.msg, "secret"));
	cr_expect_eq(parse(CHAT, "{\"secret\" \"prompt\"}", &q, &fault), ERR_INVAL);
	cr_expect_null(strstr(fault.err.msg, "secret"));
}

static int render(const struct dialect_request *q, enum wire wire, const char *body, const char *model, struct buf *out)
{
	struct dialect_upstream u = {.kind = PROVIDER_OPENAI, .model = model, .api_version = ""};
	struct dialect_target t = {.wire = wire};
	struct buf ignored = BUF_INIT;
	struct dialect_fault fault;
	struct arena a = {0};
	int rc = dialect_request_render(q, &t, body, strlen(body), &u, &a, out, &ignored, &fault);

	cr_expect_eq(ignored.len, 0);
	buf_done(&ignored);
	arena_done(&a);
	return rc;
}

Test(request, rewrite)
{
	static const struct {
		enum wire wire;
		const char *body, *upstream, *want;
	} rows[] = {
		{CHAT, "{ " M " }", "up", "{ \"model\":\"up\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}] }"},
		{CHAT, "{\"messages\":[1],\"model\": \"a\" ,\"x\":1.50}", "b\"\\",
		 "{\"messages\":[1],\"model\": \"b\\\"\\\\\" ,\"x\":1.50}"},
		{CHAT, "{\"model\":\"a\",\"messages\":[1],\"stream\":true}", "u",
		 "{\"model\":\"u\",\"stream_options\":{\"include_usage\":true},\"messages\":[1],\"stream\":true}"},
		{CHAT, "{\"messages\":[1],\"stream\":true,\"model\":\"a\"}", "u",
		 "{\"messages\":[1],\"stream\":true,\"model\":\"u\",\"stream_options\":{\"include_usage\":true}}"},
		{CHAT, "{\"stream_options\":null,\"model\":\"a\",\"messages\":[1],\"stream\":true}", "u",
		 "{\"stream_options\":{\"include_usage\":true},\"model\":\"u\",\"messages\":[1],\"stream\":true}"},
		{CHAT, "{\"model\":\"a\",\"messages\":[1],\"stream\":true,\"stream_options\":{ }}", "u",
		 "{\"model\":\"u\",\"messages\":[1],\"stream\":true,\"stream_options\":{\"include_usage\":true }}"},
		{CHAT, "{\"model\":\"a\",\"messages\":[1],\"stream\":true,\"stream_options\":{ \"y\":1}}", "u",
		 "{\"model\":\"u\",\"messages\":[1],\"stream\":true,\"stream_options\":{\"include_usage\":true, "
		 "\"y\":1}}"},
		{CHAT,
		 "{\"stream_options\":{\"include_usage\": "
		 "false,\"y\":1},\"model\":\"a\",\"messages\":[1],\"stream\":true}",
		 "u",
		 "{\"stream_options\":{\"include_usage\": "
		 "true,\"y\":1},\"model\":\"u\",\"messages\":[1],\"stream\":true}"},
		{CHAT, "{\"model\":\"a\",\"messages\":[1],\"stream\":true,\"stream_options\":{\"include_usage\":null}}",
		 "u", "{\"model\":\"u\",\"messages\":[1],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
		{CHAT, "{\"model\":\"a\",\"messages\":[1],\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
		 "u", "{\"model\":\"u\",\"messages\":[1],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
		{CHAT, "{\"model\":\"a\",\"messages\":[1],\"stream\":false}", "u",
		 "{\"model\":\"u\",\"messages\":[1],\"stream\":false}"},
		{EMBED, "{\"input\":\"x\",\"model\":\"a\",\"stream\":true}", "u",
		 "{\"input\":\"x\",\"model\":\"u\",\"stream\":true}"},
	};
	struct buf out = BUF_INIT;
	struct dialect_request first;
	struct dialect_fault fault;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dialect_request q;
		json_t *root;

		buf_reset(&out);
		cr_assert_eq(parse(rows[i].wire, rows[i].body, &q, &fault), 0, "row %zu: %s", i, fault.err.msg);
		cr_assert_eq(render(&q, rows[i].wire, rows[i].body, rows[i].upstream, &out), 0);
		cr_expect_str_eq(out.data, rows[i].want, "row %zu: %s", i, out.data);
		root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
		cr_assert_not_null(root);
		cr_expect_str_eq(json_string_value(json_object_get(root, "model")), rows[i].upstream);
		cr_expect_eq(json_is_true(json_object_get(json_object_get(root, "stream_options"), "include_usage")),
			     q.stream);
		json_decref(root);
	}
	out.max = 10;
	buf_reset(&out);
	cr_assert_eq(parse(CHAT, rows[0].body, &first, &fault), 0);
	cr_expect_eq(render(&first, CHAT, rows[0].body, "u", &out), ERR_FULL);
	buf_done(&out);
}

/* Embedded files: their bytes are no text. */
Test(request, estimate_of_files)
{
	static const char *const parts[] = {
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,%s\"}}",
		"{\"type\":\"input_audio\",\"input_audio\":{\"format\":\"wav\",\"data\":\"%s\"}}",
		"{\"type\":\"file\",\"file\":{\"file_data\":\"%s\"}}",
		"{\"type\":\"text\",\"text\":\"%s\"}", /* no file: counts */
	};
	char *file = memset(calloc(1, 400001), 'A', 400000);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct buf b = BUF_INIT;
		struct dialect_request q;
		struct dialect_fault fault;
		bool text = i == 3;

		buf_puts(&b, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[");
		buf_append(&b, parts[i], (size_t)(strstr(parts[i], "%s") - parts[i]));
		buf_puts(&b, file);
		buf_puts(&b, strstr(parts[i], "%s") + 2);
		buf_puts(&b, "]}]}");
		cr_assert_eq(parse(CHAT, b.data, &q, &fault), 0);
		if (text)
			cr_expect_geq(q.prompt_tokens_estimate, 100000);
		else
			cr_expect(q.prompt_tokens_estimate >= DIALECT_FILE_TOKENS &&
					  q.prompt_tokens_estimate < DIALECT_FILE_TOKENS + 20,
				  "row %zu: %" PRIu64, i, q.prompt_tokens_estimate);
		buf_done(&b);
	}
	free(file);
}

/* For the most a prompt can be: everything written in it, and its files apart, linked ones too. */
Test(request, parts_of_the_worst_case)
{
#define IMAGE(url) "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" url "\"}}"
#define MESSAGES(parts) "[{\"role\":\"user\",\"content\":" parts "}]"
	static const struct {
		enum wire wire;
		const char *text[3]; /* what counts, each in full */
		const char *body;    /* with %s for each of them */
		uint64_t embedded_bytes, files;
	} rows[] = {
		{CHAT, {MESSAGES("\"Hi\"")}, "{\"model\":\"m\",\"user\":\"not this\",\"messages\":%s}", 0, 0},
		{CHAT,
		 {MESSAGES("\"Hi [1] [\""), "[{\"type\":\"function\"}]", "{\"type\":\"json_schema\"}"},
		 "{\"model\":\"m\",\"messages\":%s,\"tools\":%s,\"response_format\":%s}",
		 0,
		 0},
		{CHAT, {MESSAGES("\"\""), "[{}]"}, "{\"model\":\"m\",\"messages\":%s,\"functions\":%s}", 0, 0},
		{CHAT, {MESSAGES("[" IMAGE("https://x/y.png") "]")}, "{\"model\":\"m\",\"messages\":%s}", 0, 1},
		{CHAT,
		 {MESSAGES(" \n[" IMAGE("data:image/png;base64,AAAA") ", " IMAGE("https://x") "]")},
		 "{\"model\":\"m\",\"messages\":%s}",
		 26,
		 2},
		{CHAT,
		 {MESSAGES("[{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]")},
		 "{\"model\":\"m\",\"messages\":%s}",
		 0,
		 1},
		{CHAT,
		 {MESSAGES("[{\"type\":\"text\",\"text\":\"url\",\"cache_control\":{\"type\":\"e\"}}]")},
		 "{\"model\":\"m\",\"messages\":%s}",
		 0,
		 0},
		{EMBED, {"[\"four\",\"fives\"]"}, "{\"model\":\"e\",\"input\":%s}", 0, 0},
		{EMBED, {"[1,22,3]"}, "{\"model\":\"e\",\"input\":%s}", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *const *t = rows[i].text;
		struct buf b = BUF_INIT;
		struct dialect_request q;
		struct dialect_fault fault;
		const char *at = rows[i].body, *hole;
		uint64_t want = 0;

		for (size_t k = 0; (hole = strstr(at, "%s")); at = hole + 2, k++) {
			buf_append(&b, at, (size_t)(hole - at));
			buf_puts(&b, t[k]);
			want += strlen(t[k]);
		}
		buf_puts(&b, at);
		cr_assert_eq(parse(rows[i].wire, b.data, &q, &fault), 0, "row %zu", i);
		cr_expect_eq(q.text_bytes, want - rows[i].embedded_bytes, "row %zu: %" PRIu64, i, q.text_bytes);
		cr_expect_eq(q.files, rows[i].files, "row %zu: %" PRIu64, i, q.files);
		buf_done(&b);
	}
}
