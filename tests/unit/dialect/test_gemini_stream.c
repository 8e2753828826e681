/* Goal: Gemini's streams by D1 to D4 and D6: passed as they are, taken apart for others, made of others'. Method: the
 * recorded ones, each cut in two at every byte and fed byte by byte, give the same bytes, usage and marks; streams of
 * other wires come out as the SDK wants them; events that can't be are ERR_PROTO. */
#include "gemini_fixture.h"

#include <criterion/criterion.h>
#include <inttypes.h>

static struct dialect_answer_opts opts_of(enum wire from, enum wire to, unsigned choices)
{
	return (struct dialect_answer_opts){.from = from,
					    .to = to,
					    .id = "req_abc",
					    .model = "pub\"lic",
					    .model_len = 7,
					    .created_s = 1700000000,
					    .include_usage = true,
					    .choices = choices};
}

/* What came of a stream. */
struct outcome {
	int rc;
	struct buf sent, held;
	struct dialect_stream s; /* done; for its marks */
};

static void outcome_done(struct outcome *o)
{
	buf_done(&o->sent);
	buf_done(&o->held);
}

/* Fed as [0, first), then pieces of `step` bytes. */
static struct outcome run(const struct dialect_answer_opts *opts, const char *text, size_t first, size_t step)
{
	struct outcome o = {.rc = 0};
	size_t len = strlen(text), n;
	char *piece;

	cr_assert_eq(dialect_stream_init(&o.s, opts), 0);
	for (size_t at = 0; o.rc == 0 && at < len; at += n) {
		n = at < first ? first - at : step;
		n = n < len - at ? n : len - at;
		piece = malloc(n); /* exactly as large, so that a read beyond it is seen */
		memcpy(piece, text + at, n);
		o.rc = dialect_stream_feed(&o.s, piece, n, &o.sent);
		free(piece);
	}
	if (o.rc == 0)
		o.rc = dialect_stream_end(&o.s, &o.sent);
	if (o.rc == 0)
		o.rc = dialect_stream_release(&o.s, &o.held);
	dialect_stream_done(&o.s);
	return o;
}

static void expect_same(const char *name, const struct outcome *a, const struct outcome *b, size_t at)
{
	cr_assert_eq(a->rc, b->rc, "%s, cut at %zu: %d", name, at, b->rc);
	cr_assert_str_eq(text_of(&a->sent), text_of(&b->sent), "%s, cut at %zu", name, at);
	cr_assert_str_eq(text_of(&a->held), text_of(&b->held), "%s, cut at %zu", name, at);
	cr_assert(memcmp(&a->s.usage, &b->s.usage, sizeof(a->s.usage)) == 0, "%s, cut at %zu", name, at);
	cr_assert(a->s.complete == b->s.complete && a->s.error_seen == b->s.error_seen &&
			  a->s.have_usage == b->s.have_usage && a->s.usage_malformed == b->s.usage_malformed &&
			  a->s.content_bytes == b->s.content_bytes,
		  "%s, cut at %zu", name, at);
}

static void expect_cuts_alike(const struct dialect_answer_opts *opts, const char *name, const char *text,
			      const struct outcome *whole)
{
	struct outcome o;

	for (size_t at = 1; at < strlen(text); at++) {
		o = run(opts, text, at, strlen(text));
		expect_same(name, whole, &o, at);
		outcome_done(&o);
	}
	o = run(opts, text, 0, 1);
	expect_same(name, whole, &o, 0);
	outcome_done(&o);
}

