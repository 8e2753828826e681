/* Goal: streams of responses: dialect.h's D1 to D4 when they are passed on, responses_stream.c's R1 to R3 when they are
 * made of other wires' events.
 * Method: recordings cut at each byte, in steps and by single bytes; chat events encoded and compared event by event,
 * the whole text, as the SDKs' accumulators need it. */
#include "dialect/wire.h"
#include "streams.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct recorded_stream recorded_responses[];

/* ---- passed on */

static void same_run(const struct stream_run *a, const struct stream_run *b, const char *what, size_t at)
{
	cr_assert_eq(b->rc, 0);
	cr_assert(a->out.len == b->out.len && a->held.len == b->held.len, "%s at %zu", what, at);
	cr_assert(!a->out.len || memcmp(a->out.data, b->out.data, a->out.len) == 0, "%s at %zu", what, at);
	cr_assert(!a->held.len || memcmp(a->held.data, b->held.data, a->held.len) == 0, "%s at %zu", what, at);
	cr_assert(a->s.have_usage == b->s.have_usage && a->s.usage_malformed == b->s.usage_malformed &&
			  a->s.complete == b->s.complete && a->s.error_seen == b->s.error_seen &&
			  a->s.content_bytes == b->s.content_bytes && a->s.sequence == b->s.sequence,
		  "%s at %zu", what, at);
	cr_assert_arr_eq(&a->s.usage, &b->s.usage, sizeof(a->s.usage), "%s at %zu", what, at);
}

static void check_recorded(const struct recorded_stream *r)
{
	struct dialect_answer_opts o = stream_opts(r->wire, r->wire, 1);
	const char *final = strstr(r->text, "{\"type\":\"response.completed");
	size_t len = strlen(r->text);
	struct stream_run whole, cut;
	struct buf all = BUF_INIT;

	stream_run(&whole, &o, r->text, len, 0, 0);
	cr_assert_eq(whole.rc, 0, "%s", r->name);
	buf_append(&all, whole.out.data, whole.out.len);
	buf_append(&all, whole.held.data, whole.held.len);
	cr_expect_str_eq(all.data, r->text, "%s", r->name); /* D2 */
	cr_expect(!final || whole.out.len <= (size_t)(final - r->text), "%s: the end isn't held back",
		  r->name); /* D4 */
	cr_expect_eq(whole.held.len > 0, r->complete && !r->error, "%s", r->name);
	cr_expect_eq(whole.s.complete, r->complete, "%s", r->name);
	cr_expect_eq(whole.s.error_seen, r->error, "%s", r->name);
	cr_expect_eq(whole.s.have_usage, r->have_usage, "%s", r->name);
	cr_expect_eq(whole.s.usage_malformed, r->usage_malformed, "%s", r->name);
	cr_expect_eq(whole.s.usage_inconsistent, r->usage_inconsistent, "%s", r->name);
	if (r->have_usage)
		cr_expect_arr_eq(&whole.s.usage, &r->usage, sizeof(r->usage), "%s", r->name);
	for (size_t at = 1; at < len; at++) { /* D1 */
		stream_run(&cut, &o, r->text, len, at, 0);
		same_run(&whole, &cut, r->name, at);
		stream_run_done(&cut);
	}
	for (size_t step = 1; step < 12; step++) {
		stream_run(&cut, &o, r->text, len, step / 2, step);
		same_run(&whole, &cut, r->name, step);
		stream_run_done(&cut);
	}
	stream_run_done(&whole);
	buf_done(&all);
}

Test(responses_stream, passed_on, .timeout = 300)
{
	size_t n = 0;

	for (const struct recorded_stream *r = recorded_responses; r->name; r++, n++)
		check_recorded(r);
	cr_assert_geq(n, 5);
}

