/* Streams of OpenAI's responses as it sends them (shapes of November 2026, read off the SDK's types). They are only
 * passed on: no other client is served by a provider of this wire. */
#include "streams.h"

#define EVENT(type, n, members) "event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":" #n members "}\n\n"
#define RESPONSE(status, output, usage)                                                                                \
	",\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"" status "\",\"error\":null,"           \
	"\"incomplete_details\":null,\"instructions\":\"Say \\\"usage\\\":{}\",\"output\":[" output                    \
	"],\"usage\":" usage ",\"metadata\":{}}"
#define BEGIN                                                                                                          \
	EVENT("response.created", 0, RESPONSE("in_progress", "", "null"))                                              \
	EVENT("response.in_progress", 1, RESPONSE("in_progress", "", "null"))
#define MESSAGE(status, content)                                                                                       \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"status\":\"" status                                                  \
	"\",\"role\":\"assistant\",\"content\":[" content "]}"
#define PART(text) "{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[],\"logprobs\":[]}"
#define AT ",\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0"
#define DELTA(n, text)                                                                                                 \
	EVENT("response.output_text.delta", n,                                                                         \
	      AT ",\"delta\":\"" text "\",\"logprobs\":[],\"obfuscation\":\"mXhbu2Ur\"")
#define USAGE(input, cached, output, reasoning, total)                                                                 \
	"{\"input_tokens\":" #input ",\"input_tokens_details\":{\"cached_tokens\":" #cached                            \
	",\"cache_write_tokens\":0},\"output_tokens\":" #output                                                        \
	",\"output_tokens_details\":{\"reasoning_tokens\":" #reasoning "},\"total_tokens\":" #total "}"
#define U(input, cached, output, reasoning)                                                                            \
	{                                                                                                              \
		.input_tokens = input, .cached_input_tokens = cached, .output_tokens = output,                         \
		.reasoning_tokens = reasoning                                                                          \
	}

#define TEXT                                                                                                           \
	BEGIN EVENT("response.output_item.added", 2, ",\"output_index\":0,\"item\":" MESSAGE("in_progress", ""))       \
		EVENT("response.content_part.added", 3, AT ",\"part\":" PART("")) DELTA(4, "Grüß ")                    \
			DELTA(5, "\\\"dich\\\"\\n")
#define TEXT_DONE                                                                                                      \
	EVENT("response.output_text.done", 6, AT ",\"text\":\"Grüß \\\"dich\\\"\\n\",\"logprobs\":[]")                 \
	EVENT("response.content_part.done", 7, AT ",\"part\":" PART("Grüß \\\"dich\\\"\\n"))                           \
	EVENT("response.output_item.done", 8,                                                                          \
	      ",\"output_index\":0,\"item\":" MESSAGE("completed", PART("Grüß \\\"dich\\\"\\n")))

