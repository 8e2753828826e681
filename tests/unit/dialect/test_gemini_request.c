/* Goal: C1 and D5 for clients of Gemini: every member is read, refused by its name, or noted as a hint; and what
 * admission reads. Method: rows of bodies, read into a chat and said in Google's words again, which shows what was
 * read; each row goes in camelCase and in snake_case. */
#include "gemini_fixture.h"

#include "dialect/internal.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#define HI "'contents':[{'parts':[{'text':'hi'}]}]"
#define OUT_HI "'contents':[{'role':'user','parts':[{'text':'hi'}]}]"

static const struct dialect_target target = {
	.wire = WIRE_GEMINI, .model = "public", .model_len = 6, .route = TG_ROUTE_GENERATE_CONTENT};

/* ---- what admission needs */

static const struct {
	const char *body;
	const char *param; /* refused */
	uint64_t max_tokens, choices, tokens, files;
} scans[] = {
	{"{" HI "}", NULL, 0, 1, 1, 0},
	{"{" HI ",'generationConfig':{'maxOutputTokens':10,'candidateCount':3}}", NULL, 30, 3, 1, 0},
	{"{" HI ",'generation_config':{'max_output_tokens':'12','candidate_count':2}}", NULL, 24, 2, 1, 0},
	{"{" HI ",'generationConfig':null}", NULL, 0, 1, 1, 0},
	{"{" HI ",'system_instruction':{'parts':[{'text':'12345678'}]}}", NULL, 0, 1, 3, 0},
	{"{'contents':[{'role':'user','parts':[{'text':'hi'},{'inline_data':{'mime_type':'image/png','data':'AAAA'}},"
	 "{'fileData':{'fileUri':'https://a/b','mimeType':'image/png'}}]}]}",
	 NULL, 0, 1, 10, 2},
	{"{" HI ",'model':'models/public'}", NULL, 0, 1, 1, 0},
	{"{" HI ",'futureMember':1}", NULL, 0, 1, 1, 0}, /* Google's to judge */
	{"{}", "contents", 0, 0, 0, 0},
	{"{'contents':[]}", "contents", 0, 0, 0, 0},
	{"{'contents':'hi'}", "contents", 0, 0, 0, 0},
	{"{" HI "," HI "}", "contents", 0, 0, 0, 0},
	{"[]", "", 0, 0, 0, 0},
	{"{" HI, "", 0, 0, 0, 0},
	{"{" HI ",'model':1}", "model", 0, 0, 0, 0},
	{"{" HI ",'generationConfig':[]}", "generationConfig", 0, 0, 0, 0},
	{"{" HI ",'generationConfig':{},'generation_config':{}}", "generationConfig", 0, 0, 0, 0},
	{"{" HI ",'generationConfig':{'maxOutputTokens':0}}", "generationConfig.maxOutputTokens", 0, 0, 0, 0},
	{"{" HI ",'generationConfig':{'maxOutputTokens':1.5}}", "generationConfig.maxOutputTokens", 0, 0, 0, 0},
	{"{" HI ",'generationConfig':{'maxOutputTokens':'x'}}", "generationConfig.maxOutputTokens", 0, 0, 0, 0},
	{"{" HI ",'generationConfig':{'maxOutputTokens':1,'max_output_tokens':2}}", "generationConfig.maxOutputTokens",
	 0, 0, 0, 0},
	{"{" HI ",'generationConfig':{'maxOutputTokens':1,'maxOutputTokens':2}}", "generationConfig.maxOutputTokens", 0,
	 0, 0, 0},
	{"{" HI ",'generationConfig':{'maxOutputTokens':9999999999999}}", "generationConfig.maxOutputTokens", 0, 0, 0,
	 0},
	{"{" HI ",'generationConfig':{'candidateCount':-1}}", "generationConfig.candidateCount", 0, 0, 0, 0},
	{"{" HI ",'generationConfig':{'candidateCount':129}}", "generationConfig.candidateCount", 0, 0, 0, 0},
};