Test(responses_stream, content_is_counted_by_deltas)
{
	static const char text[] =
		"data: {\"type\":\"response.output_text.delta\",\"delta\":\"12345\"}\n\n"
		"data: {\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{}\"}\n\n"
		"data: {\"type\":\"response.output_text.done\",\"delta\":\"no\",\"text\":\"12345\"}\n\n"
		"data: {\"type\":\"delta\",\"delta\":\"no\"}\n\n";
	struct dialect_answer_opts o = stream_opts(WIRE_OPENAI_RESPONSES, WIRE_OPENAI_RESPONSES, 1);
	struct stream_run r;

	stream_run(&r, &o, text, strlen(text), 0, 0);
	cr_expect_eq(r.s.content_bytes, 7);
	stream_run_done(&r);
}

/* The last event repeats the instructions and has all of the output: 1 MiB is not enough for it. */
Test(responses_stream, a_long_response_passes_on)
{
	static const char begin[] = "data: {\"type\":\"response.completed\",\"response\":{\"instructions\":\"",
			  end[] = "\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\n\n";
	struct dialect_answer_opts o = stream_opts(WIRE_OPENAI_RESPONSES, WIRE_OPENAI_RESPONSES, 1);
	static const struct {
		size_t len;
		int rc;
	} rows[] = {{3 << 20, 0}, {17 << 20, ERR_PROTO}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf text = BUF_INIT;
		struct stream_run r;

		buf_puts(&text, begin);
		cr_assert_eq(buf_reserve(&text, rows[i].len + sizeof(end)), 0);
		memset(text.data + text.len, 'x', rows[i].len);
		text.len += rows[i].len;
		buf_puts(&text, end);
		stream_run(&r, &o, text.data, text.len, 0, 1 << 16);
		cr_expect_eq(r.rc, rows[i].rc, "%zu: %d", i, r.rc);
		cr_expect_eq(r.s.have_usage, rows[i].rc == 0);
		cr_expect_eq(r.held.len, rows[i].rc == 0 ? text.len : 0);
		stream_run_done(&r);
		buf_done(&text);
	}
}

/* ---- made of chat events */

#define ID "0123456789abcdef01234567"
#define EV(type, n, members) "event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":" #n members "}\n\n"
#define RESPONSE(status, details, output, usage)                                                                       \
	",\"response\":{\"id\":\"resp_" ID "\",\"object\":\"response\",\"created_at\":1700000000,\"status\":\"" status \
	"\",\"background\":false,\"error\":null,\"incomplete_details\":" details                                       \
	",\"instructions\":null,\"max_output_tokens\":null,\"model\":\"the \\\"model\\\"\",\"output\":[" output        \
	"],\"parallel_tool_calls\":true,\"previous_response_id\":null,\"reasoning\":{\"effort\":null,\"summary\":"     \
	"null},"                                                                                                       \
	"\"service_tier\":\"default\",\"store\":false,\"temperature\":null,\"text\":{\"format\":{\"type\":\"text\"}}," \
	"\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null,\"truncation\":\"disabled\",\"usage\":" usage            \
	",\"user\":null,\"metadata\":{}}"
#define BEGIN                                                                                                          \
	EV("response.created", 0, RESPONSE("in_progress", "null", "", "null"))                                         \
	EV("response.in_progress", 1, RESPONSE("in_progress", "null", "", "null"))
#define MESSAGE(i, status, parts)                                                                                      \
	"{\"id\":\"msg_" ID "_" #i "\",\"type\":\"message\",\"status\":\"" status                                      \
	"\",\"role\":\"assistant\",\"content\":[" parts "]}"
#define PART(text) "{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[],\"logprobs\":[]}"
#define REFUSAL(text) "{\"type\":\"refusal\",\"refusal\":\"" text "\"}"
#define CALL(i, status, id, name, args)                                                                                \
	"{\"id\":\"fc_" ID "_" #i "\",\"type\":\"function_call\",\"status\":\"" status "\",\"call_id\":\"" id          \
	"\",\"name\":\"" name "\",\"arguments\":\"" args "\"}"
