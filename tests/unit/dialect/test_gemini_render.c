/* Goal: C2 towards Gemini: all that a chat of another wire can say is said in Google's words, or refused by the
 * client's name. Method: rows of OpenAI's and Anthropic's bodies, rendered whole. */
#include "gemini_fixture.h"

#include <criterion/criterion.h>

#define HI "'messages':[{'role':'user','content':'hi'}]"
#define OUT_HI "'contents':[{'role':'user','parts':[{'text':'hi'}]}]"
#define TOOL "'tools':[{'type':'function','function':{'name':'f'}}]"
#define OUT_TOOL "'tools':[{'functionDeclarations':[{'name':'f'}]}]"
#define CALL(args)                                                                                                     \
	"{'role':'assistant','tool_calls':[{'id':'c1','type':'function','function':{'name':'f','arguments':'" args     \
	"'}}]}"
#define RESULT(content) "{'role':'tool','tool_call_id':'c1','content':" content "}"
#define OUT_CALL "{'role':'model','parts':[{'functionCall':{'id':'c1','name':'f','args':{}}}]}"
#define OUT_RESULT(response)                                                                                           \
	"{'role':'user','parts':[{'functionResponse':{'id':'c1','name':'f','response':" response "}}]}"

static const struct row {
	const char *body;    /* OpenAI's, without its model */
	const char *out;     /* NULL: refused */
	const char *param;   /* ... by this name */
	const char *ignored; /* NULL = nothing */
} openai[] =
	{
		{HI, OUT_HI, NULL, NULL},
		{"'messages':[{'role':'system','content':'s\\n'},{'role':'user','content':'a'},{'role':'user','content'"
		 ":[{'type':"
		 "'text','text':'b'}]},{'role':'assistant','content':'c'},{'role':'user','content':'d'}]",
		 "'contents':[{'role':'user','parts':[{'text':'a'},{'text':'b'}]},{'role':'model','parts':[{'text':'c'}"
		 "]},"
		 "{'role':'user','parts':[{'text':'d'}]}],'systemInstruction':{'parts':[{'text':'s\\n'}]}",
		 NULL, NULL},
		{"'messages':[{'role':'system','content':'s'}]", NULL, "messages", NULL},
		{"'messages':[{'role':'user','content':'a','name':'bob'}]", NULL, "messages.name", NULL},
		{"'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/"
		 "png;base64,AA=='}},"
		 "{'type':'image_url','image_url':{'url':'https://a/b.png'}}]}]",
		 "'contents':[{'role':'user','parts':[{'inlineData':{'data':'AA==','mimeType':'image/"
		 "png'}},{'fileData':{'fileUri':"
		 "'https://a/b.png'}}]}]",
		 NULL, NULL},
		/* tools */
		{HI
		 ",'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object'},"
		 "'strict':true}},{'type':'function','function':{'name':'g'}}]",
		 OUT_HI ",'tools':[{'functionDeclarations':[{'name':'f','description':'d','parametersJsonSchema':{'"
			"type':'object'}},"
			"{'name':'g'}]}]",
		 NULL, "tools.function.strict"},
		{HI "," TOOL ",'tool_choice':'auto','parallel_tool_calls':true",
		 OUT_HI "," OUT_TOOL ",'toolConfig':{'functionCallingConfig':{'mode':'AUTO'}}", NULL, NULL},
		{HI "," TOOL ",'tool_choice':'none'",
		 OUT_HI "," OUT_TOOL ",'toolConfig':{'functionCallingConfig':{'mode':'NONE'}}", NULL, NULL},
		{HI "," TOOL ",'tool_choice':'required'",
		 OUT_HI "," OUT_TOOL ",'toolConfig':{'functionCallingConfig':{'mode':'ANY'}}", NULL, NULL},
		{HI "," TOOL ",'tool_choice':{'type':'function','function':{'name':'f'}}",
		 OUT_HI "," OUT_TOOL
			",'toolConfig':{'functionCallingConfig':{'mode':'ANY','allowedFunctionNames':['f']}}",
		 NULL, NULL},
		{HI "," TOOL ",'parallel_tool_calls':false", NULL, "parallel_tool_calls", NULL},
		{"'messages':[{'role':'user','content':'a'}," CALL("{\\'x\\':1}") "," RESULT("'plain'") "]",
		 "'contents':[{'role':'user','parts':[{'text':'a'}]},{'role':'model','parts':[{'functionCall':{'id':'"
		 "c1','name':'f',"
		 "'args':{'x':1}}}]}," OUT_RESULT("{'result':'plain'}") "]",
		 NULL, NULL},
		{"'messages':[" CALL("") "," RESULT("'{\\'a\\':[1]}'") "]",
		 "'contents':[" OUT_CALL "," OUT_RESULT("{'a':[1]}") "]", NULL, NULL},
		{"'messages':[" CALL("{}") "," RESULT("'[1]'") "]",
		 "'contents':[" OUT_CALL "," OUT_RESULT("{'result':'[1]'}") "]", NULL, NULL},
		{"'messages':[" CALL("{}") "," RESULT("''") "]",
		 "'contents':[" OUT_CALL "," OUT_RESULT("{'result':''}") "]", NULL, NULL},
		{"'messages':[" CALL("{}") "," RESULT("'  '") "]",
		 "'contents':[" OUT_CALL "," OUT_RESULT("{'result':'  '}") "]", NULL, NULL},
		{"'messages':[" CALL("{}") "," RESULT("[{'type':'text','text':'{'},{'type':'text','text':'}'}]") "]",
		 "'contents':[" OUT_CALL "," OUT_RESULT("{'result':'{}'}") "]", NULL, NULL},
		{"'messages':[" CALL("[1]") "]", NULL, "messages", NULL},
		{"'messages':[" CALL("{\\'x\\'") "]", NULL, "messages", NULL},
		{"'messages':[" RESULT("'a'") "]", NULL, "messages", NULL},
		/* how */
		{HI ",'max_completion_tokens':7,'n':2,'temperature':0.5,'top_p':1,'presence_penalty':0.1,'frequency_"
		    "penalty':-2,"
		    "'seed':3,'stop':['a','b'],'user':'u','metadata':{}",
		 OUT_HI ",'generationConfig':{'maxOutputTokens':7,'candidateCount':2,'temperature':0.5,'topP':1,'"
			"presencePenalty':0.1,"
			"'frequencyPenalty':-2,'seed':3,'stopSequences':['a','b']}",
		 NULL, "metadata, user"},
		{HI ",'stop':'x'", OUT_HI ",'generationConfig':{'stopSequences':['x']}", NULL, NULL},
		{HI ",'response_format':{'type':'text'}", OUT_HI, NULL, NULL},
		{HI ",'response_format':{'type':'json_object'}",
		 OUT_HI ",'generationConfig':{'responseMimeType':'application/json'}", NULL, NULL},
		{HI ",'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{'type':'object'},'"
		    "strict':true}}",
		 OUT_HI
		 ",'generationConfig':{'responseMimeType':'application/json','responseJsonSchema':{'type':'object'}}",
		 NULL, NULL},
		{HI ",'response_format':{'type':'json_schema','json_schema':{'name':'n','description':'d','schema':{'"
		    "type':'object'}}}",
		 OUT_HI ",'generationConfig':{'responseMimeType':'application/"
			"json','responseJsonSchema':{'description':'d','type':"
			"'object'}}",
		 NULL, NULL},
		{HI ",'response_format':{'type':'json_schema','json_schema':{'name':'n','description':'d','schema':{'"
		    "description':"
		    "'e'}}}",
		 NULL, "response_format", NULL},
		{HI ",'reasoning_effort':'low'", NULL, "reasoning_effort", NULL},
},
  anthropic[] = {
	  {HI ",'max_tokens':5,'top_k':4,'system':'s','metadata':{'user_id':'u'}",
	   OUT_HI ",'systemInstruction':{'parts':[{'text':'s'}]},'generationConfig':{'maxOutputTokens':5,'topK':4}",
	   NULL, "metadata.user_id"},
	  {"'max_tokens':5,'messages':[{'role':'user','content':'a'},{'role':'assistant','content':[{'type':'text','"
	   "text':'t'},"
	   "{'type':'tool_use','id':'c1','name':'f','input':{'x':1}},{'type':'tool_use','id':'c2','name':'g','input':{}"
	   "}]},"
	   "{'role':'user','content':[{'type':'tool_result','tool_use_id':'c2','content':'no','is_error':true},"
	   "{'type':'tool_result','tool_use_id':'c1','content':[{'type':'text','text':'see'},{'type':'image','source':"
	   "{'type':'base64','media_type':'image/png','data':'AA=='}}]},{'type':'text','text':'go on'}]}]",
	   "'contents':[{'role':'user','parts':[{'text':'a'}]},{'role':'model','parts':[{'text':'t'},{'functionCall':{'"
	   "id':'c1',"
	   "'name':'f','args':{'x':1}}},{'functionCall':{'id':'c2','name':'g','args':{}}}]},{'role':'user','parts':["
	   "{'functionResponse':{'id':'c2','name':'g','response':{'error':'no'}}},"
	   "{'functionResponse':{'id':'c1','name':'f','response':{'result':'see'}}},"
	   "{'inlineData':{'data':'AA==','mimeType':'image/png'}},{'text':'go "
	   "on'}]}],'generationConfig':{'maxOutputTokens':5}",
	   NULL, NULL},
	  {HI ",'max_tokens':5,'stop_sequences':['1','2','3','4','5','6']", NULL, "stop_sequences", NULL},
};