Test(gemini_request, scanned)
{
	for (size_t i = 0; i < ARRAY_SIZE(scans); i++) {
		struct dialect_request q = {0};
		struct dialect_fault fault;
		char *body = quoted(scans[i].body);
		int rc = dialect_request_parse(&target, body, strlen(body), &q, &fault);

		cr_assert_eq(rc, scans[i].param ? ERR_INVAL : 0, "%s: %s", body, fault.err.msg);
		if (scans[i].param) {
			cr_assert_str_eq(fault.param, scans[i].param, "%s", body);
			cr_assert(fault.err.msg[0], "%s", body);
		} else {
			cr_assert_eq(q.max_output_tokens, scans[i].max_tokens, "%s: %" PRIu64, body,
				     q.max_output_tokens);
			cr_assert_eq(q.choices, scans[i].choices, "%s", body);
			cr_assert_eq(q.prompt_tokens_estimate, scans[i].tokens, "%s: %" PRIu64, body,
				     q.prompt_tokens_estimate);
			cr_assert_eq(q.files, scans[i].files, "%s: %" PRIu64, body, q.files);
			cr_assert(q.text_bytes >= 2 && q.model_len == 6, "%s", body);
		}
		free(body);
	}
}

static const struct {
	const char *body, *spliced;
} splices[] = {
	{"{" HI "}", "{" HI "}"},
	{" {'unknown' : 1 ," HI "}\n", " {'unknown' : 1 ," HI "}\n"},
	{"{" HI ", 'model' : 'models/public' }", "{" HI ", 'model' : 'models/up\\'stream' }"},
};

Test(gemini_request, same_wire_is_byte_for_byte)
{
	struct dialect_upstream u = {.kind = PROVIDER_GEMINI, .model = "up\"stream", .api_version = ""};

	for (size_t i = 0; i < ARRAY_SIZE(splices); i++) {
		struct dialect_request q;
		struct dialect_fault fault;
		struct arena a = {0};
		struct buf out = BUF_INIT, ignored = BUF_INIT;
		char *body = quoted(splices[i].body), *spliced = quoted(splices[i].spliced);

		cr_assert_eq(dialect_request_parse(&target, body, strlen(body), &q, &fault), 0);
		cr_assert_eq(dialect_request_render(&q, &target, body, strlen(body), &u, &a, &out, &ignored, &fault),
			     0);
		cr_assert_str_eq(out.data, spliced);
		cr_assert_eq(ignored.len, 0);
		buf_done(&out);
		free(body);
		free(spliced);
	}
}

/* ---- for other wires */

/* Read, and said again. */
static int again(const char *body, const char *model, struct buf *out, struct buf *ignored, struct dialect_fault *fault)
{
	struct arena a = {0};
	struct chat_reader r = {.arena = &a, .fault = fault, .ignored = ignored};
	struct chat chat = {.from = WIRE_GEMINI, .n = 1};
	struct dialect_upstream u = {.kind = PROVIDER_GEMINI, .model = model, .api_version = ""};
	int rc;

	*fault = (struct dialect_fault){0};
	rc = gemini_parse(&r, &target, body, strlen(body), &chat);
	if (rc == 0)
		rc = gemini_render(&chat, &u, out, ignored, fault);
	arena_done(&a);
	return rc;
}