#define ADDED(n, i, item) EV("response.output_item.added", n, ",\"output_index\":" #i ",\"item\":" item)
#define DONE(n, i, item) EV("response.output_item.done", n, ",\"output_index\":" #i ",\"item\":" item)
#define IN(i, part) ",\"output_index\":" #i ",\"item_id\":\"msg_" ID "_" #i "\",\"content_index\":" #part
#define IN_CALL(i) ",\"output_index\":" #i ",\"item_id\":\"fc_" ID "_" #i "\""
#define PART_ADDED(n, i, part, what) EV("response.content_part.added", n, IN(i, part) ",\"part\":" what)
#define PART_DONE(n, i, part, what) EV("response.content_part.done", n, IN(i, part) ",\"part\":" what)
#define TEXT(n, i, part, text)                                                                                         \
	EV("response.output_text.delta", n, IN(i, part) ",\"delta\":\"" text "\",\"logprobs\":[]")
#define TEXT_DONE(n, i, part, text)                                                                                    \
	EV("response.output_text.done", n, IN(i, part) ",\"text\":\"" text "\",\"logprobs\":[]")
#define ARGS(n, i, text) EV("response.function_call_arguments.delta", n, IN_CALL(i) ",\"delta\":\"" text "\"")
#define ARGS_DONE(n, i, name, text)                                                                                    \
	EV("response.function_call_arguments.done", n, IN_CALL(i) ",\"name\":\"" name "\",\"arguments\":\"" text "\"")
#define USAGE                                                                                                          \
	"{\"input_tokens\":11,\"input_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":2},"                \
	"\"output_tokens\":7,\"output_tokens_details\":{\"reasoning_tokens\":3},\"total_tokens\":18}"
#define LENGTH "{\"reason\":\"max_output_tokens\"}"
#define FILTER "{\"reason\":\"content_filter\"}"

#define T(s)                                                                                                           \
	{                                                                                                              \
		.at = s, .len = sizeof(s) - 1                                                                          \
	}