static int render(enum wire from, const char *members, const char *model, struct buf *out, struct buf *ignored,
		  struct dialect_fault *fault)
{
	struct dialect_target target = {.wire = from, .route = TG_ROUTE_CHAT_COMPLETIONS};
	struct dialect_upstream u = {.kind = PROVIDER_GEMINI, .model = model, .api_version = ""};
	struct dialect_request q;
	struct buf body = BUF_INIT;
	struct arena a = {0};
	int rc;

	buf_printf(&body, "{\"model\":\"public\",%s}", members);
	cr_assert_eq(dialect_request_parse(&target, body.data, body.len, &q, fault), 0, "%s: %s", members,
		     fault->err.msg);
	rc = dialect_request_render(&q, &target, body.data, body.len, &u, &a, out, ignored, fault);
	buf_done(&body);
	arena_done(&a);
	return rc;
}

static void expect_rows(enum wire from, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct buf out = BUF_INIT, ignored = BUF_INIT;
		struct dialect_fault fault;
		char *members = quoted(rows[i].body), *expected = quoted(rows[i].out);
		int rc = render(from, members, "m", &out, &ignored, &fault);

		cr_assert_eq(rc, rows[i].out ? 0 : ERR_INVAL, "%s: %d %s", members, rc, fault.err.msg);
		if (rows[i].out) {
			cr_assert(out.len > 2 && out.data[0] == '{' && out.data[out.len - 1] == '}', "%s", out.data);
			out.data[--out.len] = '\0';
			cr_assert_str_eq(out.data + 1, expected, "%s", members);
			cr_assert_str_eq(text_of(&ignored), rows[i].ignored ? rows[i].ignored : "", "%s", members);
		} else {
			cr_assert_str_eq(fault.param, rows[i].param, "%s: %s", members, fault.err.msg);
		}
		buf_done(&out);
		buf_done(&ignored);
		free(members);
		free(expected);
	}
}