static const struct row {
	const char *body;
	const char *out;     /* said again; NULL: refused */
	const char *param;   /* ... by this name */
	const char *ignored; /* NULL = nothing */
} rows[] = {
	/* contents */
	{"{" HI "}", "{" OUT_HI "}", NULL, NULL},
	{"{'contents':[{'role':'user','parts':[{'text':'a\\u00e9'},{'text':'b'}]},{'role':'model','parts':[{'text':'c'}"
	 "]},"
	 "{'role':null,'parts':[{'text':'d'}]}]}",
	 "{'contents':[{'role':'user','parts':[{'text':'a\\u00e9'},{'text':'b'}]},{'role':'model','parts':[{'text':'c'}"
	 "]},"
	 "{'role':'user','parts':[{'text':'d'}]}]}",
	 NULL, NULL},
	{"{'contents':[{'parts':[{'text':'a'}]},{'parts':[{'text':'b'}]}]}",
	 "{'contents':[{'role':'user','parts':[{'text':'a'},{'text':'b'}]}]}", NULL, NULL},
	{"{'contents':[{'parts':[{'inlineData':{'mimeType':'image\\/png','data':'AA==','displayName':'x'}}]}]}",
	 "{'contents':[{'role':'user','parts':[{'inlineData':{'data':'AA==','mimeType':'image\\/png'}}]}]}", NULL,
	 "contents.parts.inlineData.displayName"},
	{"{'contents':[{'parts':[{'fileData':{'mimeType':'image/png','fileUri':'https:\\/\\/a.b/c'}}]}]}",
	 "{'contents':[{'role':'user','parts':[{'fileData':{'fileUri':'https:\\/\\/a.b/c','mimeType':'image/png'}}]}]}",
	 NULL, NULL},
	{"{'contents':[{'parts':[{'text':'a','thoughtSignature':'x','partMetadata':{'k':1}}]}]}",
	 "{'contents':[{'role':'user','parts':[{'text':'a'}]}]}", NULL,
	 "contents.parts.thoughtSignature, contents.parts.partMetadata"},
	{"{'contents':[{'parts':[{'text':'a','thought':false}]}]}",
	 "{'contents':[{'role':'user','parts':[{'text':'a'}]}]}", NULL, NULL},
	{"{'contents':[{'parts':[{'text':'a','thought':true}]}]}", NULL, "contents[0].parts[0].thought", NULL},
	{"{'contents':{}}", NULL, "contents", NULL},
	{"{'contents':[1]}", NULL, "contents[0]", NULL},
	{"{'contents':[{}]}", NULL, "contents[0].parts", NULL},
	{"{'contents':[{'parts':[]}]}", NULL, "contents[0].parts", NULL},
	{"{'contents':[{'parts':[{}]}]}", NULL, "contents[0].parts[0]", NULL},
	{"{'contents':[{'parts':[{'text':1}]}]}", NULL, "contents[0].parts[0].text", NULL},
	{"{'contents':[{'parts':[{'text':'a','inlineData':{}}]}]}", NULL, "contents[0].parts[0]", NULL},
	{"{'contents':[{'parts':[{'text':'a','text':'b'}]}]}", NULL, "contents[0].parts[0].text", NULL},
	{"{'contents':[{'parts':[{'text':'a'}],'role':'system'}]}", NULL, "contents[0].role", NULL},
	{"{'contents':[{'parts':[{'text':'a'}],'name':'x'}]}", NULL, "contents[0].name", NULL},
	{"{'contents':[{'parts':[{'text':'a'},{'inlineData':{'mimeType':'audio/wav','data':'AA=='}}]}]}", NULL,
	 "contents[0].parts[1].inlineData", NULL},
	{"{'contents':[{'parts':[{'inlineData':{'data':'AA=='}}]}]}", NULL, "contents[0].parts[0].inlineData", NULL},
	{"{'contents':[{'parts':[{'inlineData':'x'}]}]}", NULL, "contents[0].parts[0].inlineData", NULL},
	{"{'contents':[{'role':'model','parts':[{'inlineData':{'mimeType':'image/png','data':'AA=='}}]}]}", NULL,
	 "contents[0].parts[0].inlineData", NULL},
	{"{'contents':[{'parts':[{'fileData':{'mimeType':'image/png','fileUri':'gs://a/b'}}]}]}", NULL,
	 "contents[0].parts[0].fileData.fileUri", NULL},
	{"{'contents':[{'parts':[{'fileData':{'mimeType':'image/png',"
	 "'fileUri':'https://generativelanguage.googleapis.com/v1beta/files/x'}}]}]}",
	 NULL, "contents[0].parts[0].fileData.fileUri", NULL},
	{"{'contents':[{'parts':[{'fileData':{'fileUri':'https://www.youtube.com/watch?v=x'}}]}]}", NULL,
	 "contents[0].parts[0].fileData", NULL},
	{"{'contents':[{'parts':[{'fileData':{'mimeType':'image/png'}}]}]}", NULL,
	 "contents[0].parts[0].fileData.fileUri", NULL},
	{"{'contents':[{'parts':[{'executableCode':{'code':'x'}}]}]}", NULL, "contents[0].parts[0].executableCode",
	 NULL},
	{"{'contents':[{'parts':[{'codeExecutionResult':{}}]}]}", NULL, "contents[0].parts[0].codeExecutionResult",
	 NULL},
	{"{'contents':[{'parts':[{'text':'a','videoMetadata':{}}]}]}", NULL, "contents[0].parts[0].videoMetadata",
	 NULL},
	{"{'contents':[{'parts':[{'text':'a','mediaResolution':{}}]}]}", NULL, "contents[0].parts[0].mediaResolution",
	 NULL},
	{"{'contents':[{'parts':[{'toolCall':{}}]}]}", NULL, "contents[0].parts[0].toolCall", NULL},
	{"{'contents':[{'parts':[{'toolResponse':{}}]}]}", NULL, "contents[0].parts[0].toolResponse", NULL},
	{"{'contents':[{'parts':[{'audioTranscription':{}}]}]}", NULL, "contents[0].parts[0].audioTranscription", NULL},
	{"{'contents':[{'parts':[{'text':'a','mediaProcessing':{}}]}]}", NULL, "contents[0].parts[0].mediaProcessing",
	 NULL},
	{"{'contents':[{'parts':[{'text':'a','speechMetadata':{}}]}]}", NULL, "contents[0].parts[0].speechMetadata",
	 NULL},
	/* calls and results; ids that aren't there are made, and joined by name and order */
	{"{'contents':[{'role':'model','parts':[{'functionCall':{'id':'c1','name':'f','args':{'a':1}}}]},"
	 "{'role':'function','parts':[{'functionResponse':{'id':'c1','name':'f','response':{'x':[1]}}}]}]}",
	 "{'contents':[{'role':'model','parts':[{'functionCall':{'id':'c1','name':'f','args':{'a':1}}}]},"
	 "{'role':'user','parts':[{'functionResponse':{'id':'c1','name':'f','response':{'x':[1]}}}]}]}",
	 NULL, NULL},
	{"{'contents':[{'role':'model','parts':[{'functionCall':{'name':'f'}},{'functionCall':{'name':'g','args':null}}"
	 ","
	 "{'functionCall':{'name':'f','args':{}}}]},"
	 "{'parts':[{'functionResponse':{'name':'g','response':{'output':'G'}}},"
	 "{'functionResponse':{'name':'f','response':{'result':'{\\'n\\': 1}'}}},"
	 "{'functionResponse':{'name':'f','response':{'error':'no'}}}]}]}",
	 "{'contents':[{'role':'model','parts':[{'functionCall':{'id':'call_tg1','name':'f','args':{}}},"
	 "{'functionCall':{'id':'call_tg2','name':'g','args':{}}},{'functionCall':{'id':'call_tg3','name':'f','args':{}"
	 "}}]},"
	 "{'role':'user','parts':[{'functionResponse':{'id':'call_tg2','name':'g','response':{'result':'G'}}},"
	 "{'functionResponse':{'id':'call_tg1','name':'f','response':{'n': 1}}},"
	 "{'functionResponse':{'id':'call_tg3','name':'f','response':{'error':'no'}}}]}]}",
	 NULL, NULL},
	{"{'contents':[{'role':'model','parts':[{'functionCall':{'name':'f'}}]},"
	 "{'parts':[{'functionResponse':{'name':'f','scheduling':'WHEN_IDLE','willContinue':false,"
	 "'response':{'error':{'code':1}}}}]}]}",
	 "{'contents':[{'role':'model','parts':[{'functionCall':{'id':'call_tg1','name':'f','args':{}}}]},"
	 "{'role':'user','parts':[{'functionResponse':{'id':'call_tg1','name':'f','response':{'error':{'code':1}}}}]}]"
	 "}",
	 NULL, "contents.parts.functionResponse.scheduling"},
	{"{'contents':[{'role':'model','parts':[{'functionCall':{'args':{}}}]}]}", NULL,
	 "contents[0].parts[0].functionCall.name", NULL},
	{"{'contents':[{'role':'model','parts':[{'functionCall':{'name':'f','args':[]}}]}]}", NULL,
	 "contents[0].parts[0].functionCall.args", NULL},
	{"{'contents':[{'role':'model','parts':[{'functionCall':{'name':'f','willContinue':true}}]}]}", NULL,
	 "contents[0].parts[0].functionCall.willContinue", NULL},
	{"{'contents':[{'role':'model','parts':[{'functionCall':{'name':'f','partialArgs':[1]}}]}]}", NULL,
	 "contents[0].parts[0].functionCall.partialArgs", NULL},
	{"{'contents':[{'parts':[{'functionCall':{'name':'f'}}]}]}", NULL, "contents[0].parts[0].functionCall", NULL},
	{"{'contents':[{'role':'model','parts':[{'functionResponse':{'name':'f','response':{}}}]}]}", NULL,
	 "contents[0].parts[0].functionResponse", NULL},
	{"{'contents':[{'parts':[{'functionResponse':{'name':'f','response':{}}}]}]}", NULL,
	 "contents[0].parts[0].functionResponse", NULL},
	{"{'contents':[{'role':'model','parts':[{'functionCall':{'name':'f'}}]},"
	 "{'parts':[{'functionResponse':{'name':'f','response':'x'}}]}]}",
	 NULL, "contents[1].parts[0].functionResponse.response", NULL},
	{"{'contents':[{'role':'model','parts':[{'functionCall':{'name':'f'}}]},"
	 "{'parts':[{'functionResponse':{'name':'f','response':{},'parts':[{'inlineData':{}}]}}]}]}",
	 NULL, "contents[1].parts[0].functionResponse.parts", NULL},
	/* system */
	{"{" HI ",'systemInstruction':{'role':'system','parts':[{'text':'a'},{'text':'b'}]}}",
	 "{" OUT_HI ",'systemInstruction':{'parts':[{'text':'a'},{'text':'b'}]}}", NULL, NULL},
	{"{" HI ",'systemInstruction':'a'}", NULL, "systemInstruction", NULL},
	{"{" HI ",'systemInstruction':{'parts':[{'inlineData':{'mimeType':'image/png','data':'A'}}]}}", NULL,
	 "systemInstruction.parts[0]", NULL},
	/* tools */
	{"{" HI ",'tools':[{'functionDeclarations':[{'name':'f','description':'d','parameters':"
	 "{'type':'OBJECT','properties':{'a':{'type':'STRING','nullable':true,'enum':['x']},"
	 "'type':{'type':'array','items':{'type':'INTEGER','format':'int32'},'maxItems':'3'}},"
	 "'required':['a'],'propertyOrdering':['a']}},{'name':'g','behavior':'BLOCKING'}]},"
	 "{'functionDeclarations':[{'name':'h','parametersJsonSchema':{'type':'object','x':1}}]}]}",
	 "{" OUT_HI ",'tools':[{'functionDeclarations':[{'name':'f','description':'d','parametersJsonSchema':"
	 "{'properties':{'a':{'type':['string','null'],'enum':['x',null]},"
	 "'type':{'items':{'format':'int32','type':'integer'},'maxItems':3,'type':'array'}},"
	 "'required':['a'],'type':'object'}},{'name':'g'},{'name':'h','parametersJsonSchema':{'type':'object','x':1}}]}"
	 "]}",
	 NULL, "tools.functionDeclarations.parameters.propertyOrdering, tools.functionDeclarations.behavior"},
	{"{" HI
	 ",'tools':[{'functionDeclarations':[{'name':'f','parameters':{'anyOf':[{'type':'NULL'},{'type':'BOOLEAN'}],"
	 "'additionalProperties':false,'example':{'a':1},'minLength':1,'default':null,'$defs':{'d':{'type':'NUMBER'}}}}"
	 "]}]}",
	 "{" OUT_HI ",'tools':[{'functionDeclarations':[{'name':'f','parametersJsonSchema':{'anyOf':[{'type':'null'},"
	 "{'type':'boolean'}],'additionalProperties':false,'examples':[{'a':1}],'minLength':1,'default':null,"
	 "'$defs':{'d':{'type':'number'}}}}]}]}",
	 NULL, NULL},
	{"{" HI ",'tools':[]}", "{" OUT_HI "}", NULL, NULL},
	{"{" HI ",'tools':{}}", NULL, "tools", NULL},
	{"{" HI ",'tools':[{'functionDeclarations':{}}]}", NULL, "tools[0].functionDeclarations", NULL},
	{"{" HI ",'tools':[{'functionDeclarations':[{}]}]}", NULL, "tools[0].functionDeclarations[0].name", NULL},
	{"{" HI ",'tools':[{'functionDeclarations':[{'name':'f','parameters':{'type':'MAP'}}]}]}", NULL,
	 "tools[0].functionDeclarations[0].parameters.type", NULL},
	{"{" HI ",'tools':[{'functionDeclarations':[{'name':'f','parameters':{'oops':1}}]}]}", NULL,
	 "tools[0].functionDeclarations[0].parameters", NULL},
	{"{" HI ",'tools':[{'functionDeclarations':[{'name':'f','parameters':{'properties':{'a':1}}}]}]}", NULL,
	 "tools[0].functionDeclarations[0].parameters.properties", NULL},
	{"{" HI ",'tools':[{'functionDeclarations':[{'name':'f','parameters':{},'parametersJsonSchema':{}}]}]}", NULL,
	 "tools[0].functionDeclarations[0].parametersJsonSchema", NULL},
	{"{" HI ",'tools':[{'functionDeclarations':[{'name':'f','response':{}}]}]}", NULL,
	 "tools[0].functionDeclarations[0].response", NULL},
	{"{" HI ",'tools':[{'functionDeclarations':[]},{'googleSearch':{}}]}", NULL, "tools[1].googleSearch", NULL},
	{"{" HI ",'tools':[{'googleSearchRetrieval':{}}]}", NULL, "tools[0].googleSearchRetrieval", NULL},
	{"{" HI ",'tools':[{'codeExecution':{}}]}", NULL, "tools[0].codeExecution", NULL},
	{"{" HI ",'tools':[{'urlContext':{}}]}", NULL, "tools[0].urlContext", NULL},
	{"{" HI ",'tools':[{'computerUse':{}}]}", NULL, "tools[0].computerUse", NULL},
	{"{" HI ",'tools':[{'fileSearch':{}}]}", NULL, "tools[0].fileSearch", NULL},
	{"{" HI ",'tools':[{'googleMaps':{}}]}", NULL, "tools[0].googleMaps", NULL},
	{"{" HI ",'tools':[{'mcpServers':[{}]}]}", NULL, "tools[0].mcpServers", NULL},
	{"{" HI ",'tools':[{'newTool':{}}]}", NULL, "tools[0].newTool", NULL},
/* which */
#define TOOLS ",'tools':[{'functionDeclarations':[{'name':'f'},{'name':'g'}]}]"
	{"{" HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'AUTO'}}}",
	 "{" OUT_HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'AUTO'}}}", NULL, NULL},
	{"{" HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'NONE','allowedFunctionNames':[]}}}",
	 "{" OUT_HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'NONE'}}}", NULL, NULL},
	{"{" HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'ANY'}}}",
	 "{" OUT_HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'ANY'}}}", NULL, NULL},
	{"{" HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'ANY','allowedFunctionNames':['g']}}}",
	 "{" OUT_HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'ANY','allowedFunctionNames':['g']}}}", NULL,
	 NULL},
	{"{" HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'ANY','allowedFunctionNames':['f','g']}}}", NULL,
	 "toolConfig.functionCallingConfig.allowedFunctionNames", NULL},
	{"{" HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'AUTO','allowedFunctionNames':['f']}}}", NULL,
	 "toolConfig.functionCallingConfig.allowedFunctionNames", NULL},
	{"{" HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':'VALIDATED'}}}", NULL,
	 "toolConfig.functionCallingConfig.mode", NULL},
	{"{" HI TOOLS ",'toolConfig':{'functionCallingConfig':{'mode':7}}}", NULL,
	 "toolConfig.functionCallingConfig.mode", NULL},
	{"{" HI TOOLS ",'toolConfig':{'functionCallingConfig':{'streamFunctionCallArguments':true}}}", NULL,
	 "toolConfig.functionCallingConfig.streamFunctionCallArguments", NULL},
	{"{" HI ",'toolConfig':{'functionCallingConfig':{'mode':'NONE'}}}", "{" OUT_HI "}", NULL, NULL},
	{"{" HI ",'toolConfig':{'functionCallingConfig':{'mode':'ANY'}}}", NULL, "toolConfig.functionCallingConfig",
	 NULL},
	{"{" HI ",'toolConfig':{'retrievalConfig':{}}}", NULL, "toolConfig.retrievalConfig", NULL},
	{"{" HI ",'toolConfig':{'includeServerSideToolInvocations':true}}", NULL,
	 "toolConfig.includeServerSideToolInvocations", NULL},
	{"{" HI ",'toolConfig':null}", "{" OUT_HI "}", NULL, NULL},
	/* generationConfig */
	{"{" HI ",'generationConfig':{'maxOutputTokens':10,'candidateCount':2,'temperature':0.50,'topP':1e-1,'topK':40,"
	 "'presencePenalty':-1,'frequencyPenalty':2,'seed':7,'stopSequences':['a','\\n']}}",
	 "{" OUT_HI
	 ",'generationConfig':{'maxOutputTokens':10,'candidateCount':2,'temperature':0.50,'topP':1e-1,'topK':40,"
	 "'presencePenalty':-1,'frequencyPenalty':2,'seed':7,'stopSequences':['a','\\n']}}",
	 NULL, NULL},
	{"{" HI ",'generationConfig':{'topK':null,'stopSequences':[],'responseMimeType':'text/plain',"
	 "'responseModalities':['TEXT'],'thinkingConfig':{'thinkingBudget':0,'includeThoughts':false},"
	 "'responseLogprobs':false,'responseFormat':[]}}",
	 "{" OUT_HI "}", NULL, NULL},
	{"{" HI ",'generationConfig':{'thinkingConfig':{'thinkingBudget':-1}}}", "{" OUT_HI "}", NULL, NULL},
	{"{" HI ",'generationConfig':{'responseMimeType':'application/json'}}",
	 "{" OUT_HI ",'generationConfig':{'responseMimeType':'application/json'}}", NULL, NULL},
	{"{" HI ",'generationConfig':{'responseMimeType':'application/json','responseSchema':{'type':'STRING'}}}",
	 "{" OUT_HI
	 ",'generationConfig':{'responseMimeType':'application/json','responseJsonSchema':{'type':'string'}}}",
	 NULL, NULL},
	{"{" HI ",'generationConfig':{'responseMimeType':'application/json','responseJsonSchema':{'type' : 'string'}}}",
	 "{" OUT_HI
	 ",'generationConfig':{'responseMimeType':'application/json','responseJsonSchema':{'type' : 'string'}}}",
	 NULL, NULL},
	{"{" HI ",'generationConfig':{'responseSchema':{'type':'STRING'}}}", NULL, "generationConfig.responseMimeType",
	 NULL},
	{"{" HI
	 ",'generationConfig':{'responseMimeType':'application/json','responseSchema':{},'responseJsonSchema':{}}}",
	 NULL, "generationConfig.responseJsonSchema", NULL},
	{"{" HI ",'generationConfig':{'responseMimeType':'text/x.enum'}}", NULL, "generationConfig.responseMimeType",
	 NULL},
	{"{" HI ",'generationConfig':{'temperature':'1'}}", NULL, "generationConfig.temperature", NULL},
	{"{" HI ",'generationConfig':{'topK':true}}", NULL, "generationConfig.topK", NULL},
	{"{" HI ",'generationConfig':{'stopSequences':['a',1]}}", NULL, "generationConfig.stopSequences[1]", NULL},
	{"{" HI ",'generationConfig':{'stopSequences':'a'}}", NULL, "generationConfig.stopSequences", NULL},
	{"{" HI ",'generationConfig':{'stopSequences':['1','2','3','4','5','6']}}", NULL,
	 "generationConfig.stopSequences", NULL},
	{"{" HI ",'generationConfig':{'thinkingConfig':{'thinkingBudget':1024}}}", NULL,
	 "generationConfig.thinkingConfig.thinkingBudget", NULL},
	{"{" HI ",'generationConfig':{'thinkingConfig':{'includeThoughts':true}}}", NULL,
	 "generationConfig.thinkingConfig.includeThoughts", NULL},
	{"{" HI ",'generationConfig':{'thinkingConfig':{'thinkingLevel':'LOW'}}}", NULL,
	 "generationConfig.thinkingConfig.thinkingLevel", NULL},
	{"{" HI ",'generationConfig':{'responseModalities':['TEXT','IMAGE']}}", NULL,
	 "generationConfig.responseModalities", NULL},
	{"{" HI ",'generationConfig':{'responseLogprobs':true}}", NULL, "generationConfig.responseLogprobs", NULL},
	{"{" HI ",'generationConfig':{'logprobs':3}}", NULL, "generationConfig.logprobs", NULL},
	{"{" HI ",'generationConfig':{'responseFormat':[{}]}}", NULL, "generationConfig.responseFormat", NULL},
	{"{" HI ",'generationConfig':{'mediaResolution':'LOW'}}", NULL, "generationConfig.mediaResolution", NULL},
	{"{" HI ",'generationConfig':{'speechConfig':{}}}", NULL, "generationConfig.speechConfig", NULL},
	{"{" HI ",'generationConfig':{'imageConfig':{}}}", NULL, "generationConfig.imageConfig", NULL},
	{"{" HI ",'generationConfig':{'audioTimestamp':true}}", NULL, "generationConfig.audioTimestamp", NULL},
	{"{" HI ",'generationConfig':{'routingConfig':{}}}", NULL, "generationConfig.routingConfig", NULL},
	{"{" HI ",'generationConfig':{'topJ':1}}", NULL, "generationConfig.topJ", NULL},
	/* the rest of the body */
	{"{" HI ",'safetySettings':[],'cachedContent':null,'model':'models/x','labels':{'a':'b'},'store':false,"
	 "'serviceTier':'standard'}",
	 "{" OUT_HI "}", NULL, "labels, store, serviceTier"},
	{"{" HI ",'safetySettings':[{'category':'HARM_CATEGORY_HATE_SPEECH','threshold':'BLOCK_NONE'}]}", NULL,
	 "safetySettings", NULL},
	{"{" HI ",'cachedContent':'cachedContents/x'}", NULL, "cachedContent", NULL},
	{"{" HI ",'store':true}", NULL, "store", NULL},
	{"{" HI ",'serviceTier':'flex'}", NULL, "serviceTier", NULL},
	{"{" HI ",'continuationToken':'x'}", NULL, "continuationToken", NULL},
	{"{" HI ",'modelArmorConfig':{}}", NULL, "modelArmorConfig", NULL},
	{"{" HI ",'somethingNew':1}", NULL, "somethingNew", NULL},
};