static const struct encode_row {
	const char *name;
	struct chat_event events[10];
	unsigned n;
	bool usage;
	const char *out, *held;
} encode_rows[] = {
	{"text",
	 {{.kind = CHAT_EV_TEXT, .text = T("")},
	  {.kind = CHAT_EV_TEXT, .text = T("Hel")},
	  {.kind = CHAT_EV_TEXT, .text = T("lo\\n")},
	  {.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_STOP}},
	 4,
	 true,
	 BEGIN ADDED(2, 0, MESSAGE(0, "in_progress", "")) PART_ADDED(3, 0, 0, PART("")) TEXT(4, 0, 0, "Hel")
		 TEXT(5, 0, 0, "lo\\n") TEXT_DONE(6, 0, 0, "Hello\\n") PART_DONE(7, 0, 0, PART("Hello\\n"))
			 DONE(8, 0, MESSAGE(0, "completed", PART("Hello\\n"))),
	 EV("response.completed", 9, RESPONSE("completed", "null", MESSAGE(0, "completed", PART("Hello\\n")), USAGE))},
	{"cut at the limit, no usage",
	 {{.kind = CHAT_EV_TEXT, .text = T("Hel")}, {.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_LENGTH}},
	 2,
	 false,
	 BEGIN ADDED(2, 0, MESSAGE(0, "in_progress", "")) PART_ADDED(3, 0, 0, PART("")) TEXT(4, 0, 0, "Hel") TEXT_DONE(
		 5, 0, 0, "Hel") PART_DONE(6, 0, 0, PART("Hel")) DONE(7, 0, MESSAGE(0, "incomplete", PART("Hel"))),
	 EV("response.incomplete", 8, RESPONSE("incomplete", LENGTH, MESSAGE(0, "incomplete", PART("Hel")), "null"))},
	{"filtered, nothing said",
	 {{.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_FILTER}},
	 1,
	 true,
	 BEGIN,
	 EV("response.incomplete", 2, RESPONSE("incomplete", FILTER, "", USAGE))},
	{"the end alone",
	 {{0}},
	 0,
	 true,
	 "",
	 EV("response.created", 0, RESPONSE("in_progress", "null", "", "null"))
		 EV("response.in_progress", 1, RESPONSE("in_progress", "null", "", "null"))
			 EV("response.completed", 2, RESPONSE("completed", "null", "", USAGE))},
	{"text, then a refusal",
	 {{.kind = CHAT_EV_TEXT, .text = T("a")},
	  {.kind = CHAT_EV_REFUSAL, .text = T("n")},
	  {.kind = CHAT_EV_REFUSAL, .text = T("o")},
	  {.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_STOP}},
	 4,
	 true,
	 BEGIN ADDED(2, 0, MESSAGE(0, "in_progress", "")) PART_ADDED(3, 0, 0, PART("")) TEXT(4, 0, 0, "a")
		 TEXT_DONE(5, 0, 0, "a") PART_DONE(6, 0, 0, PART("a")) PART_ADDED(7, 0, 1, REFUSAL(""))
			 EV("response.refusal.delta", 8, IN(0, 1) ",\"delta\":\"n\"") EV("response.refusal.delta", 9,
											 IN(0, 1) ",\"delta\":\"o\"")
				 EV("response.refusal.done", 10, IN(0, 1) ",\"refusal\":\"no\"")
					 PART_DONE(11, 0, 1, REFUSAL("no"))
						 DONE(12, 0, MESSAGE(0, "completed", PART("a") "," REFUSAL("no"))),
	 EV("response.completed", 13,
	    RESPONSE("completed", "null", MESSAGE(0, "completed", PART("a") "," REFUSAL("no")), USAGE))},
	{"text, a call with an id, one without, text again",
	 {{.kind = CHAT_EV_TEXT, .text = T("a")},
	  {.kind = CHAT_EV_TOOL_BEGIN, .id = T("call_x"), .name = T("f")},
	  {.kind = CHAT_EV_TOOL_ARGS, .text = T("{\\\"a\\\"")},
	  {.kind = CHAT_EV_TOOL_ARGS, .text = T(":1}")},
	  {.kind = CHAT_EV_TOOL_END},
	  {.kind = CHAT_EV_TOOL_BEGIN, .tool = 1, .name = T("g")},
	  {.kind = CHAT_EV_TOOL_END, .tool = 1},
	  {.kind = CHAT_EV_TEXT, .text = T("z")},
	  {.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_TOOLS}},
	 9,
	 true,
	 BEGIN ADDED(2, 0, MESSAGE(0, "in_progress", "")) PART_ADDED(3, 0, 0, PART("")) TEXT(4, 0, 0, "a") TEXT_DONE(
		 5, 0, 0, "a") PART_DONE(6, 0, 0, PART("a")) DONE(7, 0, MESSAGE(0, "completed", PART("a")))
		 ADDED(8, 1, CALL(1, "in_progress", "call_x", "f", "")) ARGS(9, 1, "{\\\"a\\\"") ARGS(10, 1, ":1}")
			 ARGS_DONE(11, 1, "f",
				   "{\\\"a\\\":1}") DONE(12, 1, CALL(1, "completed", "call_x", "f", "{\\\"a\\\":1}"))
				 ADDED(13, 2, CALL(2, "in_progress", "call_" ID "_0_1", "g", "")) ARGS_DONE(
					 14, 2, "g", "") DONE(15, 2, CALL(2, "completed", "call_" ID "_0_1", "g", ""))
					 ADDED(16, 3, MESSAGE(3, "in_progress", "")) PART_ADDED(17, 3, 0, PART(""))
						 TEXT(18, 3, 0, "z") TEXT_DONE(19, 3, 0, "z")
							 PART_DONE(20, 3, 0, PART("z"))
								 DONE(21, 3, MESSAGE(3, "completed", PART("z"))),
	 EV("response.completed", 22,
	    RESPONSE("completed", "null",
		     MESSAGE(0, "completed",
			     PART("a")) "," CALL(1, "completed", "call_x", "f",
						 "{\\\"a\\\":1}") "," CALL(2, "completed", "call_" ID "_0_1", "g",
									   "") "," MESSAGE(3, "completed", PART("z")),
		     USAGE))},
	{"calls side by side, the first one never ended", /* R2 */
	 {{.kind = CHAT_EV_TOOL_BEGIN, .id = T("x"), .name = T("f")},
	  {.kind = CHAT_EV_TOOL_BEGIN, .tool = 1, .id = T("y"), .name = T("g")},
	  {.kind = CHAT_EV_TOOL_ARGS, .text = T("1")},
	  {.kind = CHAT_EV_TOOL_ARGS, .tool = 1, .text = T("2")},
	  {.kind = CHAT_EV_TOOL_END, .tool = 1},
	  {.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_TOOLS}},
	 6,
	 true,
	 BEGIN ADDED(2, 0, CALL(0, "in_progress", "x", "f", "")) ADDED(3, 1, CALL(1, "in_progress", "y", "g", "")) ARGS(
		 4, 0, "1") ARGS(5, 1, "2") ARGS_DONE(6, 1, "g", "2") DONE(7, 1, CALL(1, "completed", "y", "g", "2"))
		 ARGS_DONE(8, 0, "f", "1") DONE(9, 0, CALL(0, "completed", "x", "f", "1")),
	 EV("response.completed", 10,
	    RESPONSE("completed", "null", CALL(0, "completed", "x", "f", "1") "," CALL(1, "completed", "y", "g", "2"),
		     USAGE))},
	{"a whole call",
	 {{.kind = CHAT_EV_TOOL_WHOLE,
	   .name = T("f"),
	   .args = {.at = "{\"a\":\"\\u00e9\"}", .len = 14, .type = JSON_SPAN_OBJECT}},
	  {.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_TOOLS}},
	 2,
	 true,
	 BEGIN ADDED(2, 0, CALL(0, "in_progress", "call_" ID "_0_0", "f", ""))
		 ARGS(3, 0, "{\\\"a\\\":\\\"\\\\u00e9\\\"}") ARGS_DONE(4, 0, "f", "{\\\"a\\\":\\\"\\\\u00e9\\\"}")
			 DONE(5, 0, CALL(0, "completed", "call_" ID "_0_0", "f", "{\\\"a\\\":\\\"\\\\u00e9\\\"}")),
	 EV("response.completed", 6,
	    RESPONSE("completed", "null", CALL(0, "completed", "call_" ID "_0_0", "f", "{\\\"a\\\":\\\"\\\\u00e9\\\"}"),
		     USAGE))},
};

