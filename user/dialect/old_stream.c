/* A chat stream on its way to the client. Whole events inside one buffer, which is nearly all of them, are judged where
 * they lie and copied once; only an event that a buffer's end cuts in two is gathered in s->line, and what comes from
 * [DONE] on in s->held. */
#include "dialect/internal.h"
#include "dialect/openai.h"

#include <string.h>

void openai_stream_init(struct openai_stream *s, bool strip_usage)
{
	*s = (struct openai_stream){.strip_usage = strip_usage,
				    .choices = 1,
				    .line = {.max = OPENAI_EVENT_MAX},
				    .held = {.max = OPENAI_EVENT_MAX}};
}

void openai_stream_done(struct openai_stream *s)
{
	buf_done(&s->line);
	buf_done(&s->held);
}

/* ---- one event */

/* The line at p: its length without line end; *ret_next is what follows it. The last one may lack its end. */
static size_t line_len(const char *p, const char *end, const char **ret_next)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));
	const char *stop = nl ? nl : end;

	*ret_next = nl ? nl + 1 : end;
	return (size_t)(stop - p) - (stop > p && stop[-1] == '\r');
}

/* The value of a "data" line, or NULL when the line is something else. */
static const char *data_of_line(const char *line, size_t len, size_t *ret_len)
{
	if (len < 5 || memcmp(line, "data:", 5) != 0)
		return NULL;
	line += 5;
	len -= 5;
	if (len && *line == ' ') {
		line++;
		len--;
	}
	*ret_len = len;
	return line;
}

/* A choice's own "finish_reason" with a value. */
static void read_choice(struct openai_stream *s, const struct json_span *choice)
{
	enum { INDEX, REASON, FIELDS };
	struct json_member m[FIELDS] = {[INDEX] = {.name = "index"}, [REASON] = {.name = "finish_reason"}};
	uint64_t index = 0, bit;

	if (json_scan_object(choice->at, choice->len, m, FIELDS, NULL) < 0 || !wire_given(&m[REASON].value) ||
	    (m[INDEX].count && json_number_u64(&m[INDEX].value, &index) < 0) || index >= 128)
		return;
	bit = 1ull << index % 64;
	if (s->finished_bits[index / 64] & bit)
		return;
	s->finished_bits[index / 64] |= bit;
	s->finished++;
}

/* Nearly every event ends with this, and then a second look at its choices would be for nothing: of several choices in
 * one event, which no provider is known to send, one before the last may have finished, so only a call for one choice
 * can skip it. */
static bool surely_unfinished(const struct openai_stream *s, const struct json_span *choices)
{
	static const char tail[] = "\"finish_reason\":null}]";
	const size_t n = sizeof(tail) - 1;

	return s->choices == 1 && choices->len > n && memcmp(choices->at + choices->len - n, tail, n) == 0;
}

static void read_choices(struct openai_stream *s, const struct json_span *choices)
{
	struct json_span choice;
	struct json_iter it;

	if (choices->type != JSON_SPAN_ARRAY || surely_unfinished(s, choices) || json_iter_init(&it, choices) < 0)
		return;
	while (json_iter_next(&it, NULL, &choice) == 1)
		read_choice(s, &choice);
}

static void read_usage(struct openai_stream *s, const struct json_span *v)
{
	int rc;

	if (!wire_given(v))
		return;
	rc = openai_read_usage(v, true, &s->usage, &s->usage_inconsistent);
	if (rc == ERR_NOT_FOUND)
		return;
	s->have_usage = rc == 0;
	s->usage_malformed = rc < 0;
}

/* Reads an event's data; false when the event is not for the client. */
static bool judge_data(struct openai_stream *s, const char *data, size_t len)
{
	enum { CHOICES, USAGE, ERROR, FIELDS };
	struct json_member m[FIELDS] = {
		[CHOICES] = {.name = "choices"}, [USAGE] = {.name = "usage"}, [ERROR] = {.name = "error"}};
	const struct json_span *choices = &m[CHOICES].value;

	if (len == 6 && memcmp(data, "[DONE]", 6) == 0) {
		s->done_seen = true;
		return true;
	}
	if (json_scan_object(data, len, m, FIELDS, NULL) < 0)
		return true; /* not ours to mend */
	if (wire_given(&m[ERROR].value))
		s->error_seen = true;
	read_usage(s, &m[USAGE].value);
	if (s->strip_usage && wire_given(&m[USAGE].value) && !wire_given(&m[ERROR].value) &&
	    (!wire_given(choices) || json_is_empty(choices)))
		return false;
	read_choices(s, choices);
	s->content_bytes += m[CHOICES].string_bytes;
	return true;
}

/* Several data lines in one event are one value with newlines in between. */
static int judge_lines(struct openai_stream *s, const char *ev, size_t len, bool *ret_forward)
{
	_cleanup_(buf_done) struct buf joined = BUF_INIT;
	const char *end = ev + len, *next, *data;
	size_t n, data_len;

	for (const char *p = ev; p < end; p = next) {
		n = line_len(p, end, &next);
		data = data_of_line(p, n, &data_len);
		if (!data)
			continue;
		if (joined.len)
			buf_putc(&joined, '\n');
		buf_append(&joined, data, data_len);
	}
	if (joined.failed)
		return ERR_NOMEM;
	*ret_forward = judge_data(s, joined.data ? joined.data : "", joined.len);
	return 0;
}