/* The names of members in the other spelling; other strings have no capitals behind a small letter that would look like
 * one (the rows see to it), or aren't names. */
static char *snake(const char *text)
{
	size_t len = strlen(text);
	char *out = malloc(2 * len + 1), *p = out;
	bool name;

	for (const char *q = text, *end; *q; q = end) {
		end = q + 1;
		if (*q != '"') {
			*p++ = *q;
			continue;
		}
		while (*end && *end != '"')
			end += *end == '\\' && end[1] ? 2 : 1;
		end += *end == '"';
		name = *end == ':';
		for (const char *c = q; c < end; c++) {
			if (name && *c >= 'A' && *c <= 'Z') {
				*p++ = '_';
				*p++ = (char)(*c | 0x20);
			} else {
				*p++ = *c;
			}
		}
	}
	*p = '\0';
	return out;
}

static void expect_row(const struct row *r, const char *body, bool in_snake)
{
	struct buf out = BUF_INIT, ignored = BUF_INIT;
	struct dialect_fault fault;
	char *expected = quoted(r->out);
	int rc = again(body, "m", &out, &ignored, &fault);

	cr_assert_eq(rc, r->out ? 0 : ERR_INVAL, "%s: %d %s", body, rc, fault.err.msg);
	if (r->out) {
		cr_assert_str_eq(text_of(&out), expected, "%s", body);
		cr_assert_str_eq(text_of(&ignored), r->ignored ? r->ignored : "", "%s", body);
	} else if (!in_snake || strcmp(fault.err.msg, "") == 0 || !strstr(fault.err.msg, "no such member")) {
		cr_assert_str_eq(fault.param, r->param, "%s", body);
		cr_assert(strstr(fault.err.msg, r->param), "%s: %s", body, fault.err.msg);
	}
	buf_done(&out);
	buf_done(&ignored);
	free(expected);
}