static void init(struct dialect_stream *s)
{
	struct dialect_answer_opts o = stream_opts(WIRE_GEMINI, WIRE_OPENAI_RESPONSES, 1);

	cr_assert_eq(dialect_stream_init(s, &o), 0);
}

/* R3, and that each event is JSON whose type is its name. */
static void check_events(const char *text, uint64_t *next)
{
	for (const char *p = text, *end; *p; p = end + 2) {
		enum { TYPE, SEQUENCE, FIELDS };
		struct json_member m[FIELDS] = {[TYPE] = {.name = "type"}, [SEQUENCE] = {.name = "sequence_number"}};
		const char *data = strstr(p, "\ndata: ");
		uint64_t n = 0;

		end = strstr(p, "\n\n");
		cr_assert(data && end && data < end, "%s", p);
		cr_assert_eq(json_scan_object(data + 7, (size_t)(end - data) - 7, m, FIELDS, NULL), 0, "%s", p);
		cr_expect_eq(json_number_u64(&m[SEQUENCE].value, &n), 0);
		cr_expect_eq(n, (*next)++, "%s", p);
		cr_expect(strncmp(p, "event: ", 7) == 0 &&
			  strncmp(p + 7, m[TYPE].value.at + 1, m[TYPE].value.len - 2) == 0);
	}
}

