/* Goal: whole answers of Anthropic's wire: what makes one (D6), its usage (D3, and what is malformed), what is read of
 * it for other wires, and what is made of a chat's answer for Anthropic's clients. Method: table rows. */
#include "dialect/anthropic.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#define MSG(content, more) "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":" content more "}"

Test(anthropic_answer, valid)
{
	static const struct {
		const char *body;
		bool valid;
	} rows[] = {
		{MSG("[]", ""), true},
		{" " MSG("[{\"type\":\"text\",\"text\":\"x\"}]", ",\"stop_reason\":\"end_turn\"") "\n", true},
		{"", false},
		{"null", false},
		{"<html>", false},
		{"[]", false},
		{"{}", false},
		{"{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}", false},
		{"{\"type\":\"message\"}", false},
		{"{\"type\":\"message\",\"content\":\"x\"}", false},
		{"{\"type\":\"message\",\"content\":null}", false},
		{"{\"content\":[]}", false},
		{MSG("[5]", ""), false},
		{MSG("[{\"text\":\"x\"}]", ""), false},
		{MSG("[{\"type\":\"text\",\"text\":5}]", ""), false},
		{MSG("[{\"type\":\"text\"}]", ""), false},
		{MSG("[{\"type\":\"new_one\",\"text\":5}]", ""), true},
		{MSG("[]", "") "}", false},
		{"{\"type\":\"message\",\"content\":[", false},
		{"{\"object\":\"chat.completion\",\"choices\":[]}", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(dialect_answer_valid(WIRE_ANTHROPIC, rows[i].body, strlen(rows[i].body)), rows[i].valid,
			     "row %zu", i);
}

#define USAGE(members) MSG("[]", ",\"usage\":{" members "}")

Test(anthropic_answer, usage)
{
	static const struct {
		const char *body;
		int rc;
		struct usage usage; /* input, cached, written, output, reasoning */
	} rows[] = {
		{USAGE("\"input_tokens\":10,\"output_tokens\":5"), 0, {10, 0, 0, 5, 0}},
		{USAGE("\"input_tokens\":0,\"output_tokens\":0"), 0, {0, 0, 0, 0, 0}},
		{USAGE("\"input_tokens\":10,\"cache_creation_input_tokens\":20,\"cache_read_input_tokens\":30,"
		       "\"output_tokens\":5"),
		 0,
		 {60, 30, 20, 5, 0}},
		{USAGE("\"input_tokens\":10,\"cache_creation_input_tokens\":null,\"cache_read_input_tokens\":null,"
		       "\"output_tokens\":5,\"service_tier\":\"standard\",\"server_tool_use\":null"),
		 0,
		 {10, 0, 0, 5, 0}},
		{USAGE("\"input_tokens\":10,\"cache_creation_input_tokens\":20,\"cache_creation\":{"
		       "\"ephemeral_5m_input_tokens\":5,\"ephemeral_1h_input_tokens\":6},\"output_tokens\":5"),
		 0,
		 {30, 0, 20, 5, 0}}, /* what counts is the total */
		{USAGE("\"input_tokens\":10,\"output_tokens\":5,\"output_tokens_details\":{\"thinking_tokens\":4}"),
		 0,
		 {10, 0, 0, 5, 4}},
		{USAGE("\"input_tokens\":10,\"output_tokens\":5,\"output_tokens_details\":null"), 0, {10, 0, 0, 5, 0}},
		{USAGE("\"input_tokens\":9007199254740992,\"output_tokens\":9007199254740992"),
		 0,
		 {1ull << 53, 0, 0, 1ull << 53, 0}},
		{MSG("[]", ""), ERR_NOT_FOUND, {0}},
		{MSG("[]", ",\"usage\":null"), ERR_NOT_FOUND, {0}},
		{USAGE(""), ERR_NOT_FOUND, {0}},
		{USAGE("\"prompt_tokens\":1,\"completion_tokens\":1"), ERR_NOT_FOUND, {0}},
		{"{", ERR_PROTO, {0}},
		{"[]", ERR_PROTO, {0}},
		{MSG("[]", ",\"usage\":7"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":10"), ERR_INVAL, {0}},
		{USAGE("\"output_tokens\":10"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":10,\"output_tokens\":null"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":\"10\",\"output_tokens\":5"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":-1,\"output_tokens\":5"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":1.0,\"output_tokens\":5"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":1,\"output_tokens\":5e3"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":1,\"output_tokens\":9007199254740993"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":1,\"output_tokens\":99999999999999999999"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":9007199254740992,\"cache_read_input_tokens\":1,\"output_tokens\":1"),
		 ERR_INVAL,
		 {0}},
		{USAGE("\"input_tokens\":1,\"cache_read_input_tokens\":true,\"output_tokens\":1"), ERR_INVAL, {0}},
		{USAGE("\"input_tokens\":1,\"output_tokens\":1,\"output_tokens_details\":{\"thinking_tokens\":2}"),
		 ERR_INVAL,
		 {0}},
		{USAGE("\"input_tokens\":1,\"output_tokens\":1,\"output_tokens_details\":[]"), ERR_INVAL, {0}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct usage u = {7, 7, 7, 7, 7};
		bool inconsistent = true;
		int rc = dialect_answer_usage(WIRE_ANTHROPIC, rows[i].body, strlen(rows[i].body), &u, &inconsistent);

		cr_assert_eq(rc, rows[i].rc, "row %zu: %d", i, rc);
		if (rc < 0) {
			cr_expect_eq(u.input_tokens, 7, "row %zu: untouched", i);
			continue;
		}
		cr_expect_arr_eq(&u, &rows[i].usage, sizeof(u), "row %zu: %" PRIu64 " %" PRIu64 " %" PRIu64, i,
				 u.input_tokens, u.output_tokens, u.cache_write_tokens);
		cr_expect_not(inconsistent, "row %zu", i);
	}
}

/* ---- read */

static struct chat_answer read_answer(struct arena *a, const char *body)
{
	struct chat_answer answer = {0};
	struct err err = {0};

	cr_assert_eq(anthropic_answer_parse(a, body, strlen(body), &answer, &err), 0, "%s", err.msg);
	cr_assert(answer.choices);
	cr_assert_null(answer.choices->next);
	return answer;
}

Test(anthropic_answer, read)
{
	static const char body[] =
		MSG("[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},{\"type\":\"text\",\"text\":"
		    "\"a\\nb\"},"
		    "{\"type\":\"from_the_future\"},{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":"
		    "{\"a\": 1}}]",
		    ",\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}");
	struct arena a = {0};
	struct chat_answer answer = read_answer(&a, body);
	const struct chat_part *p = answer.choices->parts;

	cr_expect(chat_text_is(answer.id, "msg_1"));
	cr_expect_eq(answer.choices->finish, CHAT_FINISH_TOOLS);
	cr_expect(answer.have_usage);
	cr_expect_eq(answer.usage.output_tokens, 2);
	cr_assert(p && p->next);
	cr_expect_null(p->next->next);
	cr_expect_eq(p->kind, CHAT_TEXT);
	cr_expect(chat_text_is(p->text, "a\nb"));
	p = p->next;
	cr_expect_eq(p->kind, CHAT_TOOL_CALL);
	cr_expect(chat_text_is(p->id, "toolu_1"));
	cr_expect(chat_text_is(p->name, "f"));
	cr_expect_eq(p->args.len, strlen("{\"a\": 1}"));
	arena_done(&a);
}

Test(anthropic_answer, why_it_ended)
{
	static const struct {
		const char *reason;
		enum chat_finish finish;
		const char *sequence;
	} rows[] = {
		{"\"end_turn\",\"stop_sequence\":null", CHAT_FINISH_STOP, NULL},
		{"\"stop_sequence\",\"stop_sequence\":\"\\n\\n\"", CHAT_FINISH_STOP, "\n\n"},
		{"\"max_tokens\"", CHAT_FINISH_LENGTH, NULL},
		{"\"model_context_window_exceeded\"", CHAT_FINISH_LENGTH, NULL},
		{"\"tool_use\"", CHAT_FINISH_TOOLS, NULL},
		{"\"refusal\"", CHAT_FINISH_FILTER, NULL},
		{"\"pause_turn\"", CHAT_FINISH_STOP, NULL},
		{"\"from_the_future\"", CHAT_FINISH_STOP, NULL},
		{"null", CHAT_FINISH_NONE, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf body = BUF_INIT;
		struct arena a = {0};
		struct chat_answer answer;

		buf_printf(&body, "{\"type\":\"message\",\"content\":[],\"stop_reason\":%s}", rows[i].reason);
		answer = read_answer(&a, body.data);
		cr_expect_eq(answer.choices->finish, rows[i].finish, "row %zu", i);
		cr_expect_eq(answer.choices->stop_sequence.at != NULL, rows[i].sequence != NULL, "row %zu", i);
		if (rows[i].sequence)
			cr_expect(chat_text_is(answer.choices->stop_sequence, rows[i].sequence), "row %zu", i);
		cr_expect_not(answer.have_usage);
		arena_done(&a);
		buf_done(&body);
	}
}

Test(anthropic_answer, not_read)
{
	static const char *const rows[] = {
		"",
		"{}",
		MSG("[1]", ""),
		MSG("[{}]", ""),
		MSG("[{\"type\":1}]", ""),
		MSG("[{\"type\":\"text\"}]", ""),
		MSG("[{\"type\":\"text\",\"text\":1}]", ""),
		MSG("[{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{}}]", ""),
		MSG("[{\"type\":\"tool_use\",\"id\":\"1\",\"input\":{}}]", ""),
		MSG("[{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\"}]", ""),
		MSG("[{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\",\"input\":\"{}\"}]", ""),
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct chat_answer answer = {0};
		struct arena a = {0};
		struct err err = {0};

		cr_expect_eq(anthropic_answer_parse(&a, rows[i], strlen(rows[i]), &answer, &err), ERR_PROTO, "row %zu",
			     i);
		cr_expect_neq(err.msg[0], '\0', "row %zu", i);
		cr_expect_null(answer.choices, "row %zu: untouched", i);
		arena_done(&a);
	}
}

/* ---- written */

static const struct dialect_answer_opts opts = {.from = WIRE_OPENAI_CHAT,
						.to = WIRE_ANTHROPIC,
						.id = "req_0123",
						.model = "pub\"lic",
						.model_len = 7,
						.choices = 1};
#define HEAD "{\"id\":\"msg_0123\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"pub\\\"lic\",\"content\":"
#define TAIL(reason, sequence, usage)                                                                                  \
	",\"stop_reason\":\"" reason "\",\"stop_sequence\":" sequence ",\"usage\":" usage "}"
#define NO_USAGE                                                                                                       \
	"{\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":0}"
#define T(s)                                                                                                           \
	{                                                                                                              \
		.at = s, .len = sizeof(s) - 1                                                                          \
	}

static void expect_answer(const struct chat_answer *answer, const char *want)
{
	struct buf out = BUF_INIT;

	cr_assert_eq(anthropic_answer_render(answer, &opts, &out), 0);
	cr_expect_str_eq(out.data, want, "%s\n%s", out.data, want);
	buf_done(&out);
}

Test(anthropic_answer, written)
{
	struct chat_part args = {
		.kind = CHAT_TOOL_CALL, .id = T("call_9"), .name = T("f"), .args_text = T("{\\\"a\\\":1}")};
	struct chat_part no_id = {
		.kind = CHAT_TOOL_CALL, .name = T("g"), .args = {"{}", 2, JSON_SPAN_OBJECT, false}, .next = &args};
	struct chat_part empty = {.kind = CHAT_TEXT, .text = T(""), .next = &no_id};
	struct chat_part text = {.kind = CHAT_TEXT, .text = T("a\\u00e9"), .next = &empty};
	struct chat_choice choice = {.parts = &text, .finish = CHAT_FINISH_TOOLS};
	struct chat_answer answer = {.choices = &choice, .have_usage = true, .usage = {100, 30, 20, 7, 3}};

	expect_answer(
		&answer, HEAD
		"[{\"type\":\"text\",\"text\":\"a\\u00e9\"},{\"type\":\"tool_use\",\"id\":\"call_0123_0_0\",\"name\":"
		"\"g\",\"input\":{}},{\"type\":\"tool_use\",\"id\":\"call_9\",\"name\":\"f\",\"input\":{\"a\":1}}"
		"]" TAIL("tool_use", "null",
			 "{\"input_tokens\":50,\"cache_creation_input_tokens\":20,\"cache_read_input_tokens\":30,"
			 "\"output_tokens\":7,\"output_tokens_details\":{\"thinking_tokens\":3}}"));
}

Test(anthropic_answer, endings_written)
{
	static const struct {
		struct chat_choice choice;
		const char *want;
	} rows[] = {
		{{.finish = CHAT_FINISH_STOP}, HEAD "[]" TAIL("end_turn", "null", NO_USAGE)},
		{{.finish = CHAT_FINISH_NONE}, HEAD "[]" TAIL("end_turn", "null", NO_USAGE)},
		{{.finish = CHAT_FINISH_STOP, .stop_sequence = T("\\n")},
		 HEAD "[]" TAIL("stop_sequence", "\"\\n\"", NO_USAGE)},
		{{.finish = CHAT_FINISH_LENGTH}, HEAD "[]" TAIL("max_tokens", "null", NO_USAGE)},
		{{.finish = CHAT_FINISH_FILTER}, HEAD "[]" TAIL("refusal", "null", NO_USAGE)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct chat_choice choice = rows[i].choice;
		struct chat_answer answer = {.choices = &choice};

		expect_answer(&answer, rows[i].want);
	}
}

Test(anthropic_answer, a_refusal_is_text_and_a_reason)
{
	struct chat_part refusal = {.kind = CHAT_REFUSAL, .text = T("No.")};
	struct chat_choice choice = {.parts = &refusal, .finish = CHAT_FINISH_STOP};
	struct chat_answer answer = {.choices = &choice};

	expect_answer(&answer, HEAD "[{\"type\":\"text\",\"text\":\"No.\"}]" TAIL("refusal", "null", NO_USAGE));
}

/* A call's arguments that are no object can't be said; cut off by the limit, the call is there without them. */
Test(anthropic_answer, broken_arguments)
{
	struct chat_part call = {.kind = CHAT_TOOL_CALL, .id = T("c"), .name = T("f"), .args_text = T("{\\\"a\\\":")};
	struct chat_choice choice = {.parts = &call, .finish = CHAT_FINISH_LENGTH};
	struct chat_answer answer = {.choices = &choice};
	struct buf out = BUF_INIT;

	expect_answer(&answer, HEAD "[{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{}}]" TAIL(
				       "max_tokens", "null", NO_USAGE));
	choice.finish = CHAT_FINISH_TOOLS;
	cr_expect_eq(anthropic_answer_render(&answer, &opts, &out), ERR_PROTO);
	answer.choices = NULL;
	cr_expect_eq(anthropic_answer_render(&answer, &opts, &out), ERR_PROTO);
	buf_done(&out);
}
