/* What Anthropic and Gemini send, short, to be read by every other client. Their wires' own tests have more. */
#include "streams.h"

#define EV(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define START                                                                                                          \
	EV("message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"    \
			    "\"claude\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{"        \
			    "\"input_tokens\":5,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":4,"      \
			    "\"output_tokens\":1}}")
#define BLOCK(i, block) EV("content_block_start", ",\"index\":" #i ",\"content_block\":" block)
#define DELTA(i, delta) EV("content_block_delta", ",\"index\":" #i ",\"delta\":" delta)
#define STOP(i) EV("content_block_stop", ",\"index\":" #i)
#define END(reason)                                                                                                    \
	EV("message_delta", ",\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":null},\"usage\":{"           \
			    "\"output_tokens\":3}")                                                                    \
	EV("message_stop", "")
#define TEXT_BLOCK BLOCK(0, "{\"type\":\"text\",\"text\":\"\"}")

#define FRAME(candidates, rest) "data: {\"candidates\":[" candidates "]" rest "}\n\n"
#define PARTS(parts, rest) "{\"content\":{\"parts\":[" parts "],\"role\":\"model\"}" rest "}"
#define META                                                                                                           \
	",\"usageMetadata\":{\"promptTokenCount\":9,\"cachedContentTokenCount\":4,\"candidatesTokenCount\":1,"         \
	"\"thoughtsTokenCount\":2,\"totalTokenCount\":12},\"modelVersion\":\"g\",\"responseId\":\"r\""

const struct recorded_stream recorded_anthropic_pairs[] = {
	{"Anthropic: text", WIRE_ANTHROPIC,
	 START TEXT_BLOCK EV("ping", "") DELTA(0, "{\"type\":\"text_delta\",\"text\":\"Hello\"}")
		 DELTA(0, "{\"type\":\"text_delta\",\"text\":\" \\\"w\\u00f6rld\\\"\"}") STOP(0) END("end_turn"),
	 .complete = true, .have_usage = true,
	 .usage = {.input_tokens = 9, .cached_input_tokens = 4, .output_tokens = 3},
	 .summary = "0:Hello \"w\xc3\xb6rld\"|stop"},
	{"Anthropic: text and tools", WIRE_ANTHROPIC,
	 START TEXT_BLOCK DELTA(0, "{\"type\":\"text_delta\",\"text\":\"Let me see.\"}") STOP(0)
		 BLOCK(1, "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"weather\",\"input\":{}}")
			 DELTA(1, "{\"type\":\"input_json_delta\",\"partial_json\":\"\"}") DELTA(
				 1, "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"city\\\":\"}")
				 DELTA(1, "{\"type\":\"input_json_delta\",\"partial_json\":\"\\\"Paris\\\"}\"}") STOP(1)
					 BLOCK(2, "{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"time\","
						  "\"input\":{}}")
						 DELTA(2, "{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}")
							 STOP(2) END("tool_use"),
	 .complete = true, .have_usage = true,
	 .usage = {.input_tokens = 9, .cached_input_tokens = 4, .output_tokens = 3},
	 .summary = "0:Let me see.|weather({\"city\":\"Paris\"})|time({})|tool_calls"},
	{"Anthropic: cut off by its limit", WIRE_ANTHROPIC,
	 START TEXT_BLOCK DELTA(0, "{\"type\":\"text_delta\",\"text\":\"Hi\"}") STOP(0) END("max_tokens"),
	 .complete = true, .have_usage = true,
	 .usage = {.input_tokens = 9, .cached_input_tokens = 4, .output_tokens = 3}, .summary = "0:Hi|length"},
	{"Anthropic: overloaded in the middle", WIRE_ANTHROPIC,
	 START TEXT_BLOCK DELTA(0, "{\"type\":\"text_delta\",\"text\":\"Hi\"}")
		 EV("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
	 .error = true, .summary = "0:Hi|"},
	{.name = NULL},
};

const struct recorded_stream recorded_gemini_pairs[] = {
	{"Gemini: text", WIRE_GEMINI,
	 FRAME(PARTS("{\"text\":\"Hello\"}", ",\"index\":0"), )
		 FRAME(PARTS("{\"text\":\" \\\"w\\u00f6rld\\\"\"}", ",\"finishReason\":\"STOP\",\"index\":0"), META),
	 .complete = true, .have_usage = true,
	 .usage = {.input_tokens = 9, .cached_input_tokens = 4, .output_tokens = 3, .reasoning_tokens = 2},
	 .summary = "0:Hello \"w\xc3\xb6rld\"|stop"},
	{"Gemini: text and tools", WIRE_GEMINI,
	 FRAME(PARTS("{\"text\":\"Let me see.\"}", ), ) FRAME(
		 PARTS("{\"functionCall\":{\"name\":\"weather\",\"args\":{\"city\":\"Paris\"}}},{\"functionCall\":{"
		       "\"name\":\"time\",\"args\":{}}}",
		       ",\"finishReason\":\"STOP\""),
		 META),
	 .complete = true, .have_usage = true,
	 .usage = {.input_tokens = 9, .cached_input_tokens = 4, .output_tokens = 3, .reasoning_tokens = 2},
	 .summary = "0:Let me see.|weather({\"city\":\"Paris\"})|time({})|tool_calls"},
	{"Gemini: cut off by its limit", WIRE_GEMINI,
	 FRAME(PARTS("{\"text\":\"Hi\"}", ",\"finishReason\":\"MAX_TOKENS\""), META), .complete = true,
	 .have_usage = true,
	 .usage = {.input_tokens = 9, .cached_input_tokens = 4, .output_tokens = 3, .reasoning_tokens = 2},
	 .summary = "0:Hi|length"},
	{"Gemini: overloaded in the middle", WIRE_GEMINI,
	 FRAME(PARTS("{\"text\":\"Hi\"}", ), ) "data: {\"error\":{\"code\":503,\"message\":\"The model is "
					       "overloaded.\","
					       "\"status\":\"UNAVAILABLE\"}}\n\n",
	 .error = true, .summary = "0:Hi|"},
	{.name = NULL},
};
