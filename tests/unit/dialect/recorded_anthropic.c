/* Goal: dialect.h's D1 to D4 and D6 for streams of Anthropic's wire, passed on and translated. Method: streams as the
 * API sends them (text, tools with streamed arguments, several blocks, caches, pings, thinking, server tools, errors in
 * the middle, CRLF) and as it must not (malformed, cut off, out of order), each fed whole, cut in two at every byte,
 * and in pieces of 1 to 7 bytes. What a translation says is looked for in OpenAI's chunks, in its order. */
#include "dialect/anthropic.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#define EV(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define START_USAGE(usage)                                                                                             \
	EV("message_start",                                                                                            \
	   ",\"message\":{\"model\":\"claude-sonnet-4-5\",\"id\":\"msg_01\",\"type\":\"message\",\"role\":"            \
	   "\"assistant\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":" usage "}")
#define START START_USAGE("{\"input_tokens\":25,\"output_tokens\":1}")
#define PING "event: ping\ndata: {\"type\": \"ping\"}\n\n"
#define TEXT_START(i) EV("content_block_start", ",\"index\":" i ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
#define TOOL_START(i, id, name)                                                                                        \
	EV("content_block_start", ",\"index\":" i ",\"content_block\":{\"type\":\"tool_use\",\"id\":\"" id             \
				  "\",\"name\":\"" name "\",\"input\":{}}")
#define DELTA(i, members) EV("content_block_delta", ",\"index\":" i ",\"delta\":{" members "}")
#define TEXT(i, text) DELTA(i, "\"type\":\"text_delta\",\"text\":\"" text "\"")
#define ARGS(i, text) DELTA(i, "\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"")
#define STOP(i) EV("content_block_stop", ",\"index\":" i)
#define END_USAGE(reason, usage)                                                                                       \
	EV("message_delta", ",\"delta\":{\"stop_reason\":" reason ",\"stop_sequence\":null},\"usage\":" usage)
#define END(reason, n) END_USAGE("\"" reason "\"", "{\"output_tokens\":" n "}")
#define MESSAGE_STOP EV("message_stop", "")
#define FINISH(reason) "\"finish_reason\":\"" reason "\""