Test(gemini_stream, passes_and_is_read_the_same_however_cut)
{
	for (size_t i = 0; i < n_recorded_gemini; i++) {
		const struct gemini_recording *r = &recorded_gemini[i];
		struct dialect_answer_opts opts = opts_of(WIRE_GEMINI, WIRE_GEMINI, r->choices);
		char *text = quoted(r->text), *held = quoted(r->held);
		struct outcome o = run(&opts, text, 0, strlen(text));

		cr_assert_eq(o.rc, 0, "%s", r->name);
		cr_assert_str_eq(text_of(&o.held), held, "%s", r->name);
		cr_assert_eq(o.sent.len + o.held.len, strlen(text), "%s", r->name);
		cr_assert(memcmp(text_of(&o.sent), text, o.sent.len) == 0, "%s", r->name);
		cr_assert_eq(o.s.complete, r->complete, "%s", r->name);
		cr_assert_eq(o.s.error_seen, r->error, "%s", r->name);
		cr_assert_eq(o.s.have_usage, r->have_usage, "%s", r->name);
		cr_assert(memcmp(&o.s.usage, &r->usage, sizeof(r->usage)) == 0, "%s: %" PRIu64 " in, %" PRIu64 " out",
			  r->name, o.s.usage.input_tokens, o.s.usage.output_tokens);
		cr_assert(!o.s.usage_malformed && !o.s.usage_inconsistent, "%s", r->name);
		expect_cuts_alike(&opts, r->name, text, &o);
		outcome_done(&o);
		free(text);
		free(held);
	}
}

Test(gemini_stream, is_translated_the_same_however_cut)
{
	static const enum wire to[] = {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC};

	for (size_t w = 0; w < ARRAY_SIZE(to); w++)
		for (size_t i = 0; i < n_recorded_gemini; i++) {
			const struct gemini_recording *r = &recorded_gemini[i];
			struct dialect_answer_opts opts = opts_of(WIRE_GEMINI, to[w], r->choices);
			char *text = quoted(r->text);
			struct outcome o;

			if (to[w] == WIRE_ANTHROPIC && r->choices > 1) {
				free(text);
				continue; /* can't be asked for */
			}
			o = run(&opts, text, 0, strlen(text));
			cr_assert_eq(o.rc, 0, "%s: %d", r->name, o.rc);
			cr_assert_eq(o.s.complete, r->complete, "%s", r->name);
			cr_assert_eq(o.s.error_seen, r->error, "%s", r->name);
			cr_assert_eq(o.s.have_usage, r->have_usage, "%s", r->name);
			cr_assert(memcmp(&o.s.usage, &r->usage, sizeof(r->usage)) == 0, "%s", r->name);
			cr_assert_eq(o.held.len > 0, r->complete, "%s: the end is held back", r->name);
			expect_cuts_alike(&opts, r->name, text, &o);
			outcome_done(&o);
			free(text);
		}
}

/* ---- for clients of OpenAI */

static const struct {
	const char *recorded;
	const char *in_order[8]; /* pieces of what goes to the client, all of it */
	const char *never;
} decoded[] = {
	{"text",
	 {"'content':'Hel\\u006co '", "'content':'wörld'", "'content':'!'", "'finish_reason':'stop'",
	  "'prompt_tokens':4", "[DONE]"},
	 NULL},
	{"function calls, finished on an event without parts",
	 {"'content':'Let me see. '", "'id':'f1'", "'name':'weather'",
	  "'arguments':'{\\'city\\': \\'Oslo \\\\\\\\ N\\',\\'days\\': [1, 2]}'", "'name':'time'", "'arguments':'{}'",
	  "'finish_reason':'tool_calls'", "[DONE]"},
	 "c2ln"},
	{"two candidates, the second done first",
	 {"'index':0", "'content':'a'", "'index':1", "'content':'x'", "'content':'y'",
	  "'finish_reason':'content_filter'", "'content':'b'", "'finish_reason':'stop'"},
	 NULL},
	{"thoughts, cached input",
	 {"'content':'Yes'", "'finish_reason':'stop'", "'prompt_tokens':110", "[DONE]"},
	 "Thinking"},
	{"CRLF, no blank, a comment of its own, zero output",
	 {"'content':'a'", "'content':'b'", "'finish_reason':'length'"},
	 NULL},
	{"an error in the middle", {"'content':'par'", "'error'", "The model is overloaded."}, "[DONE]"},
	{"a blocked prompt", {"'finish_reason':'content_filter'", "'prompt_tokens':8", "[DONE]"}, NULL},
	{"cut off", {"'content':'a'"}, "[DONE]"},
};

