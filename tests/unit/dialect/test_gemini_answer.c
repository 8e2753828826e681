/* Goal: whole answers of Gemini read and written, D6, and usage by Google's counts. Method: rows; an answer read and
 * written again shows what was read. */
#include "gemini_fixture.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#define SHOWN(candidates, usage) "{'candidates':[" candidates "]" usage ",'modelVersion':'pub','responseId':'req_1'}"
#define EMPTY(reason) "{'content':{'parts':[{'text':''}],'role':'model'},'finishReason':'" reason "','index':0}"

static const struct {
	const char *in, *out;    /* out NULL: ERR_PROTO */
	enum chat_finish finish; /* of the first */
} answers[] = {
	{"{'candidates':[{'content':{'parts':[{'text':'a\\u00e9'},{'text':'b'}],'role':'model'},'finishReason':'STOP',"
	 "'index':0,'safetyRatings':[]}],'usageMetadata':{'promptTokenCount':4,'candidatesTokenCount':3,'"
	 "totalTokenCount':7},"
	 "'modelVersion':'gemini-2.5-flash','responseId':'r'}",
	 SHOWN("{'content':{'parts':[{'text':'a\\u00e9'},{'text':'b'}],'role':'model'},'finishReason':'STOP','index':"
	       "0}",
	       ",'usageMetadata':{'promptTokenCount':4,'candidatesTokenCount':3,'totalTokenCount':7}"),
	 CHAT_FINISH_STOP},
	{"{'candidates':[{'content':{'parts':[{'text':'think','thought':true},{'functionCall':{'name':'f','args':{'a':"
	 "1}},"
	 "'thoughtSignature':'x'},{'functionCall':{'id':'i','name':'g'}}]},'finishReason':'STOP'}],'usageMetadata':"
	 "{'promptTokenCount':10,'toolUsePromptTokenCount':2,'candidatesTokenCount':3,'thoughtsTokenCount':5,"
	 "'cachedContentTokenCount':8,'totalTokenCount':20}}",
	 SHOWN("{'content':{'parts':[{'functionCall':{'name':'f','args':{'a':1}}},{'functionCall':{'id':'i','name':'g',"
	       "'args':"
	       "{}}}],'role':'model'},'finishReason':'STOP','index':0}",
	       ",'usageMetadata':{'promptTokenCount':12,'candidatesTokenCount':3,'cachedContentTokenCount':8,"
	       "'thoughtsTokenCount':5,'totalTokenCount':20}"),
	 CHAT_FINISH_TOOLS},
	{"{'candidates':[{'content':{'parts':[{'functionCall':{'name':'f'}}]},'finishReason':'MAX_TOKENS'}]}",
	 SHOWN("{'content':{'parts':[{'functionCall':{'name':'f','args':{}}}],'role':'model'},'finishReason':'MAX_"
	       "TOKENS',"
	       "'index':0}", ),
	 CHAT_FINISH_LENGTH},
	{"{'candidates':[{'content':{'role':'model'},'finishReason':'MAX_TOKENS'}]}", SHOWN(EMPTY("MAX_TOKENS"), ),
	 CHAT_FINISH_LENGTH},
	{"{'candidates':[{'finishReason':'SAFETY'}]}", SHOWN(EMPTY("SAFETY"), ), CHAT_FINISH_FILTER},
	{"{'candidates':[{'finishReason':'RECITATION'}]}", SHOWN(EMPTY("SAFETY"), ), CHAT_FINISH_FILTER},
	{"{'candidates':[{'finishReason':'PROHIBITED_CONTENT'}]}", SHOWN(EMPTY("SAFETY"), ), CHAT_FINISH_FILTER},
	{"{'candidates':[{'finishReason':'MALFORMED_FUNCTION_CALL'}]}", SHOWN(EMPTY("SAFETY"), ), CHAT_FINISH_FILTER},
	{"{'candidates':[{'finishReason':'SOMETHING_NEW'}]}", SHOWN(EMPTY("SAFETY"), ), CHAT_FINISH_FILTER},
	{"{'candidates':[{}]}", SHOWN(EMPTY("STOP"), ), CHAT_FINISH_STOP},
	{"{'candidates':[{'content':{'parts':[{'text':'a'}]},'finishReason':'STOP'},{'content':{'parts':[{'text':'b'}]}"
	 ","
	 "'finishReason':'MAX_TOKENS','index':1}]}",
	 SHOWN("{'content':{'parts':[{'text':'a'}],'role':'model'},'finishReason':'STOP','index':0},"
	       "{'content':{'parts':[{'text':'b'}],'role':'model'},'finishReason':'MAX_TOKENS','index':1}", ),
	 CHAT_FINISH_STOP},
	{"{'promptFeedback':{'blockReason':'SAFETY'},'usageMetadata':{'promptTokenCount':3,'totalTokenCount':3}}",
	 SHOWN(EMPTY("SAFETY"), ",'usageMetadata':{'promptTokenCount':3,'candidatesTokenCount':0,'totalTokenCount':3}"),
	 CHAT_FINISH_FILTER},
	{"{'candidates':[],'promptFeedback':{}}", SHOWN(EMPTY("SAFETY"), ), CHAT_FINISH_FILTER},
	{"{}", NULL, 0},
	{"[]", NULL, 0},
	{"{'candidates':[]}", NULL, 0},
	{"{'candidates':{}}", NULL, 0},
	{"{'candidates':[1]}", NULL, 0},
	{"{'candidates':[{'content':[]}]}", NULL, 0},
	{"{'candidates':[{'content':{'parts':1}}]}", NULL, 0},
	{"{'candidates':[{'content':{'parts':[1]}}]}", NULL, 0},
	{"{'candidates':[{'content':{'parts':[{'text':1}]}}]}", NULL, 0},
	{"{'candidates':[{'content':{'parts':[{'functionCall':{'args':{}}}]}}]}", NULL, 0},
	{"{'candidates':[{'content':{'parts':[{'functionCall':{'name':'f','args':'x'}}]}}]}", NULL, 0},
	{"{'error':{'code':500}}", NULL, 0},
	{"{'choices':[]}", NULL, 0},
	{"{'candidates':[{}]", NULL, 0},
};