#define FOUND_MAX 12
static const struct row {
	const char *name, *in;
	struct usage usage; /* input, cached, written, output, reasoning */
	bool have_usage, malformed, complete, error;
	uint64_t content_bytes;
	const char *found[FOUND_MAX]; /* in the translation */
	bool not_translated;          /* ERR_PROTO there */
	bool other_content;           /* content_bytes are not the same there: thinking isn't passed on */
} rows[] = {
	{"text",
	 START TEXT_START("0") PING TEXT("0", "Hello") TEXT("0", "!\\n\\u00e9\\\"") STOP("0") END("end_turn", "15")
		 MESSAGE_STOP,
	 {25, 0, 0, 15, 0},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 16,
	 .found = {"\"content\":\"Hello\"", "\"content\":\"!\\n\\u00e9\\\"\"", FINISH("stop"), "\"prompt_tokens\":25",
		   "\"completion_tokens\":15", "[DONE]"}},
	{"a tool with streamed arguments",
	 START TEXT_START("0") TEXT("0", "Let me see.") STOP("0") TOOL_START("1", "toolu_01", "weather") ARGS("1", "")
		 ARGS("1", "{\\\"city\\\":") ARGS("1", " \\\"Paris\\\"}") STOP("1") END("tool_use", "40") MESSAGE_STOP,
	 {25, 0, 0, 40, 0},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 11 + 7 + 10 + 11,
	 .found = {"\"content\":\"Let me see.\"", "\"index\":0", "\"id\":\"toolu_01\"", "\"name\":\"weather\"",
		   "\"arguments\":\"{\\\"city\\\":\"", "\"arguments\":\" \\\"Paris\\\"}\"", FINISH("tool_calls"),
		   "[DONE]"}},
	{"several blocks and tools",
	 START TEXT_START("0") TEXT("0", "a") STOP("0") TOOL_START("1", "t1", "f") ARGS("1", "{}") STOP("1") TEXT_START(
		 "2") TEXT("2", "b") STOP("2") TOOL_START("3", "t2", "g") STOP("3") END("tool_use", "9") MESSAGE_STOP,
	 {25, 0, 0, 9, 0},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 6,
	 .found = {"\"content\":\"a\"", "\"id\":\"t1\"", "\"arguments\":\"{}\"", "\"content\":\"b\"", "\"index\":1,",
		   "\"id\":\"t2\"", FINISH("tool_calls"), "[DONE]"}},
	{"arguments all at once",
	 START EV("content_block_start",
		  ",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\","
		  "\"input\":{\"a\":\"b\"}}") STOP("0") END("tool_use", "3") MESSAGE_STOP,
	 {25, 0, 0, 3, 0},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 1,
	 .found = {"\"id\":\"t\"", "{\\\"a\\\":\\\"b\\\"}", FINISH("tool_calls")},
	 .other_content = true},
	{"caches",
	 START_USAGE("{\"input_tokens\":3,\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":2000,"
		     "\"cache_creation\":{\"ephemeral_5m_input_tokens\":100,\"ephemeral_1h_input_tokens\":0},"
		     "\"output_tokens\":1,\"service_tier\":\"standard\"}") TEXT_START("0") TEXT("0", "x") STOP("0")
		 END("end_turn", "7") MESSAGE_STOP,
	 {2103, 2000, 100, 7, 0},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 1,
	 .found = {FINISH("stop"), "\"prompt_tokens\":2103", "\"cached_tokens\":2000"}},
	{"usage overwritten field by field, never added",
	 START_USAGE("{\"input_tokens\":10,\"cache_read_input_tokens\":5,\"output_tokens\":1}") TEXT_START("0")
		 TEXT("0", "x") STOP("0") END_USAGE("null", "{\"output_tokens\":4,\"cache_read_input_tokens\":6}")
			 END_USAGE("\"end_turn\"",
				   "{\"input_tokens\":12,\"cache_creation_input_tokens\":null,\"output_tokens\":9,"
				   "\"output_tokens_details\":{\"thinking_tokens\":2}}") MESSAGE_STOP,
	 {18, 6, 0, 9, 2},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 1,
	 .found = {FINISH("stop"), "\"prompt_tokens\":18", "\"completion_tokens\":9"}},
	{"thinking",
	 START EV("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\","
					 "\"signature\":\"\"}")
		 DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"Hm.\"")
			 DELTA("0", "\"type\":\"signature_delta\","
				    "\"signature\":\"EqQB\"") STOP("0") TEXT_START("1") TEXT("1", "Yes") STOP("1")
				 END("end_turn", "8") MESSAGE_STOP,
	 {25, 0, 0, 8, 0},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 6,
	 .found = {"\"content\":\"Yes\"", FINISH("stop")},
	 .other_content = true},
	{"server tools and citations",
	 START EV("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"server_tool_use\",\"id\":\"srv\","
					 "\"name\":\"s\",\"input\":{}}") ARGS("0", "{}") STOP("0") TEXT_START("1")
		 DELTA("1", "\"type\":\"citations_delta\",\"citation\":{\"url\":\"x\"}") TEXT("1", "y") STOP("1")
			 END("end_turn", "8") MESSAGE_STOP,
	 {25, 0, 0, 8, 0},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 4,
	 .found = {"\"content\":\"y\"", FINISH("stop")},
	 .other_content = true},
	{"CRLF, no blank, comments, other names, other order",
	 ": hi\r\n\r\nevent:message_start\r\ndata:{\"message\":{\"usage\":{\"output_tokens\":0,\"input_tokens\":4}},"
	 "\"type\":\"message_start\"}\r\n\r\nid: 1\r\ndata: "
	 "{\"content_block\":{\"text\":\"\",\"type\":\"text\"},\"index\":0,"
	 "\"type\":\"content_block_start\"}\r\n\r\n: ping\r\n\r\nevent: content_block_delta\r\ndata: {\"type\":"
	 "\"content_block_delta\",\r\ndata: \"index\":0,\"delta\":{\"text\":\"hi\",\"type\":\"text_delta\"}}\r\n\r\n"
	 "data: {\"type\":\"content_block_stop\",\"index\":0}\r\n\r\nevent: message_delta\r\ndata: {\"type\":"
	 "\"message_delta\",\"usage\":{\"output_tokens\":2},\"delta\":{\"stop_reason\":\"max_tokens\"}}\r\n\r\nevent: "
	 "message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n",
	 {4, 0, 0, 2, 0},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 2,
	 .found = {"\"content\":\"hi\"", FINISH("length"), "[DONE]"}},
	{"a stop sequence",
	 START TEXT_START("0") TEXT("0", "x") STOP("0") EV(
		 "message_delta", ",\"delta\":{\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"END\"},\"usage\":{"
				  "\"output_tokens\":2}") MESSAGE_STOP,
	 {25, 0, 0, 2, 0},
	 .have_usage = true,
	 .complete = true,
	 .content_bytes = 1,
	 .found = {FINISH("stop")}},
	{"a refusal",
	 START END("refusal", "0") MESSAGE_STOP,
	 {25, 0, 0, 0, 0},
	 .have_usage = true,
	 .complete = true,
	 .found = {FINISH("content_filter"), "[DONE]"}},
	{"an event from the future, more behind the end",
	 START EV("weather", ",\"index\":7") TEXT_START("0") DELTA("0", "\"type\":\"odd_delta\"") STOP("0")
		 END("end_turn", "1") MESSAGE_STOP PING "data: x\n\n",
	 {25, 0, 0, 1, 0},
	 .have_usage = true,
	 .complete = true,
	 .found = {FINISH("stop"), "[DONE]"}},
	{"no end of the last event",
	 START END("end_turn", "1") "event: message_stop\ndata: {\"type\":\"message_stop\"}",
	 {25, 0, 0, 1, 0},
	 .have_usage = true,
	 .complete = true,
	 .found = {FINISH("stop"), "[DONE]"}},
	{"an error in the middle",
	 START TEXT_START("0") TEXT("0", "x")
		 EV("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Over\\nloaded\"}"),
	 .error = true, .content_bytes = 1,
	 .found = {"\"content\":\"x\"", "\"error\":{\"message\":\"Over\\nloaded\"", "\"server_is_overloaded\""}},
	{"an error of our account isn't told",
	 START EV("error", ",\"error\":{\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\"}"),
	 .error = true,
	 .found = {"\"error\":{\"message\":\"The model's provider broke off its answer.\"", "\"upstream_failed\""}},
	{"an error first", EV("error", ",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}"), .error = true,
	 .found = {"\"error\":{\"message\":\"m\""}},
	/* D3 */
	{"usage malformed in the end",
	 START TEXT_START("0") STOP("0") END_USAGE("\"end_turn\"", "{\"output_tokens\":\"5\"}") MESSAGE_STOP,
	 .malformed = true, .complete = true, .found = {FINISH("stop")}},
	{"usage malformed at the start: what follows is half a report",
	 START_USAGE("{\"input_tokens\":-1,\"output_tokens\":1}") END("end_turn", "5") MESSAGE_STOP, .malformed = true,
	 .complete = true, .found = {FINISH("stop")}},
	{"usage malformed at the start, whole at the end",
	 START_USAGE("{\"input_tokens\":-1,\"output_tokens\":1}")
		 END_USAGE("\"end_turn\"", "{\"input_tokens\":3,\"output_tokens\":5}") MESSAGE_STOP,
	 {3, 0, 0, 5, 0},
	 .have_usage = true,
	 .complete = true,
	 .found = {FINISH("stop")}},
	{"usage without its input", START_USAGE("{\"output_tokens\":1}") END("end_turn", "5") MESSAGE_STOP,
	 .malformed = true, .complete = true, .found = {FINISH("stop")}},
	{"usage without its output", START END_USAGE("\"end_turn\"", "{\"input_tokens\":5}") MESSAGE_STOP,
	 .malformed = true, .complete = true, .found = {FINISH("stop")}},
	{"no usage", START_USAGE("null") END_USAGE("\"end_turn\"", "null") MESSAGE_STOP, .complete = true,
	 .found = {FINISH("stop")}},
	{"usage too large", START END("end_turn", "9007199254740993") MESSAGE_STOP, .malformed = true, .complete = true,
	 .found = {FINISH("stop")}},
	/* cut off: the counts so far are not the stream's */
	{"cut off", START TEXT_START("0") TEXT("0", "Hello") "event: content_block_delta\ndata: {\"type\":\"content_bl",
	 .content_bytes = 5, .found = {"\"content\":\"Hello\""}},
	{"cut off before message_stop",
	 START TEXT_START("0") STOP("0") END("end_turn", "5"),
	 {25, 0, 0, 5, 0},
	 .have_usage = true,
	 .found = {FINISH("stop")}},
	{"empty", "", .found = {NULL}},
	/* D6 */
	{"not JSON", START "data: nonsense\n\n", .not_translated = true},
	{"not this wire", "data: {\"choices\":[]}\n\ndata: [DONE]\n\n", .not_translated = true},
	{"no type", "event: message_stop\ndata: {}\n\n", .not_translated = true},
	{"a type that is none", "event: message_stop\ndata: {\"type\":5}\n\n", .not_translated = true},
	{"two starts", START START, .not_translated = true},
	{"a start without a message", EV("message_start", ""), .not_translated = true},
	{"a block before the start", TEXT_START("0"), .not_translated = true},
	{"a delta before its block", START TEXT("0", "x"), .content_bytes = 1, .not_translated = true},
	{"a delta of another block", START TEXT_START("0") TEXT("1", "x"), .content_bytes = 1, .not_translated = true},
	{"a delta after its block", START TEXT_START("0") STOP("0") TEXT("0", "x"), .content_bytes = 1,
	 .not_translated = true},
	{"two blocks at once", START TEXT_START("0") TEXT_START("1"), .not_translated = true},
	{"a block without a number",
	 START EV("content_block_start", ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}"),
	 .not_translated = true},
	{"a block without a type", START EV("content_block_start", ",\"index\":0,\"content_block\":{}"),
	 .not_translated = true},
	{"a block that is none", START EV("content_block_start", ",\"index\":0,\"content_block\":\"text\""),
	 .not_translated = true},
	{"a tool without a name",
	 START EV("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"tool_use\","
					 "\"id\":\"t\",\"input\":{}}"),
	 .not_translated = true},
	{"a tool without an id",
	 START EV("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"tool_use\","
					 "\"name\":\"t\",\"input\":{}}"),
	 .content_bytes = 1, .not_translated = true},
	{"text of a tool", START TOOL_START("0", "t", "f") TEXT("0", "x"), .content_bytes = 2, .not_translated = true},
	{"arguments of text", START TEXT_START("0") ARGS("0", "x"), .content_bytes = 1, .not_translated = true},
	{"text that is none", START TEXT_START("0") DELTA("0", "\"type\":\"text_delta\",\"text\":null"),
	 .not_translated = true},
	{"a delta that is none", START TEXT_START("0") EV("content_block_delta", ",\"index\":0,\"delta\":\"x\""),
	 .not_translated = true},
	{"a stop of no block", START STOP("0"), .not_translated = true},
	{"the end's delta is none",
	 START EV("message_delta", ",\"usage\":{\"output_tokens\":1}"),
	 {25, 0, 0, 1, 0},
	 .have_usage = true,
	 .not_translated = true},
	{"a stop without a reason", START MESSAGE_STOP, .complete = true, .not_translated = true},
	{"an error that is none", EV("error", ""), .error = true, .not_translated = true},
};