Test(gemini_stream, decoded_for_openai)
{
	for (size_t i = 0; i < ARRAY_SIZE(decoded); i++) {
		const struct gemini_recording *r = recorded_gemini;
		struct dialect_answer_opts opts;
		struct outcome o;
		char *text, *piece;
		const char *p;

		while (strcmp(r->name, decoded[i].recorded) != 0)
			cr_assert(++r < recorded_gemini + n_recorded_gemini, "%s", decoded[i].recorded);
		opts = opts_of(WIRE_GEMINI, WIRE_OPENAI_CHAT, r->choices);
		text = quoted(r->text);
		o = run(&opts, text, 0, strlen(text));
		buf_append(&o.sent, text_of(&o.held), o.held.len);
		p = text_of(&o.sent);
		for (size_t k = 0; k < ARRAY_SIZE(decoded[i].in_order) && decoded[i].in_order[k]; k++) {
			piece = quoted(decoded[i].in_order[k]);
			cr_assert(strstr(p, piece), "%s: no %s in %s", r->name, piece, p);
			p = strstr(p, piece) + strlen(piece);
			free(piece);
		}
		cr_assert(!decoded[i].never || !strstr(text_of(&o.sent), decoded[i].never), "%s", text_of(&o.sent));
		outcome_done(&o);
		free(text);
	}
}

static const struct {
	const char *name, *in;
	int rc;
} malformed[] = {
	{"no JSON", "data: nothing\n\n", ERR_PROTO},
	{"no object", "data: []\n\n", ERR_PROTO},
	{"[DONE] isn't Google's", "data: [DONE]\n\n", ERR_PROTO},
	{"nothing of an answer", "data: {'choices': []}\n\n", ERR_PROTO},
	{"candidates that are none", "data: {'candidates': {}}\n\n", ERR_PROTO},
	{"a candidate that is none", "data: {'candidates': ['a']}\n\n", ERR_PROTO},
	{"index that is none", "data: {'candidates': [{'index': -1}]}\n\n", ERR_PROTO},
	{"index too large", "data: {'candidates': [{'index': 128}]}\n\n", ERR_PROTO},
	{"content that is none", "data: {'candidates': [{'content': 'a'}]}\n\n", ERR_PROTO},
	{"parts that are none", "data: {'candidates': [{'content': {'parts': {}}}]}\n\n", ERR_PROTO},
	{"text that is none", "data: {'candidates': [{'content': {'parts': [{'text': 1}]}}]}\n\n", ERR_PROTO},
	{"call without a name", "data: {'candidates': [{'content': {'parts': [{'functionCall': {'args': {}}}]}}]}\n\n",
	 ERR_PROTO},
	{"arguments that are no object",
	 "data: {'candidates': [{'content': {'parts': [{'functionCall': {'name': 'f','args': []}}]}}]}\n\n", ERR_PROTO},
	{"text behind the end",
	 "data: {'candidates': [{'finishReason': 'STOP'}]}\n\n"
	 "data: {'candidates': [{'content': {'parts': [{'text': 'a'}]}}]}\n\n",
	 ERR_PROTO},
	{"what only names the answer", "data: {'responseId': 'x'}\n\n", 0},
	{"candidate without anything", "data: {'candidates': [{}]}\n\n", 0},
	{"parts of tools that weren't asked for",
	 "data: {'candidates': [{'content': {'parts': [{'executableCode': {'code': 'x'}}]}}]}\n\n", 0},
};