Test(gemini_render, from_openai)
{
	expect_rows(WIRE_OPENAI_CHAT, openai, ARRAY_SIZE(openai));
}

Test(gemini_render, from_anthropic)
{
	expect_rows(WIRE_ANTHROPIC, anthropic, ARRAY_SIZE(anthropic));
}

/* From Gemini 3 on a call without a signature of thought is refused. */
Test(gemini_render, signature_for_models_that_insist)
{
	static const struct {
		const char *model;
		bool signed_;
	} models[] = {{"gemini-1.5-pro", false},
		      {"gemini-2.5-flash", false},
		      {"gemini-3-pro-preview", true},
		      {"gemini-flash-latest", true},
		      {"gemini-4", true},
		      {"gemma-3", false},
		      {"ok", false}};
	char *members = quoted("'messages':[" CALL("{}") "," RESULT("'a'") "]");

	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		struct buf out = BUF_INIT, ignored = BUF_INIT;
		struct dialect_fault fault;
		struct json_span v;

		cr_assert_eq(render(WIRE_OPENAI_CHAT, members, models[i].model, &out, &ignored, &fault), 0);
		cr_assert_eq(strstr(out.data,
				    "\"args\":{}},\"thoughtSignature\":\"skip_thought_signature_validator\"}") != NULL,
			     models[i].signed_, "%s: %s", models[i].model, out.data);
		cr_assert_eq(json_scan_value(out.data, out.len, &v, NULL), 0);
		buf_done(&out);
		buf_done(&ignored);
	}
	free(members);
}
