/* Streams as Gemini sends them (shapes of November 2026, read off the API's reference and the SDK's types). */
#include "gemini_fixture.h"

#define FRAME(candidates, rest)                                                                                        \
	"data: {'candidates': [" candidates "]," rest "'modelVersion': 'gemini-2.5-flash','responseId': 'r1'}\n\n"
#define TEXT(text, rest) FRAME("{'content': {'parts': [{'text': '" text "'}],'role': 'model'}" rest ",'index': 0}", )
#define USAGE(members) "'usageMetadata': {" members "},"

#define LAST_TEXT                                                                                                      \
	FRAME("{'content': {'parts': [{'text': '!'}],'role': 'model'},'finishReason': 'STOP','index': 0}",             \
	      USAGE("'promptTokenCount': 4,'candidatesTokenCount': 3,'totalTokenCount': 7,"                            \
		    "'promptTokensDetails': [{'modality': 'TEXT','tokenCount': 4}]"))
#define CRLF_LAST                                                                                                      \
	"data: {'candidates': [{'content': {'parts': [{'text': 'b'}],'role': 'model'},'finishReason': "                \
	"'MAX_TOKENS','index': 0}],'usageMetadata': {'promptTokenCount': 2,'totalTokenCount': 2}}\r\n\r\n"

const struct gemini_recording recorded_gemini[] = {
	{"text", TEXT("Hel\\u006co ", ) TEXT("wörld", ",'citationMetadata': {'citationSources': []}") LAST_TEXT, 1,
	 .complete = true, .have_usage = true, .usage = {.input_tokens = 4, .output_tokens = 3}, .held = LAST_TEXT},
	{"function calls, finished on an event without parts",
	 FRAME("{'content': {'parts': [{'text': 'Let me see. '},{'functionCall': {'id': 'f1','name': "
	       "'weather','args': "
	       "{'city': 'Oslo \\\\ N','days': [1, 2]}},'thoughtSignature': 'c2ln'}],'role': "
	       "'model'},'index': 0}", ) FRAME("{'content': {'parts': [{'functionCall': {'name': 'time'}}],'role': "
					       "'model'},'index': 0}", ) "data: {'candidates': [{'finishReason': "
									 "'STOP','index': 0}],'usageMetadata': "
									 "{'promptTokenCount': 20,"
									 "'candidatesTokenCount': 9,'totalTokenCount': "
									 "29}}\n\n",
	 1, .complete = true, .have_usage = true, .usage = {.input_tokens = 20, .output_tokens = 9},
	 .held = "data: {'candidates': [{'finishReason': 'STOP','index': 0}],'usageMetadata': "
		 "{'promptTokenCount': 20,"
		 "'candidatesTokenCount': 9,'totalTokenCount': 29}}\n\n"},
	{"two candidates, the second done first",
	 FRAME("{'content': {'parts': [{'text': 'a'}],'role': 'model'}},{'content': {'parts': "
	       "[{'text': 'x'}],'role': "
	       "'model'},'index': 1}", ) FRAME("{'content': {'parts': [{'text': 'y'}],'role': "
					       "'model'},'finishReason': 'SAFETY','index': 1}", ) TEXT("b", ) LAST_TEXT,
	 2, .complete = true, .have_usage = true, .usage = {.input_tokens = 4, .output_tokens = 3}, .held = LAST_TEXT},
	{"thoughts, cached input",
	 FRAME("{'content': {'parts': [{'text': '**Thinking**','thought': true}],'role': "
	       "'model'},'index': 0}",
	       USAGE("'promptTokenCount': 100,'totalTokenCount': 150,'thoughtsTokenCount': 50"))
		 FRAME("{'content': {'parts': [{'text': 'Yes','thoughtSignature': 'AAAA'}],'role': "
		       "'model'},'finishReason': "
		       "'STOP','index': 0}",
		       USAGE("'promptTokenCount': 100,'candidatesTokenCount': 2,'totalTokenCount': "
			     "182,'cachedContentTokenCount': 64,"
			     "'thoughtsTokenCount': 70,'toolUsePromptTokenCount': 10")),
	 1, .complete = true, .have_usage = true,
	 .usage = {.input_tokens = 110, .cached_input_tokens = 64, .output_tokens = 72, .reasoning_tokens = 70},
	 .held = FRAME("{'content': {'parts': [{'text': 'Yes','thoughtSignature': 'AAAA'}],'role': "
		       "'model'},'finishReason': "
		       "'STOP','index': 0}",
		       USAGE("'promptTokenCount': 100,'candidatesTokenCount': 2,'totalTokenCount': 182,"
			     "'cachedContentTokenCount': 64,'thoughtsTokenCount': "
			     "70,'toolUsePromptTokenCount': 10"))},
	{"usage in each event, and once more behind the end",
	 FRAME("{'content': {'parts': [{'text': 'a'}]}}", USAGE("'promptTokenCount': 3,'totalTokenCount': 3"))
		 FRAME("{'content': {'parts': [{'text': 'b'}]}}",
		       USAGE("'promptTokenCount': 3,'candidatesTokenCount': 1,'totalTokenCount': "
			     "4")) "data: {'candidates': [{'finishReason': "
				   "'STOP'}],'usageMetadata': {'promptTokenCount': 3,"
				   "'candidatesTokenCount': 2,'totalTokenCount': 5}}\n\n"
				   "data: {'usageMetadata': {'promptTokenCount': "
				   "3,'candidatesTokenCount': 5,'totalTokenCount': 8}}\n\n",
	 1, .complete = true, .have_usage = true, .usage = {.input_tokens = 3, .output_tokens = 5},
	 .held = "data: {'candidates': [{'finishReason': 'STOP'}],'usageMetadata': "
		 "{'promptTokenCount': 3,"
		 "'candidatesTokenCount': 2,'totalTokenCount': 5}}\n\n"
		 "data: {'usageMetadata': {'promptTokenCount': 3,'candidatesTokenCount': "
		 "5,'totalTokenCount': 8}}\n\n"},
	{"CRLF, no blank, a comment of its own, zero output",
	 ": hi\r\n\r\ndata:{'candidates': [{'content': {'parts': [{'text': 'a'}],'role': "
	 "'model'},'index': 0}]}\r\n\r\n" CRLF_LAST,
	 1, .complete = true, .have_usage = true, .usage = {.input_tokens = 2}, .held = CRLF_LAST},
	{"several data lines", TEXT("a", ) "data: {'candidates':\ndata: [{'finishReason': 'STOP'}]}\n\n", 1,
	 .complete = true, .held = "data: {'candidates':\ndata: [{'finishReason': 'STOP'}]}\n\n"},
	{"an error in the middle",
	 TEXT("par", ) "data: {'error': {'code': 503,'message': 'The model is overloaded.','status': "
		       "'UNAVAILABLE'}}\n\n",
	 1, .error = true},
	{"a blocked prompt",
	 "data: {'promptFeedback': {'blockReason': 'PROHIBITED_CONTENT'},'usageMetadata': "
	 "{'promptTokenCount': 8,"
	 "'totalTokenCount': 8},'modelVersion': 'gemini-2.5-flash'}\n\n",
	 1, .complete = true, .have_usage = true, .usage = {.input_tokens = 8},
	 .held = "data: {'promptFeedback': {'blockReason': 'PROHIBITED_CONTENT'},'usageMetadata': "
		 "{'promptTokenCount': 8,"
		 "'totalTokenCount': 8},'modelVersion': 'gemini-2.5-flash'}\n\n"},
	{"cut off", TEXT("a", ) "data: {'candidates': [{'content': {'parts': [{'te", 1, .complete = false},
	{"no blank line behind the last", TEXT("a", ) "data: {'candidates': [{'finishReason': 'STOP'}]}\n", 1,
	 .complete = true, .held = "data: {'candidates': [{'finishReason': 'STOP'}]}\n"},
};
const size_t n_recorded_gemini = sizeof(recorded_gemini) / sizeof(recorded_gemini[0]);