/* ---- feeding */

struct cut {
	size_t at, step; /* step > 0: pieces of that size; else two, the first one `at` long */
};

static int feed(struct dialect_stream *s, const char *data, size_t len, struct buf *out)
{
	char *copy = malloc(len ? len : 1); /* an own heap block of the exact size: ASan sees a read beyond the piece */
	int rc;

	memcpy(copy, data, len);
	rc = dialect_stream_feed(s, copy, len, out);
	free(copy);
	return rc;
}

static int feed_all(struct dialect_stream *s, const char *in, struct cut cut, struct buf *out)
{
	size_t len = strlen(in), n;
	int rc = 0;

	if (!cut.step) {
		rc = feed(s, in, cut.at, out);
		return rc < 0 ? rc : feed(s, in + cut.at, len - cut.at, out);
	}
	for (size_t i = 0; i < len && rc == 0; i += n) {
		n = len - i < cut.step ? len - i : cut.step;
		rc = feed(s, in + i, n, out);
	}
	return rc;
}

static void each_cut(const struct row *r, void (*check)(const struct row *r, struct cut cut))
{
	for (size_t at = 0; at <= strlen(r->in); at++)
		check(r, (struct cut){at, 0});
	for (size_t step = 1; step < 8; step++)
		check(r, (struct cut){0, step});
}

