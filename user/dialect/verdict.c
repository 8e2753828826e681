/* What a provider's answer other than 200 means. By status and by code, never by the words of a message: those are for
 * people, and quote what the client wrote. */
#include "dialect/wire.h"

#include "base/json_text.h"
#include "base/num.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- texts of the body */

/* Cut at a character's end. */
static void copy_text(const struct json_span *v, char *ret, size_t size)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	size_t n = 0, step;

	if (v->type != JSON_SPAN_STRING || json_unescape(v->at + 1, v->len - 2, &text) < 0)
		return;
	while (n < text.len && (step = utf8_sequence_len(text.data + n, text.len - n)) && n + step < size)
		n += step;
	if (n)
		memcpy(ret, text.data, n);
	ret[n] = '\0';
}

/* Codes that are numbers ("code": 429) say no more than the status. */
static void read_members(const struct json_span *error, struct dialect_provider_error *ret,
			 struct json_span *ret_details)
{
	enum { MESSAGE, TYPE, STATUS, PARAM, CODE, DETAILS, FIELDS };
	struct json_member m[FIELDS] = {
		[MESSAGE] = {.name = "message"}, [TYPE] = {.name = "type"}, [STATUS] = {.name = "status"},
		[PARAM] = {.name = "param"},     [CODE] = {.name = "code"}, [DETAILS] = {.name = "details"}};

	if (json_scan_object(error->at, error->len, m, FIELDS, NULL) < 0)
		return;
	ret->understood = true;
	copy_text(&m[MESSAGE].value, ret->message, sizeof(ret->message));
	copy_text(&m[TYPE].value, ret->type, sizeof(ret->type));
	if (!ret->type[0])
		copy_text(&m[STATUS].value, ret->type, sizeof(ret->type));
	copy_text(&m[PARAM].value, ret->param, sizeof(ret->param));
	copy_text(&m[CODE].value, ret->code, sizeof(ret->code));
	*ret_details = m[DETAILS].value;
}

/* {"error":{...}}, in an array from Gemini's streams that aren't SSE; {"error":"text"} and {"message":"text"} from
 * compatible servers and from Azure's front. */
static void read_body(const char *body, size_t len, struct dialect_provider_error *ret, struct json_span *ret_details)
{
	enum { ERROR, MESSAGE, FIELDS };
	struct json_member m[FIELDS] = {[ERROR] = {.name = "error"}, [MESSAGE] = {.name = "message"}};
	struct json_span whole, first;
	struct json_iter it;

	if (json_scan_value(body, len, &whole, NULL) < 0)
		return;
	if (whole.type == JSON_SPAN_ARRAY && json_iter_init(&it, &whole) == 0 && json_iter_next(&it, NULL, &first) == 1)
		whole = first;
	if (whole.type != JSON_SPAN_OBJECT || json_scan_object(whole.at, whole.len, m, FIELDS, NULL) < 0)
		return;
	if (m[ERROR].value.type == JSON_SPAN_OBJECT) {
		read_members(&m[ERROR].value, ret, ret_details);
		return;
	}
	if (m[ERROR].value.type == JSON_SPAN_STRING)
		copy_text(&m[ERROR].value, ret->message, sizeof(ret->message));
	else
		copy_text(&m[MESSAGE].value, ret->message, sizeof(ret->message));
	ret->understood = ret->message[0] != '\0';
}

/* ---- Google's details */

/* "34s", "34.074824224s" */
static bool read_delay(const struct json_span *v, uint64_t *ret_ms)
{
	const char *p = v->at + 1, *end = v->at + v->len - 1;
	const char *dot = memchr(p, '.', (size_t)(end - p));
	uint64_t s, ms = 0;

	if (v->type != JSON_SPAN_STRING || v->len < 4 || end[-1] != 's')
		return false;
	if (num_parse_u64(p, (size_t)((dot ? dot : end - 1) - p), &s) < 0 || s > UINT32_MAX)
		return false;
	for (unsigned i = 0, scale = 100; dot && i < 3; i++, scale /= 10)
		if (dot + 1 + i < end - 1)
			ms += (uint64_t)(dot[1 + i] - '0') % 10 * scale;
	*ret_ms = s * 1000 + ms + (dot != NULL);
	return true;
}

static bool ends_with(const struct json_span *s, const char *tail)
{
	size_t n = strlen(tail);

	return s->type == JSON_SPAN_STRING && s->len >= n + 2 && memcmp(s->at + s->len - 1 - n, tail, n) == 0;
}

