/* Google's streams on their way to clients: each event is an answer with what is new of each candidate. */
#include "dialect/gemini.h"

#include <string.h>

enum { CANDIDATES, FEEDBACK, USAGE, ERROR, ID, VERSION, FIELDS };
#define EVENT_MEMBERS                                                                                                  \
	{                                                                                                              \
		[CANDIDATES] = {.name = "candidates"}, [FEEDBACK] = {.name = "promptFeedback"},                        \
		[USAGE] = {.name = "usageMetadata"}, [ERROR] = {.name = "error"}, [ID] = {.name = "responseId"},       \
		[VERSION] = {                                                                                          \
			.name = "modelVersion"                                                                         \
		}                                                                                                      \
	}

static void read_usage(struct dialect_stream *s, const struct json_span *v)
{
	struct usage u;
	bool inconsistent = false;
	int rc;

	if (!wire_given(v))
		return;
	rc = gemini_usage(v, &u, &inconsistent);
	wire_take_usage(s, rc, &u, inconsistent);
}

static bool has_candidates(const struct json_span *v)
{
	return v->type == JSON_SPAN_ARRAY && !json_is_empty(v);
}

/* A prompt that won't be answered: the reason stands where candidates would. */
static bool is_blocked(const struct json_member *m)
{
	struct json_member reason = {.name = "blockReason"};
	const struct json_span *v = &m[FEEDBACK].value;

	return !has_candidates(&m[CANDIDATES].value) && v->type == JSON_SPAN_OBJECT &&
	       json_scan_object(v->at, v->len, &reason, 1, NULL) == 0 && wire_given(&reason.value);
}

static bool read_index(const struct json_span *v, unsigned *ret)
{
	uint64_t n = 0; /* zero is left out of Google's JSON */

	if (wire_given(v) && (json_number_u64(v, &n) < 0 || n >= GEMINI_CHOICES_MAX))
		return false;
	*ret = (unsigned)n;
	return true;
}

/* ---- same wire */

static void watch_candidate(struct dialect_stream *s, const struct json_span *candidate)
{
	enum { INDEX, REASON, MEMBERS };
	struct json_member m[MEMBERS] = {[INDEX] = {.name = "index"}, [REASON] = {.name = "finishReason"}};
	unsigned index;

	if (candidate->type == JSON_SPAN_OBJECT &&
	    json_scan_object(candidate->at, candidate->len, m, MEMBERS, NULL) == 0 && wire_given(&m[REASON].value) &&
	    read_index(&m[INDEX].value, &index) && wire_finish(s, index))
		s->complete = s->ending = true;
}

/* Most events finish nothing, and one look at the bytes says so. (Written with an escape, which no encoder does, a
 * reason would be missed, and the stream be taken for broken off.) */
static void watch_candidates(struct dialect_stream *s, const struct json_span *v)
{
	struct json_span candidate;
	struct json_iter it;

	if (v->type != JSON_SPAN_ARRAY || !memmem(v->at, v->len, "finishReason", 12) || json_iter_init(&it, v) < 0)
		return;
	while (json_iter_next(&it, NULL, &candidate) == 1)
		watch_candidate(s, &candidate);
}

bool gemini_watch(struct dialect_stream *s, const struct wire_event *ev)
{
	struct json_member m[FIELDS] = EVENT_MEMBERS;

	if (json_scan_object(ev->data, ev->len, m, FIELDS, NULL) < 0)
		return true; /* not ours to mend */
	if (wire_given(&m[ERROR].value))
		s->error_seen = true;
	read_usage(s, &m[USAGE].value);
	watch_candidates(s, &m[CANDIDATES].value);
	if (is_blocked(m))
		s->complete = s->ending = true;
	s->content_bytes += m[CANDIDATES].string_bytes;
	return true;
}

/* ---- from the provider */

static int emit_error(struct dialect_stream *s, const struct wire_event *ev, const struct json_span *error)
{
	struct json_member code = {.name = "code"};
	struct dialect_provider_error pe;
	struct dialect_error e = {.status = 500};
	struct chat_event out = {.kind = CHAT_EV_ERROR, .error = &e};
	uint64_t status = 0;

	if (error->type == JSON_SPAN_OBJECT && json_scan_object(error->at, error->len, &code, 1, NULL) == 0 &&
	    json_number_u64(&code.value, &status) < 0)
		status = 0;
	status = status >= 400 && status < 600 ? status : 500;
	dialect_provider_error_read(PROVIDER_GEMINI, (int)status, ev->data, ev->len, &pe);
	if (pe.verdict == DIALECT_RATE_LIMITED)
		e.status = 429;
	else if (pe.verdict == DIALECT_OVERLOADED)
		e.status = 503;
	e.type = pe.type[0] ? pe.type : "server_error";
	e.code = pe.code[0] ? pe.code : NULL;
	e.message = pe.message[0] ? pe.message : "The provider reported an error.";
	return wire_emit(s, &out);
}