static struct dialect_answer_opts opts_to(enum wire to)
{
	return (struct dialect_answer_opts){.from = WIRE_ANTHROPIC,
					    .to = to,
					    .id = "req_01",
					    .model = "m",
					    .model_len = 1,
					    .include_usage = true,
					    .choices = 1};
}

static void expect_read(const struct row *r, const struct dialect_stream *s, struct cut cut)
{
	cr_assert_eq(s->have_usage, r->have_usage, "%s: cut %zu step %zu", r->name, cut.at, cut.step);
	if (r->have_usage)
		cr_assert_arr_eq(&s->usage, &r->usage, sizeof(s->usage), "%s: %" PRIu64 " %" PRIu64, r->name,
				 s->usage.input_tokens, s->usage.output_tokens);
	cr_assert_eq(s->usage_malformed, r->malformed, "%s", r->name);
	cr_assert_not(s->have_usage && s->usage_inconsistent, "%s", r->name);
	cr_assert_eq(s->complete, r->complete, "%s", r->name);
	cr_assert_eq(s->error_seen, r->error, "%s", r->name);
}

/* ---- passed on */

/* D4: the event that has message_stop. */
static size_t held_from(const char *in)
{
	const char *type = strstr(in, "\"type\":\"message_stop\""), *p = type;

	if (!type)
		return strlen(in);
	while (p > in && !(p[-1] == '\n' && (p[-2] == '\n' || (p[-2] == '\r' && p[-3] == '\n'))))
		p--;
	return (size_t)(p - in);
}