/* A quota of the day comes back tomorrow; that of a minute is a rate limit. */
static bool is_daily(const struct json_span *violations)
{
	struct json_member m = {.name = "quotaId"};
	struct json_span v;
	struct json_iter it;

	if (violations->type != JSON_SPAN_ARRAY || json_iter_init(&it, violations) < 0)
		return false;
	while (json_iter_next(&it, NULL, &v) == 1)
		if (v.type == JSON_SPAN_OBJECT && json_scan_object(v.at, v.len, &m, 1, NULL) == 0 &&
		    m.value.type == JSON_SPAN_STRING && memmem(m.value.at, m.value.len, "PerDay", 6))
			return true;
	return false;
}

static void read_details(const struct json_span *details, struct dialect_provider_error *ret)
{
	enum { TYPE, DELAY, REASON, VIOLATIONS, FIELDS };
	struct json_member m[FIELDS] = {[TYPE] = {.name = "@type"},
					[DELAY] = {.name = "retryDelay"},
					[REASON] = {.name = "reason"},
					[VIOLATIONS] = {.name = "violations"}};
	struct json_span v;
	struct json_iter it;

	if (details->type != JSON_SPAN_ARRAY || json_iter_init(&it, details) < 0)
		return;
	while (json_iter_next(&it, NULL, &v) == 1) {
		if (v.type != JSON_SPAN_OBJECT || json_scan_object(v.at, v.len, m, FIELDS, NULL) < 0)
			continue;
		if (ends_with(&m[TYPE].value, "google.rpc.RetryInfo"))
			read_delay(&m[DELAY].value, &ret->retry_after_ms);
		else if (ends_with(&m[TYPE].value, "google.rpc.ErrorInfo") && !ret->code[0])
			copy_text(&m[REASON].value, ret->code, sizeof(ret->code));
		else if (ends_with(&m[TYPE].value, "google.rpc.QuotaFailure") && is_daily(&m[VIOLATIONS].value))
			ret->verdict = DIALECT_QUOTA_EXHAUSTED;
	}
}

/* ---- the verdict */

static const struct {
	const char *name; /* a code or a type */
	enum dialect_verdict verdict;
} codes[] = {
	/* OpenAI and Azure */
	{"credit_balance_exhausted", DIALECT_QUOTA_EXHAUSTED},
	{"organization_spend_limit_exceeded", DIALECT_QUOTA_EXHAUSTED},
	{"project_spend_limit_exceeded", DIALECT_QUOTA_EXHAUSTED},
	{"organization_usage_limit_exceeded", DIALECT_QUOTA_EXHAUSTED},
	{"insufficient_quota", DIALECT_QUOTA_EXHAUSTED},
	{"billing_hard_limit_reached", DIALECT_QUOTA_EXHAUSTED},
	{"billing_not_active", DIALECT_QUOTA_EXHAUSTED},
	{"server_is_overloaded", DIALECT_OVERLOADED},
	{"rate_limit_exceeded", DIALECT_RATE_LIMITED},
	{"slow_down", DIALECT_RATE_LIMITED},
	{"invalid_api_key", DIALECT_CREDENTIALS},
	{"model_not_found", DIALECT_NO_MODEL},
	{"DeploymentNotFound", DIALECT_NO_MODEL},
	/* Anthropic */
	{"billing_error", DIALECT_QUOTA_EXHAUSTED},
	{"overloaded_error", DIALECT_OVERLOADED},
	{"rate_limit_error", DIALECT_RATE_LIMITED},
	{"authentication_error", DIALECT_CREDENTIALS},
	{"permission_error", DIALECT_CREDENTIALS},
	/* Google */
	{"BILLING_DISABLED", DIALECT_QUOTA_EXHAUSTED},
	{"API_KEY_INVALID", DIALECT_CREDENTIALS},
	{"UNAVAILABLE", DIALECT_OVERLOADED},
	{"RESOURCE_EXHAUSTED", DIALECT_RATE_LIMITED},
};

static bool by_code(const char *name, enum dialect_verdict *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (*name && strcmp(codes[i].name, name) == 0) {
			*ret = codes[i].verdict;
			return true;
		}
	return false;
}

