/* OpenAI's chat streams: the official shape, Azure's, those of compatible servers, and broken ones. */
#include "streams.h"

#define HEAD                                                                                                           \
	"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt\","        \
	"\"system_fingerprint\":\"fp\",\"choices\":["
#define TAIL "],\"usage\":null}\n\n"
#define CHUNK(index, delta, reason)                                                                                    \
	"data: " HEAD "{\"index\":" #index ",\"delta\":" delta ",\"logprobs\":null,\"finish_reason\":" reason "}" TAIL
#define USAGE(members) "data: " HEAD "],\"usage\":{" members "}}\n\n"
#define GOOD_USAGE                                                                                                     \
	USAGE("\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12,"                                       \
	      "\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":"   \
	      "2}")
#define DONE "data: [DONE]\n\n"
#define ROLE CHUNK(0, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null")
#define STOP CHUNK(0, "{}", "\"stop\"")
#define GOOD                                                                                                           \
	.have_usage = true,                                                                                            \
	.usage = {.input_tokens = 9, .cached_input_tokens = 4, .output_tokens = 3, .reasoning_tokens = 2}

const struct recorded_stream recorded_openai[] = {
	{"text", WIRE_OPENAI_CHAT,
	 ROLE CHUNK(0, "{\"content\":\"Hello\"}", "null")
		 CHUNK(0, "{\"content\":\" \\\"w\\u00f6rld\\\" \xf0\x9f\x98\x80\"}", "null") STOP GOOD_USAGE DONE,
	 .complete = true, GOOD, .summary = "0:Hello \"w\xc3\xb6rld\" \xf0\x9f\x98\x80|stop"},
	{"tools", WIRE_OPENAI_CHAT,
	 ROLE CHUNK(0,
		    "{\"tool_calls\":[{\"index\":0,\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":"
		    "\"weather\",\"arguments\":\"\"}}]}",
		    "null") CHUNK(0, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"city\\\":\"}}]}",
				  "null")
		 CHUNK(0, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"Paris\\\"}\"}}]}", "null")
			 CHUNK(0,
			       "{\"tool_calls\":[{\"index\":1,\"id\":\"call_b\",\"type\":\"function\",\"function\":{"
			       "\"name\":\"time\",\"arguments\":\"{}\"}}]}",
			       "null") CHUNK(0, "{}", "\"tool_calls\"") GOOD_USAGE DONE,
	 .complete = true, GOOD, .summary = "0:|weather({\"city\":\"Paris\"})|time({})|tool_calls"},
	{"text, then a tool", WIRE_OPENAI_CHAT,
	 ROLE CHUNK(0, "{\"content\":\"Let me see.\"}", "null")
		 CHUNK(0,
		       "{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\","
		       "\"arguments\":\"{\\\"a\\\":[1,2]}\"}}]}",
		       "null") CHUNK(0, "{}", "\"tool_calls\"") GOOD_USAGE DONE,
	 .complete = true, GOOD, .summary = "0:Let me see.|f({\"a\":[1,2]})|tool_calls"},
	{"two choices", WIRE_OPENAI_CHAT,
	 CHUNK(0, "{\"role\":\"assistant\",\"content\":\"a\"}", "null")
		 CHUNK(1, "{\"role\":\"assistant\",\"content\":\"b\"}", "null") CHUNK(1, "{}", "\"length\"")
			 CHUNK(0, "{\"content\":\"c\"}", "null") STOP GOOD_USAGE DONE,
	 .choices = 2, .complete = true, GOOD, .summary = "0:ac|stop;1:b|length"},
	{"refused by the filter", WIRE_OPENAI_CHAT, ROLE CHUNK(0, "{}", "\"content_filter\"") GOOD_USAGE DONE,
	 .complete = true, GOOD, .summary = "0:|content_filter"},
	{"Azure", WIRE_OPENAI_CHAT,
	 "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":["
	 "{\"prompt_index\":0}]}\n\n" ROLE CHUNK(0, "{\"content\":\"Hi\"}", "null") STOP GOOD_USAGE DONE,
	 .complete = true, GOOD, .summary = "0:Hi|stop"},
	{"compatible server: usage beside choices, CRLF, no blank, comments", WIRE_OPENAI_CHAT,
	 ": PROCESSING\r\n\r\ndata:{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"}}]}"
	 "\r\n\r\nevent: x\r\nid: 7\r\ndata:{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],"
	 "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6,\"total_tokens\":11}}\r\n\r\ndata:[DONE]\r\n\r\n",
	 .complete = true, .have_usage = true, .usage = {.input_tokens = 5, .output_tokens = 6},
	 .summary = "0:Hi|stop"},
	{"several data lines are one value", WIRE_OPENAI_CHAT,
	 "data: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"Hi\"},\ndata: \"finish_reason\":\"stop\"}]}"
	 "\n\n" GOOD_USAGE DONE,
	 .complete = true, GOOD, .summary = "0:Hi|stop"},
	{"cumulative usage: the last counts", WIRE_OPENAI_CHAT,
	 "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":9,"
	 "\"completion_tokens\":1}}\n\n" STOP GOOD_USAGE DONE,
	 .complete = true, GOOD, .summary = "0:a|stop"},
	{"no [DONE]", WIRE_OPENAI_CHAT, ROLE CHUNK(0, "{\"content\":\"Hi\"}", "null") STOP GOOD_USAGE, .complete = true,
	 GOOD, .summary = "0:Hi|stop"},
	{"no end of the last event", WIRE_OPENAI_CHAT,
	 ROLE CHUNK(0, "{\"content\":\"Hi\"}", "null") STOP "data: [DONE]", .complete = true, .summary = "0:Hi|stop"},
	{"total off", WIRE_OPENAI_CHAT,
	 STOP USAGE("\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":4") DONE, .complete = true,
	 .have_usage = true, .usage_inconsistent = true, .usage = {.input_tokens = 1, .output_tokens = 2},
	 .summary = "0:|stop"},
	{"malformed usage", WIRE_OPENAI_CHAT, ROLE STOP USAGE("\"prompt_tokens\":\"1\",\"completion_tokens\":2") DONE,
	 .complete = true, .usage_malformed = true, .summary = "0:|stop"},
	{"[DONE] without a reason", WIRE_OPENAI_CHAT, ROLE CHUNK(0, "{\"content\":\"Hi\"}", "null") DONE,
	 .complete = true, .summary = "0:Hi|stop"},
	{"truncated between events", WIRE_OPENAI_CHAT, ROLE CHUNK(0, "{\"content\":\"Hi\"}", "null"),
	 .summary = "0:Hi|"},
	{"truncated in an event", WIRE_OPENAI_CHAT,
	 ROLE CHUNK(0, "{\"content\":\"Hi\"}", "null") "data: {\"choices\":[{\"ind", .summary = "0:Hi|"},
	{"one of two choices cut off", WIRE_OPENAI_CHAT, CHUNK(0, "{\"content\":\"Hi\"}", "\"stop\""), .choices = 2,
	 .summary = "0:Hi|stop"},
	{"error in the middle", WIRE_OPENAI_CHAT,
	 ROLE CHUNK(0, "{\"content\":\"Hi\"}",
		    "null") "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\","
			    "\"param\":null,\"code\":null}}\n\n",
	 .error = true, .summary = "0:Hi|"},
	{"not JSON", WIRE_OPENAI_CHAT, ROLE "data: nonsense\n\n" DONE, .complete = true, .summary = NULL},
	{"JSON, but no chunk", WIRE_OPENAI_CHAT, ROLE "data: {\"hello\":1}\n\n" DONE, .complete = true,
	 .summary = NULL},
	{"choices of a wrong type", WIRE_OPENAI_CHAT, "data: {\"choices\":\"abc\"}\n\n" DONE, .complete = true,
	 .summary = NULL},
	{"empty", WIRE_OPENAI_CHAT, "", .summary = ""},
	{.name = NULL},
};