Test(gemini_stream, malformed_events)
{
	struct dialect_answer_opts translated = opts_of(WIRE_GEMINI, WIRE_OPENAI_CHAT, 1);
	struct dialect_answer_opts passed = opts_of(WIRE_GEMINI, WIRE_GEMINI, 1);

	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
		char *text = quoted(malformed[i].in);
		struct outcome o = run(&translated, text, 0, strlen(text));

		cr_assert_eq(o.rc, malformed[i].rc, "%s: %d", malformed[i].name, o.rc);
		outcome_done(&o);
		o = run(&passed, text, 0, strlen(text)); /* D2: passes */
		cr_assert_eq(o.rc, 0, "%s", malformed[i].name);
		buf_append(&o.sent, text_of(&o.held), o.held.len);
		cr_assert_str_eq(text_of(&o.sent), text, "%s", malformed[i].name);
		outcome_done(&o);
		free(text);
	}
}

/* ---- usages of a stream */

#define U(members) "data: {'usageMetadata': {" members "}}\n\n"
static const struct {
	const char *name, *in;
	bool have, malformed, inconsistent;
	uint64_t input, output;
} usages[] = {
	{"the last counts",
	 U("'promptTokenCount': 1,'candidatesTokenCount': 2") U("'promptTokenCount': 3,'candidatesTokenCount': 4"),
	 true, false, false, 3, 4},
	{"a malformed one behind a good one",
	 U("'promptTokenCount': 1,'candidatesTokenCount': 2") U("'promptTokenCount': '1'"), false, true, false, 1, 2},
	{"a good one behind it", U("'promptTokenCount': -1") U("'promptTokenCount': 1,'candidatesTokenCount': 2"), true,
	 false, false, 1, 2},
	{"an empty one is none", U("'promptTokenCount': 1,'candidatesTokenCount': 2") U(""), true, false, false, 1, 2},
	{"total off", U("'promptTokenCount': 1,'candidatesTokenCount': 2,'totalTokenCount': 9"), true, false, true, 1,
	 2},
};

Test(gemini_stream, usage)
{
	static const enum wire to[] = {WIRE_GEMINI, WIRE_OPENAI_CHAT};

	for (size_t i = 0; i < ARRAY_SIZE(usages) * 2; i++) {
		struct dialect_answer_opts opts = opts_of(WIRE_GEMINI, to[i % 2], 1);
		const char *name = usages[i / 2].name;
		char *text = quoted(usages[i / 2].in);
		struct outcome o = run(&opts, text, 0, strlen(text));

		cr_assert_eq(o.s.have_usage, usages[i / 2].have, "%s", name);
		cr_assert_eq(o.s.usage_malformed, usages[i / 2].malformed, "%s", name);
		cr_assert_eq(o.s.usage_inconsistent, usages[i / 2].inconsistent, "%s", name);
		cr_assert_eq(o.s.usage.input_tokens, usages[i / 2].input, "%s", name);
		cr_assert_eq(o.s.usage.output_tokens, usages[i / 2].output, "%s", name);
		outcome_done(&o);
		free(text);
	}
}

/* ---- for clients of Gemini */

#define TAIL ",'modelVersion':'pub\\'lic','responseId':'req_abc'}\n\n"
#define SAID(part, index) "data: {'candidates':[{'content':{'parts':[" part "],'role':'model'},'index':" index "}]" TAIL
#define ENDED(reason, index)                                                                                           \
	"{'content':{'parts':[{'text':''}],'role':'model'},'finishReason':'" reason "','index':" index "}"
#define CHUNK(delta, rest) "data: {'id':'c','choices':[{'index':0,'delta':{" delta "}" rest "}]}\n\n"
#define CALL(n, rest) CHUNK("'tool_calls':[{'index':" n "," rest "}]", )