static enum dialect_verdict by_status(int status, const struct dialect_provider_error *e)
{
	switch (status) {
	case 401:
	case 403:
		return DIALECT_CREDENTIALS;
	case 402:
		return DIALECT_QUOTA_EXHAUSTED;
	case 404: /* of something else that the client named: a file, a stored response */
		return e->param[0] && strcmp(e->param, "model") != 0 ? DIALECT_CLIENT_ERROR : DIALECT_NO_MODEL;
	case 408:
		return DIALECT_SERVER_ERROR;
	case 429:
		return DIALECT_RATE_LIMITED;
	case 503:
	case 529:
		return DIALECT_OVERLOADED;
	default:
		return status >= 400 && status < 500 ? DIALECT_CLIENT_ERROR : DIALECT_SERVER_ERROR;
	}
}

void dialect_provider_error_read(enum provider_kind kind, int status, const char *body, size_t len,
				 struct dialect_provider_error *ret)
{
	struct json_span details = {.type = JSON_SPAN_ABSENT};

	(void)kind; /* a compatible server may speak another dialect's errors: they don't contradict each other */
	*ret = (struct dialect_provider_error){.verdict = DIALECT_CLIENT_ERROR};
	read_body(body, len, ret, &details);
	read_details(&details, ret);
	if (ret->verdict == DIALECT_QUOTA_EXHAUSTED || status == 402) {
		ret->verdict = DIALECT_QUOTA_EXHAUSTED;
		return;
	}
	if (by_code(ret->code, &ret->verdict) || by_code(ret->type, &ret->verdict))
		return;
	ret->verdict = by_status(status, ret);
}

/* ---- Retry-After */

/* Decimal, fraction allowed, in thousandths rounded up. */
static bool read_thousandths(const char *s, uint64_t *ret)
{
	size_t whole = strspn(s, "0123456789"), fraction = 0;
	uint64_t n = 0;

	if (!whole || whole > 12)
		return false;
	if (num_parse_u64(s, whole, &n) < 0)
		return false;
	n *= 1000;
	if (s[whole] == '.') {
		const char *f = s + whole + 1;

		fraction = strspn(f, "0123456789") + 1;
		for (unsigned i = 0, scale = 100; i < 3 && i + 1 < fraction; i++, scale /= 10)
			n += (uint64_t)(f[i] - '0') * scale;
		n += fraction > 4;
	}
	s += whole + fraction;
	if (s[strspn(s, " \t")])
		return false;
	*ret = n;
	return true;
}

static int month_of(const char *name)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (strncmp(months + 3 * i, name, 3) == 0)
			return i;
	return -1;
}

/* RFC 9110's three: "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". */
static bool read_date(const char *s, int64_t *ret_s)
{
	struct tm tm = {0};
	char month[4] = "", zone[4] = "";
	int n = 0;

	if (sscanf(s, "%*3[A-Za-z], %2d %3s %4d %2d:%2d:%2d %3s%n", &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec, zone, &n) == 7) {
		tm.tm_year -= 1900;
	} else if (sscanf(s, "%*[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d %3s%n", &tm.tm_mday, month, &tm.tm_year,
			  &tm.tm_hour, &tm.tm_min, &tm.tm_sec, zone, &n) == 7) {
		tm.tm_year += tm.tm_year < 70 ? 100 : 0;
	} else if (sscanf(s, "%*3[A-Za-z] %3s %2d %2d:%2d:%2d %4d%n", month, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
			  &tm.tm_sec, &tm.tm_year, &n) == 6) {
		tm.tm_year -= 1900;
		strcpy(zone, "GMT");
	} else {
		return false;
	}
	tm.tm_mon = month_of(month);
	if (strcmp(zone, "GMT") != 0 || s[n] || tm.tm_mon < 0 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0 || tm.tm_year < 0)
		return false;
	*ret_s = timegm(&tm);
	return true;
}

bool dialect_retry_after(const char *after_ms, const char *after, int64_t now_s, uint64_t *ret_ms)
{
	uint64_t n;
	int64_t at;

	if (after_ms && read_thousandths(after_ms, &n)) {
		*ret_ms = (n + 999) / 1000;
		return true;
	}
	if (!after)
		return false;
	if (read_thousandths(after, &n)) {
		*ret_ms = n;
		return true;
	}
	if (!read_date(after, &at))
		return false;
	*ret_ms = at > now_s ? (uint64_t)(at - now_s) * 1000 : 0;
	return true;
}
