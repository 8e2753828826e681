/* A chat between two wires: what can be said in more than one of them. Private to the room.
 *
 * Text moves from one wire to another without being decoded: a struct chat_text is the content of a JSON string as it
 * is written (escapes and all, without the quotes), borrowed from the body, and goes between quotes as it is. Numbers
 * and schemas move as written too. Only what is text in one wire and an object in another (tool arguments) is decoded
 * (json_unescape) or encoded (json_escape).
 *
 * Invariants (tests cite them):
 *  C1  A parser knows every member that its wire has. It reads it into here, or refuses it by name (inexpressible), or
 *      notes it as a hint; an unknown member is refused by name. Null is the same as absent.
 *  C2  A renderer says everything that is in here, or refuses by the client's name of it (chat_name()).
 */
#ifndef DIALECT_CHAT_H
#define DIALECT_CHAT_H

#include "base/json_scan.h"
#include "dialect/dialect.h"

struct chat_text {
	const char *at; /* NULL = absent */
	size_t len;
};

enum chat_part_kind {
	CHAT_TEXT,        /* text */
	CHAT_REFUSAL,     /* text: an assistant's refusal; OpenAI keeps it apart, others say it as text */
	CHAT_IMAGE_URL,   /* url; media_type if the wire says one */
	CHAT_IMAGE_DATA,  /* media_type, data (base64) */
	CHAT_TOOL_CALL,   /* id (may be absent: Gemini), name, args or args_text */
	CHAT_TOOL_RESULT, /* id of the call (Gemini: may be absent), name (may be absent), parts, is_error */
};
struct chat_part {
	struct chat_part *next;
	enum chat_part_kind kind;
	struct chat_text text, url, media_type, data, id, name;
	struct json_span args;      /* an object as written; JSON_SPAN_ABSENT: args_text holds it */
	struct chat_text args_text; /* a JSON object's text as the content of a string (OpenAI) */
	struct chat_part *parts;    /* of a tool result: texts and images */
	struct json_span result;    /* of a tool result that is an object (Gemini's response); else parts */
	bool is_error;
};

enum chat_role { CHAT_USER, CHAT_ASSISTANT };
/* Tool results are parts of user messages, in the order given. Consecutive messages of one role stay apart; a wire that
 * wants turns to alternate joins them. */
struct chat_message {
	struct chat_message *next;
	enum chat_role role;
	struct chat_part *parts;
	struct chat_text name; /* OpenAI's participant name */
};

struct chat_tool {
	struct chat_tool *next;
	struct chat_text name, description;
	struct json_span schema; /* of its parameters, as written; absent = none */
	bool strict;
};

enum chat_tool_choice { CHAT_TOOLS_AUTO, CHAT_TOOLS_NONE, CHAT_TOOLS_REQUIRED, CHAT_TOOLS_NAMED };
enum chat_format { CHAT_FORMAT_TEXT, CHAT_FORMAT_JSON, CHAT_FORMAT_SCHEMA };

/* What may be missing in another wire, for chat_name(). */
enum chat_field {
	CHAT_F_SYSTEM,
	CHAT_F_MESSAGES,
	CHAT_F_NAME,
	CHAT_F_IMAGE,
	CHAT_F_TOOLS,
	CHAT_F_TOOL_STRICT,
	CHAT_F_TOOL_CHOICE,
	CHAT_F_PARALLEL_TOOLS,
	CHAT_F_MAX_TOKENS,
	CHAT_F_N,
	CHAT_F_TEMPERATURE,
	CHAT_F_TOP_P,
	CHAT_F_TOP_K,
	CHAT_F_PRESENCE_PENALTY,
	CHAT_F_FREQUENCY_PENALTY,
	CHAT_F_SEED,
	CHAT_F_STOP,
	CHAT_F_FORMAT,
	CHAT_F_EFFORT,
	CHAT_F_USER,
	CHAT_FIELDS,
};

#define CHAT_STOPS_MAX 16u
struct chat {
	enum wire from;
	struct chat_part *system; /* texts */
	struct chat_message *messages;
	struct chat_tool *tools;
	bool tool_choice_given;
	enum chat_tool_choice tool_choice;
	struct chat_text tool_choice_name;
	bool parallel_given, parallel; /* parallel tool calls */
	bool max_tokens_given;
	uint64_t max_tokens;                                                                   /* of each choice */
	uint64_t n;                                                                            /* 1 = not given */
	struct json_span temperature, top_p, top_k, presence_penalty, frequency_penalty, seed; /* numbers as written */
	struct chat_text stop[CHAT_STOPS_MAX];
	size_t n_stop;
	enum chat_format format;
	struct chat_text format_name, format_description;
	struct json_span format_schema;
	bool format_strict;
	struct chat_text effort; /* OpenAI's reasoning effort: none, minimal, low, medium, high, xhigh */
	struct chat_text user;   /* the end user, for the provider's abuse control: a hint where a wire has none */
	bool stream, include_usage;
};