static const struct {
	const char *name, *in;
	unsigned choices;
	const char *sent, *held;
} encoded[] = {
	{"text and usage",
	 CHUNK("'role':'assistant','content':''", ) CHUNK("'content':'h\\u00e9'", ) CHUNK("'content':'y'", )
		 CHUNK("", ",'finish_reason':'stop'") "data: "
						      "{'choices':[],'usage':{'prompt_tokens':9,'completion_tokens':5,'"
						      "total_tokens':14,"
						      "'prompt_tokens_details':{'cached_tokens':4},'completion_tokens_"
						      "details':{'reasoning_tokens':3}}}\n\n"
						      "data: [DONE]\n\n",
	 1, SAID("{'text':'h\\u00e9'}", "0") SAID("{'text':'y'}", "0"),
	 "data: {'candidates':[" ENDED(
		 "STOP", "0") "],'usageMetadata':{'promptTokenCount':9,'candidatesTokenCount':2,"
			      "'cachedContentTokenCount':4,'thoughtsTokenCount':3,'totalTokenCount':14}" TAIL},
	{"no usage", CHUNK("'content':'a'", ",'finish_reason':'length'") "data: [DONE]\n\n", 1,
	 SAID("{'text':'a'}", "0"), "data: {'candidates':[" ENDED("MAX_TOKENS", "0") "]" TAIL},
	{"calls in pieces",
	 CALL("0", "'id':'call_1','type':'function','function':{'name':'weather','arguments':''}")
		 CALL("0", "'function':{'arguments':'{\\'city\\':'}")
			 CALL("0", "'function':{'arguments':'\\'O\\u0073lo\\'}'}")
				 CALL("1", "'id':'call_2','type':'function','function':{'name':'time','arguments':''}")
					 CHUNK("", ",'finish_reason':'tool_calls'") "data: [DONE]\n\n",
	 1,
	 SAID("{'functionCall':{'id':'call_1','name':'weather','args':{'city':'Oslo'}}}", "0")
		 SAID("{'functionCall':{'id':'call_2','name':'time','args':{}}}", "0"),
	 "data: {'candidates':[" ENDED("STOP", "0") "]" TAIL},
	{"arguments that are no JSON",
	 CALL("0", "'id':'call_1','type':'function','function':{'name':'f','arguments':'{\\'a\\''}")
		 CHUNK("", ",'finish_reason':'tool_calls'") "data: [DONE]\n\n",
	 1, "", "data: {'candidates':[" ENDED("MALFORMED_FUNCTION_CALL", "0") "]" TAIL},
	{"arguments cut by the limit",
	 CALL("0", "'id':'call_1','type':'function','function':{'name':'f','arguments':'{\\'a\\''}")
		 CHUNK("", ",'finish_reason':'length'") "data: [DONE]\n\n",
	 1, "", "data: {'candidates':[" ENDED("MAX_TOKENS", "0") "]" TAIL},
	{"two choices",
	 "data: {'choices':[{'index':1,'delta':{'content':'b'}}]}\n\n" CHUNK(
		 "'content':'a'", ",'finish_reason':'stop'") "data: "
							     "{'choices':[{'index':1,'delta':{},'finish_reason':'"
							     "content_filter'}]}\n\ndata: [DONE]\n\n",
	 2, SAID("{'text':'b'}", "1") SAID("{'text':'a'}", "0"),
	 "data: {'candidates':[" ENDED("STOP", "0") "," ENDED("SAFETY", "1") "]" TAIL},
	{"a refusal is a text", CHUNK("'refusal':'no'", ",'finish_reason':'stop'") "data: [DONE]\n\n", 1,
	 SAID("{'text':'no'}", "0"), "data: {'candidates':[" ENDED("STOP", "0") "]" TAIL},
	{"cut off", CHUNK("'content':'a'", ), 1, SAID("{'text':'a'}", "0"), ""},
};

