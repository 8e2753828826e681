/* OpenAI responses: a stream of this wire on its way to a client of the same. */
#include "dialect/responses.h"

#include <string.h>

static bool ends_with(const struct json_span *string, const char *suffix)
{
	size_t len = strlen(suffix);

	return string->type == JSON_SPAN_STRING && string->len >= len + 2 &&
	       memcmp(string->at + string->len - 1 - len, suffix, len) == 0;
}

static void watch_final(struct dialect_stream *s, const struct json_span *response)
{
	struct json_member usage = {.name = "usage"};
	bool inconsistent = false;
	struct usage u = {0};
	int rc;

	s->complete = true;
	if (response->type != JSON_SPAN_OBJECT || json_scan_object(response->at, response->len, &usage, 1, NULL) < 0)
		return;
	rc = responses_usage(&usage.value, &u, &inconsistent);
	wire_take_usage(s, rc, &u, inconsistent);
}

bool responses_watch(struct dialect_stream *s, const struct wire_event *ev)
{
	enum { TYPE, SEQUENCE, DELTA, RESPONSE, ERROR, FIELDS };
	struct json_member m[FIELDS] = {[TYPE] = {.name = "type"},
					[SEQUENCE] = {.name = "sequence_number"},
					[DELTA] = {.name = "delta"},
					[RESPONSE] = {.name = "response"},
					[ERROR] = {.name = "error"}};
	const struct json_span *type = &m[TYPE].value;
	uint64_t n;

	if (json_scan_object(ev->data, ev->len, m, FIELDS, NULL) < 0)
		return true; /* not ours to mend */
	if (json_number_u64(&m[SEQUENCE].value, &n) == 0 && n < UINT64_MAX)
		s->sequence = n + 1;
	if (ends_with(type, ".delta")) {
		s->content_bytes += m[DELTA].string_bytes;
	} else if (json_string_is(type, "response.completed") || json_string_is(type, "response.incomplete")) {
		watch_final(s, &m[RESPONSE].value);
		s->ending = true;
	} else if (json_string_is(type, "response.failed")) { /* an error, which nobody takes for an answer */
		watch_final(s, &m[RESPONSE].value);
		s->error_seen = true;
	} else if (json_string_is(type, "error") || wire_given(&m[ERROR].value)) {
		s->error_seen = true;
	}
	return true;
}