static const struct dialect_answer_opts opts = {
	.from = WIRE_GEMINI, .to = WIRE_GEMINI, .id = "req_1", .model = "public", .model_len = 3};

Test(gemini_answer, read_and_written_again)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		char *in = quoted(answers[i].in), *expected = quoted(answers[i].out);
		struct chat_answer answer;
		struct arena a = {0};
		struct err err = {0};
		struct buf out = BUF_INIT;
		int rc = gemini_answer_parse(&a, in, strlen(in), &answer, &err);

		cr_assert_eq(rc, answers[i].out ? 0 : ERR_PROTO, "%s: %d", in, rc);
		if (rc == 0) {
			cr_assert_eq(answer.choices->finish, answers[i].finish, "%s", in);
			cr_assert_eq(gemini_answer_render(&answer, &opts, &out), 0);
			cr_assert_str_eq(out.data, expected, "%s", in);
		} else {
			cr_assert(err.msg[0], "%s", in);
		}
		buf_done(&out);
		arena_done(&a);
		free(in);
		free(expected);
	}
}

/* Calls whose arguments are no JSON are left out, as Google leaves them out. */
Test(gemini_answer, broken_calls)
{
	static const struct {
		enum chat_finish finish;
		const char *reason;
	} rows[] = {{CHAT_FINISH_TOOLS, "MALFORMED_FUNCTION_CALL"}, {CHAT_FINISH_LENGTH, "MAX_TOKENS"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct chat_part call = {
			.kind = CHAT_TOOL_CALL, .name = {.at = "f", .len = 1}, .args_text = {.at = "{\\\"a", .len = 4}};
		struct chat_part text = {.kind = CHAT_TEXT, .text = {.at = "t", .len = 1}, .next = &call};
		struct chat_choice choice = {.parts = &text, .finish = rows[i].finish};
		struct chat_answer answer = {.choices = &choice};
		struct buf out = BUF_INIT;

		cr_assert_eq(gemini_answer_render(&answer, &opts, &out), 0);
		cr_assert(strstr(out.data, "\"parts\":[{\"text\":\"t\"}],"), "%s", out.data);
		cr_assert(strstr(out.data, rows[i].reason), "%s", out.data);
		buf_done(&out);
	}
}

static const struct {
	const char *in;
	bool valid;
} valid[] = {
	{"{'candidates':[{}]}", true},
	{"{'promptFeedback':{'blockReason':'OTHER'}}", true},
	{"{'candidates':[],'promptFeedback':{}}", true},
	{"{'candidates':[]}", false},
	{"{'candidates':{},'promptFeedback':{}}", false},
	{"{'candidates':[5]}", false},
	{"{'candidates':[{'content':5}]}", false},
	{"{'candidates':[{'content':{}}]}", true},
	{"{'candidates':[{'content':{'parts':{}}}]}", false},
	{"{'candidates':[{'content':{'parts':[5]}}]}", false},
	{"{'candidates':[{'content':{'parts':[{'text':5}]}}]}", false},
	{"{'candidates':[{'content':{'parts':[{'newOne':5}]}}]}", true},
	{"{'candidates':null}", false},
	{"{'candidates':'x'}", false},
	{"{'usageMetadata':{}}", false},
	{"{'error':{}}", false},
	{"[{'candidates':[{}]}]", false},
	{"{'candidates':[{}]", false},
	{"", false},
	{"<html>", false},
};

Test(gemini_answer, valid)
{
	for (size_t i = 0; i < ARRAY_SIZE(valid); i++) {
		char *in = quoted(valid[i].in);

		cr_assert_eq(dialect_answer_valid(WIRE_GEMINI, in, strlen(in)), valid[i].valid, "%s", in);
		free(in);
	}
}

static const struct {
	const char *members; /* of usageMetadata; NULL: there is none */
	int rc;
	struct usage usage;
	bool inconsistent;
} usages[] = {
	{NULL, .rc = ERR_NOT_FOUND},
	{"", .rc = ERR_NOT_FOUND},
	{"'trafficType':'ON_DEMAND'", .rc = ERR_NOT_FOUND},
	{"'promptTokenCount':5,'candidatesTokenCount':2,'totalTokenCount':7",
	 .usage = {.input_tokens = 5, .output_tokens = 2}},
	{"'promptTokenCount':5,'candidatesTokenCount':2", .usage = {.input_tokens = 5, .output_tokens = 2}},
	{"'promptTokenCount':0,'candidatesTokenCount':0,'totalTokenCount':0", .usage = {0}},
	{"'promptTokenCount':5,'totalTokenCount':5", .usage = {.input_tokens = 5}},
	{"'promptTokenCount':5,'thoughtsTokenCount':40,'totalTokenCount':45",
	 .usage = {.input_tokens = 5, .output_tokens = 40, .reasoning_tokens = 40}},
	{"'promptTokenCount':50,'cachedContentTokenCount':30,'toolUsePromptTokenCount':7,'candidatesTokenCount':2,"
	 "'thoughtsTokenCount':4,'totalTokenCount':63",
	 .usage = {.input_tokens = 57, .cached_input_tokens = 30, .output_tokens = 6, .reasoning_tokens = 4}},
	{"'promptTokenCount':5,'candidatesTokenCount':null,'totalTokenCount':5", .usage = {.input_tokens = 5}},
	{"'promptTokenCount':5,'candidatesTokenCount':2,'totalTokenCount':9",
	 .usage = {.input_tokens = 5, .output_tokens = 2}, .inconsistent = true},
	{"'promptTokenCount':5,'candidatesTokenCount':2,'totalTokenCount':'7'",
	 .usage = {.input_tokens = 5, .output_tokens = 2}, .inconsistent = true},
	{"'promptTokenCount':5,'totalTokenCount':3", .usage = {.input_tokens = 5}, .inconsistent = true},
	/* half a report */
	{"'promptTokenCount':5", .rc = ERR_INVAL},
	{"'promptTokenCount':5,'totalTokenCount':9", .rc = ERR_INVAL},
	{"'candidatesTokenCount':5,'totalTokenCount':9", .rc = ERR_INVAL},
	{"'totalTokenCount':9", .rc = ERR_INVAL},
	/* no counts */
	{"'promptTokenCount':'5','candidatesTokenCount':2", .rc = ERR_INVAL},
	{"'promptTokenCount':-5,'candidatesTokenCount':2", .rc = ERR_INVAL},
	{"'promptTokenCount':5.5,'candidatesTokenCount':2", .rc = ERR_INVAL},
	{"'promptTokenCount':5,'candidatesTokenCount':1e3", .rc = ERR_INVAL},
	{"'promptTokenCount':5,'candidatesTokenCount':[2]", .rc = ERR_INVAL},
	{"'promptTokenCount':9007199254740993,'candidatesTokenCount':2", .rc = ERR_INVAL},
	{"'promptTokenCount':9007199254740992,'candidatesTokenCount':1", .rc = ERR_INVAL},
	{"'promptTokenCount':5,'candidatesTokenCount':2,'cachedContentTokenCount':6", .rc = ERR_INVAL},
	{"'promptTokenCount':5,'candidatesTokenCount':2,'thoughtsTokenCount':'x'", .rc = ERR_INVAL},
};

Test(gemini_answer, usage)
{
	for (size_t i = 0; i < ARRAY_SIZE(usages); i++) {
		struct usage u = {.input_tokens = 77};
		bool inconsistent = false;
		struct buf body = BUF_INIT;
		char *members = quoted(usages[i].members);
		int rc;

		if (usages[i].members)
			buf_printf(&body, "{\"candidates\":[{}],\"usageMetadata\":{%s}}", members);
		else
			buf_puts(&body, "{\"candidates\":[{}]}");
		rc = dialect_answer_usage(WIRE_GEMINI, body.data, body.len, &u, &inconsistent);
		cr_assert_eq(rc, usages[i].rc, "%s: %d", body.data, rc);
		if (rc == 0) {
			cr_assert(memcmp(&u, &usages[i].usage, sizeof(u)) == 0, "%s: %" PRIu64 " in, %" PRIu64 " out",
				  body.data, u.input_tokens, u.output_tokens);
			cr_assert_eq(inconsistent, usages[i].inconsistent, "%s", body.data);
		} else {
			cr_assert_eq(u.input_tokens, 77, "untouched");
		}
		buf_done(&body);
		free(members);
	}
}

Test(gemini_answer, usage_that_is_no_object_or_of_no_object)
{
	struct usage u;
	bool inconsistent;

	cr_assert_eq(dialect_answer_usage(WIRE_GEMINI, "{\"usageMetadata\":3}", 19, &u, &inconsistent), ERR_INVAL);
	cr_assert_eq(dialect_answer_usage(WIRE_GEMINI, "{\"usageMetadata\":null}", 22, &u, &inconsistent),
		     ERR_NOT_FOUND);
	cr_assert_eq(dialect_answer_usage(WIRE_GEMINI, "[]", 2, &u, &inconsistent), ERR_PROTO);
	cr_assert_eq(dialect_answer_usage(WIRE_GEMINI, "{", 1, &u, &inconsistent), ERR_PROTO);
}