/* One event, blank line included. */
static int judge_event(struct openai_stream *s, const char *ev, size_t len, bool *ret_forward)
{
	const char *end = ev + len, *next, *data, *found = NULL;
	size_t n, data_len, found_len = 0;

	*ret_forward = true;
	for (const char *p = ev; p < end; p = next) {
		n = line_len(p, end, &next);
		data = data_of_line(p, n, &data_len);
		if (!data)
			continue;
		if (found)
			return judge_lines(s, ev, len, ret_forward);
		found = data;
		found_len = data_len;
	}
	if (found)
		*ret_forward = judge_data(s, found, found_len);
	return 0;
}

/* ---- events in the stream */

/* What follows the first event of [p, end), or NULL when it isn't complete. */
static const char *event_end(const char *p, const char *end)
{
	const char *nl;

	for (; p < end && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1)
		if (nl == p || (nl == p + 1 && *p == '\r'))
			return nl + 1;
	return NULL;
}

/* The beginning of an event whose end is still to come. */
static int keep(struct openai_stream *s, const char *data, size_t len)
{
	const char *last;
	int rc = buf_append(&s->line, data, len);

	if (rc < 0)
		return rc == ERR_FULL ? ERR_PROTO : rc;
	last = memrchr(data, '\n', len);
	if (last)
		s->line_start = s->line.len - len + (size_t)(last - data) + 1;
	return 0;
}

/* D4: where an event goes that was just judged. */
static int forward_event(struct openai_stream *s, const char *ev, size_t len, struct buf *out)
{
	int rc = buf_append(s->done_seen ? &s->held : out, ev, len);

	return rc == ERR_FULL && s->done_seen ? ERR_PROTO : rc;
}

/* Goes on with the event in s->line. *ret_used: how much of the input belongs to it. */
static int feed_kept(struct openai_stream *s, const char *data, size_t len, struct buf *out, size_t *ret_used)
{
	const char *p = data, *end = data + len, *nl;
	bool forward;
	int rc = 0;

	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p)))) {
		size_t before = s->line.len - s->line_start, more = (size_t)(nl - p);
		bool blank = before + more == 0 ||
			     (before + more == 1 && (before ? s->line.data[s->line_start] : *p) == '\r');

		rc = keep(s, p, more + 1);
		if (rc < 0)
			return rc;
		p = nl + 1;
		if (!blank)
			continue;
		rc = judge_event(s, s->line.data, s->line.len, &forward);
		if (rc == 0 && forward)
			rc = forward_event(s, s->line.data, s->line.len, out);
		buf_reset(&s->line);
		s->line_start = 0;
		*ret_used = (size_t)(p - data);
		return rc;
	}
	*ret_used = len;
	return keep(s, p, (size_t)(end - p));
}

/* The events from [DONE] on, which are few. */
static int feed_held(struct openai_stream *s, const char *p, const char *end)
{
	const char *next;
	bool forward;
	int rc;

	for (; (next = event_end(p, end)); p = next) {
		rc = judge_event(s, p, (size_t)(next - p), &forward);
		if (rc == 0 && forward)
			rc = forward_event(s, p, (size_t)(next - p), NULL);
		if (rc < 0)
			return rc;
	}
	return p == end ? 0 : keep(s, p, (size_t)(end - p));
}

int openai_stream_feed(struct openai_stream *s, const char *data, size_t len, struct buf *out)
{
	const char *p = data, *end = data + len, *run, *next;
	size_t used;
	bool forward;
	int rc;

	if (!len)
		return 0;
	if (s->line.len) {
		rc = feed_kept(s, data, len, out, &used);
		if (rc < 0)
			return rc;
		p += used;
	}
	if (s->done_seen)
		return feed_held(s, p, end);
	for (run = p; (next = event_end(p, end)); p = next) {
		rc = judge_event(s, p, (size_t)(next - p), &forward);
		if (rc < 0)
			return rc;
		if (forward && !s->done_seen)
			continue;
		rc = buf_append(out, run, (size_t)(p - run));
		if (rc == 0 && s->done_seen)
			rc = forward_event(s, p, (size_t)(next - p), out);
		if (rc < 0 || s->done_seen)
			return rc < 0 ? rc : feed_held(s, next, end);
		run = next;
	}
	rc = buf_append(out, run, (size_t)(p - run));
	return rc < 0 || p == end ? rc : keep(s, p, (size_t)(end - p));
}

int openai_stream_end(struct openai_stream *s, struct buf *out)
{
	bool forward;
	int rc;

	if (!s->line.len)
		return 0;
	rc = judge_event(s, s->line.data, s->line.len, &forward);
	if (rc == 0 && forward)
		rc = forward_event(s, s->line.data, s->line.len, out);
	buf_reset(&s->line);
	s->line_start = 0;
	return rc;
}

bool openai_stream_complete(const struct openai_stream *s)
{
	return s->done_seen || s->finished >= s->choices;
}

int openai_stream_release(struct openai_stream *s, struct buf *out)
{
	int rc = s->held.len ? buf_append(out, s->held.data, s->held.len) : 0;

	if (rc == 0)
		buf_reset(&s->held);
	return rc;
}