static int decode_part(struct dialect_stream *s, unsigned choice, const struct json_span *v)
{
	struct gemini_decoder *d = wire_decoder(s);
	struct chat_event ev = {.choice = choice};
	struct gemini_part p;
	int rc = gemini_part_read(v, &p);

	if (rc < 0 || p.thought || (!p.text.len && !p.is_call))
		return rc;
	if (wire_is_finished(s, choice))
		return ERR_PROTO;
	if (!p.is_call) {
		ev.kind = CHAT_EV_TEXT;
		ev.text = p.text;
		return wire_emit(s, &ev);
	}
	if (d->tools[choice] == UINT16_MAX)
		return ERR_PROTO;
	ev.kind = CHAT_EV_TOOL_WHOLE;
	ev.tool = d->tools[choice]++;
	ev.id = p.id;
	ev.name = p.name;
	ev.args = p.args;
	return wire_emit(s, &ev);
}

static int decode_content(struct dialect_stream *s, unsigned choice, const struct json_span *content)
{
	struct json_member parts = {.name = "parts"};
	struct json_span part;
	struct json_iter it;
	int rc = 0;

	if (json_scan_object(content->at, content->len, &parts, 1, NULL) < 0)
		return ERR_PROTO;
	if (!wire_given(&parts.value))
		return 0;
	if (parts.value.type != JSON_SPAN_ARRAY || json_iter_init(&it, &parts.value) < 0)
		return ERR_PROTO;
	while (rc == 0 && json_iter_next(&it, NULL, &part) == 1)
		rc = decode_part(s, choice, &part);
	return rc;
}

static int finish(struct dialect_stream *s, unsigned choice, enum chat_finish reason)
{
	struct chat_event ev = {.kind = CHAT_EV_FINISH, .choice = choice, .finish = reason};

	if (wire_is_finished(s, choice))
		return 0;
	s->complete |= wire_finish(s, choice);
	return wire_emit(s, &ev);
}

static int decode_candidate(struct dialect_stream *s, const struct json_span *v)
{
	enum { INDEX, CONTENT, REASON, MEMBERS };
	struct json_member m[MEMBERS] = {
		[INDEX] = {.name = "index"}, [CONTENT] = {.name = "content"}, [REASON] = {.name = "finishReason"}};
	struct gemini_decoder *d = wire_decoder(s);
	unsigned choice;
	int rc = 0;

	if (json_scan_object(v->at, v->len, m, MEMBERS, NULL) < 0 || !read_index(&m[INDEX].value, &choice))
		return ERR_PROTO;
	if (wire_given(&m[CONTENT].value))
		rc = decode_content(s, choice, &m[CONTENT].value);
	if (rc == 0 && wire_given(&m[REASON].value))
		rc = finish(s, choice, gemini_finish_of(&m[REASON].value, d->tools[choice] > 0));
	return rc;
}

int gemini_decode(struct dialect_stream *s, const struct wire_event *ev)
{
	struct json_member m[FIELDS] = EVENT_MEMBERS;
	const struct json_span *candidates = &m[CANDIDATES].value;
	struct json_span candidate;
	struct json_iter it;
	int rc = 0;

	if (json_scan_object(ev->data, ev->len, m, FIELDS, NULL) < 0)
		return ERR_PROTO;
	if (wire_given(&m[ERROR].value))
		return emit_error(s, ev, &m[ERROR].value);
	read_usage(s, &m[USAGE].value);
	if (is_blocked(m)) {
		for (unsigned i = 0; rc == 0 && i < s->opts.choices && i < GEMINI_CHOICES_MAX; i++)
			rc = finish(s, i, CHAT_FINISH_FILTER);
		return rc;
	}
	if (!wire_given(candidates)) {
		for (unsigned i = 0; i < FIELDS; i++)
			if (m[i].count)
				return 0;
		return ERR_PROTO;
	}
	if (candidates->type != JSON_SPAN_ARRAY || json_iter_init(&it, candidates) < 0)
		return ERR_PROTO;
	while (rc == 0 && json_iter_next(&it, NULL, &candidate) == 1)
		rc = decode_candidate(s, &candidate);
	return rc;
}