Test(responses_stream, encoded)
{
	static const struct usage usage = {.input_tokens = 11,
					   .cached_input_tokens = 4,
					   .cache_write_tokens = 2,
					   .output_tokens = 7,
					   .reasoning_tokens = 3};
	static const struct chat_event end = {.kind = CHAT_EV_END};

	for (size_t i = 0; i < ARRAY_SIZE(encode_rows); i++) {
		const struct encode_row *r = &encode_rows[i];
		struct buf out = BUF_INIT, held = BUF_INIT;
		struct dialect_stream s;
		uint64_t next = 0;

		init(&s);
		for (unsigned k = 0; k < r->n; k++)
			cr_assert_eq(wire_openai_responses.encode(&s, &r->events[k], &out), 0, "%s: %u", r->name, k);
		s.have_usage = r->usage;
		s.usage = usage;
		cr_assert_eq(wire_openai_responses.encode(&s, &end, &held), 0);
		cr_expect_str_eq(out.data ? out.data : "", r->out, "%s:\n%s", r->name, out.data);
		cr_expect_str_eq(held.data, r->held, "%s:\n%s", r->name, held.data);
		if (out.data)
			check_events(out.data, &next);
		check_events(held.data, &next);
		dialect_stream_done(&s);
		buf_done(&out);
		buf_done(&held);
	}
}

/* What no decoder of a request for one choice says. */
Test(responses_stream, events_out_of_place)
{
	static const struct chat_event rows[] = {
		{.kind = CHAT_EV_TEXT, .choice = 1, .text = T("x")},
		{.kind = CHAT_EV_TOOL_ARGS, .text = T("x")},
		{.kind = CHAT_EV_TOOL_END},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf out = BUF_INIT;
		struct dialect_stream s;

		init(&s);
		cr_expect_eq(wire_openai_responses.encode(&s, &rows[i], &out), ERR_PROTO, "%zu", i);
		dialect_stream_done(&s);
		buf_done(&out);
	}
}

/* ---- R1 */

static int encode_until(struct dialect_stream *s, const struct chat_event *ev, size_t n, size_t *ret_n)
{
	struct buf out = BUF_INIT;
	int rc = 0;

	for (*ret_n = 0; rc == 0 && *ret_n < n; ++*ret_n) {
		rc = wire_openai_responses.encode(s, ev, &out);
		buf_reset(&out);
	}
	buf_done(&out);
	return rc;
}

Test(responses_stream, what_is_kept_is_bounded)
{
	static char piece[1 << 18];
	struct chat_event text = {.kind = CHAT_EV_TEXT, .text = {.at = piece, .len = sizeof(piece)}};
	const struct chat_event call = {
		.kind = CHAT_EV_TOOL_WHOLE, .name = T("f"), .args = {.at = "{}", .len = 2, .type = JSON_SPAN_OBJECT}};
	const struct chat_event end = {.kind = CHAT_EV_END};
	struct buf held = {.max = 16 << 20}; /* what the engine lets it have */
	struct dialect_stream s;
	size_t n;

	memset(piece, 'x', sizeof(piece));
	init(&s);
	cr_expect_eq(encode_until(&s, &text, 1000, &n), ERR_FULL);
	cr_expect_eq(n, 60, "%zu", n); /* the 60th piece of 256 KiB, with its part, is more than 15 MiB */
	cr_expect_eq(wire_openai_responses.encode(&s, &end, &held), 0);
	dialect_stream_done(&s);
	buf_reset(&held);

	init(&s);
	cr_expect_eq(encode_until(&s, &call, 100000, &n), ERR_FULL);
	cr_expect_eq(n, 2049, "%zu", n);
	cr_expect_eq(wire_openai_responses.encode(&s, &end, &held), 0);
	dialect_stream_done(&s);
	buf_done(&held);
}

/* ---- errors of ours */

#define ERROR_OF(n)                                                                                                    \
	"event: error\ndata: {\"type\":\"error\",\"sequence_number\":" #n                                              \
	",\"code\":\"c\",\"message\":\"m \\\"x\\\"\","                                                                 \
	"\"param\":null,\"error\":{\"type\":\"server_error\",\"code\":\"c\",\"message\":\"m "                          \
	"\\\"x\\\"\",\"param\":null}}\n\n"