Test(gemini_stream, encoded_from_openai)
{
	for (size_t i = 0; i < ARRAY_SIZE(encoded); i++) {
		struct dialect_answer_opts opts = opts_of(WIRE_OPENAI_CHAT, WIRE_GEMINI, encoded[i].choices);
		/* In OpenAI's arguments \' stands for an escaped quote: quoted() makes it \". */
		char *text = quoted(encoded[i].in), *sent = quoted(encoded[i].sent), *held = quoted(encoded[i].held);
		struct outcome o = run(&opts, text, 0, strlen(text));

		cr_assert_eq(o.rc, 0, "%s: %d", encoded[i].name, o.rc);
		cr_assert_str_eq(text_of(&o.sent), sent, "%s", encoded[i].name);
		cr_assert_str_eq(text_of(&o.held), held, "%s", encoded[i].name);
		expect_cuts_alike(&opts, encoded[i].name, text, &o);
		outcome_done(&o);
		free(text);
		free(sent);
		free(held);
	}
}

/* A call's pieces are kept up to the bound of an event, not beyond. */
Test(gemini_stream, collected_arguments_are_bounded)
{
	struct dialect_answer_opts opts = opts_of(WIRE_OPENAI_CHAT, WIRE_GEMINI, 1);
	char *begin = quoted(CALL("0", "'id':'c','type':'function','function':{'name':'f','arguments':'{'}"));
	struct dialect_stream s;
	struct buf out = BUF_INIT, piece = BUF_INIT;
	size_t fed = 0;
	int rc;

	buf_puts(&piece, "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
			 "\"arguments\":\"");
	for (int i = 0; i < 10000; i++)
		buf_putc(&piece, 'a');
	buf_puts(&piece, "\"}}]}}]}\n\n");
	cr_assert_eq(dialect_stream_init(&s, &opts), 0);
	rc = dialect_stream_feed(&s, begin, strlen(begin), &out);
	while (rc == 0 && fed < 2 * DIALECT_EVENT_MAX) {
		rc = dialect_stream_feed(&s, piece.data, piece.len, &out);
		fed += 10000;
	}
	cr_assert_eq(rc, ERR_PROTO);
	cr_assert(fed > DIALECT_EVENT_MAX - 20000 && fed < DIALECT_EVENT_MAX + 20000, "%zu", fed);
	cr_assert_eq(out.len, 0);
	dialect_stream_done(&s);
	buf_done(&out);
	buf_done(&piece);
	free(begin);
}

/* A call is open, and then nothing more comes: its memory goes with the stream (seen by ASan). */
Test(gemini_stream, open_call_of_a_broken_stream)
{
	struct dialect_answer_opts opts = opts_of(WIRE_OPENAI_CHAT, WIRE_GEMINI, 1);
	char *text = quoted(CALL("0", "'id':'c','type':'function','function':{'name':'f','arguments':'{'}"));
	struct outcome o = run(&opts, text, 0, strlen(text));

	cr_assert_eq(o.rc, 0);
	cr_assert(!o.s.complete && o.sent.len == 0 && o.held.len == 0);
	outcome_done(&o);
	free(text);
}

Test(gemini_stream, error_event_is_one_frame_the_sdk_throws_for)
{
	static const struct {
		int status;
		const char *begins;
	} rows[] = {{503, "data: {'error':{'code':503,"}, {200, "data: {'error':{'code':500,"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dialect_answer_opts opts = opts_of(WIRE_ANTHROPIC, WIRE_GEMINI, 1);
		struct dialect_error e = {
			.status = rows[i].status, .type = "server_error", .code = "x", .message = "m\nn"};
		char *begins = quoted(rows[i].begins);
		struct dialect_stream s;
		struct buf out = BUF_INIT;

		cr_assert_eq(dialect_stream_init(&s, &opts), 0);
		cr_assert_eq(dialect_stream_error(&s, &e, &out), 0);
		cr_assert(strncmp(out.data, begins, strlen(begins)) == 0, "%s", out.data);
		cr_assert(strchr(out.data, '\n') == out.data + out.len - 2 && out.data[out.len - 1] == '\n', "%s",
			  out.data);
		dialect_stream_done(&s);
		buf_done(&out);
		free(begins);
	}
}