/* name, wire, text, then what is seen */
#define RESPONSES .wire = WIRE_OPENAI_RESPONSES
const struct recorded_stream recorded_responses[] = {
	{"responses: text", RESPONSES,
	 TEXT TEXT_DONE EVENT(
		 "response.completed", 9,
		 RESPONSE("completed", MESSAGE("completed", PART("Grüß \\\"dich\\\"\\n")), USAGE(36, 12, 87, 40, 123))),
	 .complete = true, .have_usage = true, .usage = U(36, 12, 87, 40)},
	{"responses: reasoning and a function call", RESPONSES,
	 BEGIN EVENT("response.output_item.added", 2,
		     ",\"output_index\":0,\"item\":{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[]}")
		 EVENT("response.reasoning_summary_text.delta", 3,
		       ",\"item_id\":\"rs_1\",\"output_index\":0,\"summary_index\":0,\"delta\":\"Hm\"")
			 EVENT("response.output_item.done", 4,
			       ",\"output_index\":0,\"item\":{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[]}")
				 EVENT("response.output_item.added", 5,
				       ",\"output_index\":1,\"item\":{\"id\":\"fc_1\",\"type\":\"function_call\","
				       "\"status\":"
				       "\"in_progress\",\"call_id\":\"call_1\",\"name\":\"weather\",\"arguments\":"
				       "\"\"}") EVENT("response.function_call_arguments.delta", 6,
						      ",\"item_id\":\"fc_1\",\"output_index\":1,\"delta\":\"{"
						      "\\\"city\\\":\"")
					 EVENT("response.function_call_arguments.delta", 7,
					       ",\"item_id\":\"fc_1\",\"output_index\":1,\"delta\":\"\\\"Oslo\\\"}\"")
						 EVENT("response.function_call_arguments.done", 8,
						       ",\"item_id\":\"fc_1\",\"output_index\":1,\"arguments\":\"{"
						       "\\\"city\\\":\\\"Oslo\\\"}\"")
							 EVENT("response.completed", 9,
							       RESPONSE("completed", "{}", USAGE(5, 0, 60, 50, 65))),
	 .complete = true, .have_usage = true, .usage = U(5, 0, 60, 50)},
	{"responses: incomplete is billed", RESPONSES,
	 TEXT EVENT("response.incomplete", 6,
		    RESPONSE("incomplete", MESSAGE("incomplete", PART("Grüß")), USAGE(36, 0, 16, 0, 52))),
	 .complete = true, .have_usage = true, .usage = U(36, 0, 16, 0)},
	{"responses: failed without usage", RESPONSES, TEXT EVENT("response.failed", 6, RESPONSE("failed", "", "null")),
	 .complete = true, .error = true},
	{"responses: failed with usage", RESPONSES,
	 TEXT EVENT("response.failed", 6, RESPONSE("failed", "", USAGE(36, 0, 2, 0, 38))), .complete = true,
	 .error = true, .have_usage = true, .usage = U(36, 0, 2, 0)},
	{"responses: an error in the middle", RESPONSES,
	 TEXT EVENT("error", 6, ",\"code\":\"server_error\",\"message\":\"The server had an error\",\"param\":null"),
	 .error = true},
	{"responses: an error with an object", RESPONSES,
	 TEXT "event: error\ndata: {\"type\":\"error\",\"sequence_number\":6,\"error\":{\"type\":\"server_error\","
	      "\"code\":\"server_error\",\"message\":\"m\",\"param\":null}}\n\n",
	 .error = true},
	{"responses: CRLF, comments, names alone, no blank behind the colon, data in two lines, [DONE]", RESPONSES,
	 ": hello\r\n\r\nevent:response.output_text.delta\r\ndata:{\"type\":\"response.output_text.delta\",\r\ndata:"
	 "\"delta\":\"ab\",\"sequence_number\":0}\r\n\r\nevent: ping\r\n\r\ndata: {\"type\":\"response.completed\","
	 "\"response\":{\"usage\":" USAGE(1, 0, 2, 0, 3) "},\"sequence_number\":1}\r\n\r\ndata: [DONE]\r\n\r\n",
	 .complete = true, .have_usage = true, .usage = U(1, 0, 2, 0)},
	{"responses: a total that isn't the sum", RESPONSES,
	 EVENT("response.completed", 0, RESPONSE("completed", "", USAGE(1, 0, 2, 0, 4))), .complete = true,
	 .have_usage = true, .usage_inconsistent = true, .usage = U(1, 0, 2, 0)},
	{"responses: a malformed usage", RESPONSES,
	 EVENT("response.completed", 0, RESPONSE("completed", "", USAGE(1, 2, 2, 0, 3))), .complete = true,
	 .usage_malformed = true},
	{"responses: usage elsewhere is none", RESPONSES,
	 EVENT("response.in_progress", 0, RESPONSE("in_progress", "", USAGE(1, 0, 2, 0, 3))) EVENT(
		 "response.completed", 1, ",\"usage\":{\"input_tokens\":1,\"output_tokens\":1},\"response\":null"),
	 .complete = true},
	{"responses: cut off", RESPONSES, TEXT "event: response.output_text.delta\ndata: {\"type\":\"response.out"},
	{"responses: nothing of this wire", RESPONSES, "data: {\"choices\":[]}\n\ndata: nonsense\n\n<html>\n\n"},
	{.name = NULL},
};