Test(responses_stream, an_error_goes_on_counting)
{
	static const struct dialect_error e = {
		.status = 502, .type = "server_error", .code = "c", .message = "m \"x\""};
	static const struct chat_event text = {.kind = CHAT_EV_TEXT, .text = T("x")},
				       error = {.kind = CHAT_EV_ERROR, .error = &e};
	static const char piece[] = "data: {\"type\":\"response.output_text.delta\",\"sequence_number\":41}\n\n";
	struct dialect_answer_opts same = stream_opts(WIRE_OPENAI_RESPONSES, WIRE_OPENAI_RESPONSES, 1);
	struct buf out = BUF_INIT;
	struct dialect_stream s;

	cr_assert_eq(dialect_stream_init(&s, &same), 0);
	cr_assert_eq(dialect_stream_error(&s, &e, &out), 0);
	cr_expect_str_eq(out.data, ERROR_OF(0));
	cr_assert_eq(dialect_stream_feed(&s, piece, strlen(piece), &out), 0);
	buf_reset(&out);
	cr_assert_eq(dialect_stream_error(&s, &e, &out), 0);
	cr_expect_str_eq(out.data, ERROR_OF(42), "%s", out.data);
	dialect_stream_done(&s);

	init(&s);
	cr_assert_eq(wire_openai_responses.encode(&s, &text, &out), 0);
	buf_reset(&out);
	cr_assert_eq(wire_openai_responses.encode(&s, &error, &out), 0);
	cr_expect_str_eq(out.data, ERROR_OF(5), "%s", out.data);
	dialect_stream_done(&s);
	buf_done(&out);
}

/* ---- from each wire, through the engine */

static void translate(enum wire from, const char *text, const char *contains)
{
	struct dialect_answer_opts o = stream_opts(from, WIRE_OPENAI_RESPONSES, 1);
	struct stream_run r;
	uint64_t next = 0;

	stream_run(&r, &o, text, strlen(text), 0, 7);
	cr_assert_eq(r.rc, 0, "%d", from);
	check_events(r.out.data, &next);
	cr_assert(r.held.len, "%d: %s", from, r.out.data);
	check_events(r.held.data, &next);
	cr_expect(strstr(r.held.data, contains), "%d: %s", from, r.held.data);
	stream_run_done(&r);
}

Test(responses_stream, from_each_wire)
{
	translate(
		WIRE_OPENAI_CHAT,
		"data: "
		"{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
		"\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n"
		"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n"
		"data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n"
		"data: [DONE]\n\n",
		RESPONSE("incomplete", LENGTH, MESSAGE(0, "incomplete", PART("Hi")),
			 "{\"input_tokens\":3,\"input_tokens_details\":{\"cached_tokens\":0,\"cache_write_tokens\":0},"
			 "\"output_tokens\":1,\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":4}"));
	translate(
		WIRE_ANTHROPIC,
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":"
		"\"message\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":2,\"output_tokens\":0}}}"
		"\n\n"
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
		"{\"type\":\"text\",\"text\":\"\"}}\n\n"
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
		"\"text_delta\",\"text\":\"Hi\"}}\n\n"
		"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
		"event: message_delta\ndata: "
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":"
		"{\"output_tokens\":5}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		RESPONSE("completed", "null", MESSAGE(0, "completed", PART("Hi")),
			 "{\"input_tokens\":2,\"input_tokens_details\":{\"cached_tokens\":0,\"cache_write_tokens\":0},"
			 "\"output_tokens\":5,\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":7}"));
	translate(
		WIRE_GEMINI,
		"data: "
		"{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}}}],"
		"\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":4,"
		"\"candidatesTokenCount\":6,\"totalTokenCount\":10}}\n\n",
		RESPONSE(
			"completed", "null", CALL(0, "completed", "call_" ID "_0_0", "f", "{\\\"a\\\":1}"),
			"{\"input_tokens\":4,\"input_tokens_details\":{\"cached_tokens\":0,\"cache_write_tokens\":0},"
			"\"output_tokens\":6,\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":10}"));
}