/* What a parser works with. */
struct chat_reader {
	struct arena *arena;
	struct dialect_fault *fault;
	struct buf *ignored; /* names of hints left out, joined by ", " */
	const char *owner;   /* whose wire it is, for refusals of what only that one has ("Anthropic"); its parser's */
};
/* ERR_INVAL, with the member's name as the client writes it and what is wrong with it. */
int chat_refuse(struct dialect_fault *fault, const char *param, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The client's name of a field; NULL: its wire doesn't have it. */
const char *chat_name(enum wire from, enum chat_field f);
/* The renderer's refusal: "... can't be expressed for this model's provider: WHY" under the client's name of f. */
int chat_inexpressible(struct dialect_fault *fault, const struct chat *c, enum chat_field f, const char *why);
void chat_ignore(struct buf *ignored, const char *name);
void *chat_alloc(struct chat_reader *r, size_t size); /* zeroed; NULL: fault says no memory (code ERR_NOMEM) */
/* New ones at the end of a list; **tail moves on to what is behind. NULL as above. */
struct chat_part *chat_append_part(struct chat_reader *r, struct chat_part ***tail, enum chat_part_kind kind);
struct chat_message *chat_append_message(struct chat_reader *r, struct chat_message ***tail, enum chat_role role);
struct chat_tool *chat_append_tool(struct chat_reader *r, struct chat_tool ***tail);

/* Between texts and values */
struct chat_text chat_text_of(const struct json_span *string); /* its content; absent when it is no string */
bool chat_text_is(struct chat_text t, const char *text);       /* compares what it reads */
bool chat_text_begins(struct chat_text t, const char *prefix); /* these two: what is written */
bool chat_text_same(struct chat_text a, struct chat_text b);   /* false when one is absent */
/* "data:TYPE;base64,DATA" into an image's part; false when it isn't that. */
bool chat_split_data_url(struct chat_text url, struct chat_part *part);
void chat_put_string(struct buf *out, struct chat_text t); /* with quotes */
void chat_put_span(struct buf *out, const struct json_span *v);
/* A tool call's arguments as an object ("{}" when empty). ERR_INVAL: args_text is no JSON object. */
int chat_put_args_object(struct buf *out, const struct chat_part *p);
/* ... as the content of a string, without quotes. */
int chat_put_args_text(struct buf *out, const struct chat_part *p);

/* ---- answers */

enum chat_finish { CHAT_FINISH_NONE, CHAT_FINISH_STOP, CHAT_FINISH_LENGTH, CHAT_FINISH_TOOLS, CHAT_FINISH_FILTER };

struct chat_choice {
	struct chat_choice *next;
	struct chat_part *parts; /* texts, refusals, tool calls, in the provider's order */
	enum chat_finish finish;
	struct chat_text stop_sequence; /* Anthropic: which one */
};
struct chat_answer {
	struct chat_text id; /* the provider's; absent = none */
	struct chat_choice *choices;
	bool have_usage;
	struct usage usage;
};

/* ---- streams: a provider's event becomes some of these, each of them becomes bytes for the client */

enum chat_event_kind {
	CHAT_EV_TEXT,       /* choice, text: a piece */
	CHAT_EV_REFUSAL,    /* likewise */
	CHAT_EV_TOOL_BEGIN, /* choice, tool (index among the choice's calls), id (may be absent), name */
	CHAT_EV_TOOL_ARGS,  /* choice, tool, text: a piece of the arguments' text, as the content of a string */
	CHAT_EV_TOOL_WHOLE, /* choice, tool, id, name, args: begin, all of the arguments and end in one (Gemini) */
	CHAT_EV_TOOL_END,   /* choice, tool */
	CHAT_EV_FINISH,     /* choice, finish, stop_sequence */
	CHAT_EV_ERROR,      /* error: the provider's, in the middle */
	CHAT_EV_END,        /* made by the engine when the body has ended and all was said; goes to what is held (D4) */
};
struct chat_event {
	enum chat_event_kind kind;
	unsigned choice, tool;
	struct chat_text text, id, name, stop_sequence;
	struct json_span args;
	enum chat_finish finish;
	const struct dialect_error *error;
};

/* Missing ids: "call_" + the request's digits + a number, unique in the answer. Returns its length. */
size_t chat_make_call_id(const struct dialect_answer_opts *o, unsigned choice, unsigned tool, char ret[64]);

#endif