static void check_passed(const struct row *r, struct cut cut)
{
	struct dialect_answer_opts o = opts_to(WIRE_ANTHROPIC);
	struct buf out = BUF_INIT;
	struct dialect_stream s;

	cr_assert_eq(dialect_stream_init(&s, &o), 0);
	cr_assert_eq(feed_all(&s, r->in, cut, &out), 0, "%s", r->name);
	cr_assert_eq(dialect_stream_end(&s, &out), 0, "%s", r->name);
	cr_assert_eq(out.len, held_from(r->in), "%s: cut %zu step %zu: %zu", r->name, cut.at, cut.step, out.len);
	cr_assert_eq(dialect_stream_release(&s, &out), 0);
	cr_assert_eq(dialect_stream_release(&s, &out), 0);
	cr_assert_str_eq(out.data ? out.data : "", r->in, "%s: cut %zu step %zu", r->name, cut.at, cut.step);
	expect_read(r, &s, cut);
	cr_assert_eq(s.content_bytes, r->content_bytes, "%s: %" PRIu64, r->name, s.content_bytes);
	dialect_stream_done(&s);
	buf_done(&out);
}

Test(anthropic_recorded, passed_on_at_every_cut, .timeout = 300)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		each_cut(&rows[i], check_passed);
}

/* ---- translated */

static struct buf whole; /* what one feed of all says */

static int translate(const struct row *r, struct cut cut, struct dialect_stream *s, struct buf *out)
{
	struct dialect_answer_opts o = opts_to(WIRE_OPENAI_CHAT);
	int rc;

	cr_assert_eq(dialect_stream_init(s, &o), 0);
	rc = feed_all(s, r->in, cut, out);
	if (rc < 0)
		return rc;
	rc = dialect_stream_end(s, out);
	cr_assert_eq(dialect_stream_release(s, out), 0);
	return rc;
}

static void check_translated(const struct row *r, struct cut cut)
{
	struct buf out = BUF_INIT;
	struct dialect_stream s;
	int rc = translate(r, cut, &s, &out);

	cr_assert_eq(rc, r->not_translated ? ERR_PROTO : 0, "%s: cut %zu step %zu: %d", r->name, cut.at, cut.step, rc);
	if (rc == 0) {
		cr_assert_str_eq(out.data ? out.data : "", whole.data ? whole.data : "", "%s: cut %zu step %zu",
				 r->name, cut.at, cut.step);
		expect_read(r, &s, cut);
		if (!r->other_content)
			cr_assert_eq(s.content_bytes, r->content_bytes, "%s: %" PRIu64, r->name, s.content_bytes);
	}
	dialect_stream_done(&s);
	buf_done(&out);
}

static void expect_found(const struct row *r)
{
	const char *p = whole.data ? whole.data : "", *next;

	for (size_t i = 0; i < FOUND_MAX && r->found[i]; i++) {
		next = strstr(p, r->found[i]);
		cr_assert(next, "%s: no %s in %s", r->name, r->found[i], whole.data ? whole.data : "nothing");
		p = next + strlen(r->found[i]);
	}
	cr_assert_eq(strstr(whole.data ? whole.data : "", "[DONE]") != NULL, r->complete, "%s", r->name);
}

Test(anthropic_recorded, translated_at_every_cut, .timeout = 300)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dialect_stream s;

		buf_reset(&whole);
		translate(&rows[i], (struct cut){strlen(rows[i].in), 0}, &s, &whole);
		if (!rows[i].not_translated)
			expect_found(&rows[i]);
		dialect_stream_done(&s);
		each_cut(&rows[i], check_translated);
	}
	buf_done(&whole);
}