/* Escaped quotes in the rows are \' too: quoted() makes \" of them. */
Test(gemini_request, each_member_is_read_refused_or_noted)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *body = quoted(rows[i].body), *other = snake(body);

		expect_row(&rows[i], body, false);
		expect_row(&rows[i], other, true);
		free(body);
		free(other);
	}
}

/* A name that isn't known is cut, and a place that is deep as well; neither is written beyond its room. */
Test(gemini_request, long_names_are_cut)
{
	struct buf body = BUF_INIT, out = BUF_INIT, ignored = BUF_INIT;
	struct dialect_fault fault;

	buf_puts(&body,
		 "{\"contents\":[{\"parts\":[{\"text\":\"a\"}]}],\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\","
		 "\"parameters\":");
	for (int i = 0; i < 60; i++)
		buf_puts(&body, "{\"properties\":{\"a\":");
	buf_puts(&body, "{\"type\":\"X\"}");
	for (int i = 0; i < 60; i++)
		buf_puts(&body, "}}");
	buf_puts(&body, "}]}]}");
	cr_assert_eq(again(body.data, "m", &out, &ignored, &fault), ERR_INVAL, "%s", fault.err.msg);
	cr_assert_eq(strlen(fault.param), DIALECT_PARAM_MAX - 1);
	buf_reset(&body);
	buf_puts(&body, "{\"contents\":[{\"parts\":[{\"text\":\"a\"}]}],\"");
	for (int i = 0; i < 1000; i++)
		buf_puts(&body, "\xc3\xa9");
	buf_puts(&body, "\":1}");
	cr_assert_eq(again(body.data, "m", &out, &ignored, &fault), ERR_INVAL);
	cr_assert_eq(strlen(fault.param), 64);
	buf_done(&body);
	buf_done(&out);
	buf_done(&ignored);
}
