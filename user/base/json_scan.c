#include "base/json_scan.h"

#include "base/json_text.h"
#include "base/num.h"
#include "base/utf8.h"

#include <string.h>

#if defined(__SSE2__) && !defined(JSON_SCAN_PORTABLE)
#include <emmintrin.h>
#endif

struct scan {
	const char *end;
	const char *at; /* of the fault */
	const char *what;
	int rc;
	struct json_member *want;
	size_t n_want;
};

static const char *fault(struct scan *s, const char *at, int rc, const char *what)
{
	s->at = at;
	s->rc = rc;
	s->what = what;
	return NULL;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* ---- strings */

static bool plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The first byte from p on that isn't plain text, or end. */
static const char *skip_plain(const char *p, const char *end)
{
#if defined(__SSE2__) && !defined(JSON_SCAN_PORTABLE)
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);

	while (end - p >= 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* Signed: control characters and bytes from 0x80 on are both below the space. */
		__m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash)),
					   _mm_cmplt_epi8(x, space));
		unsigned mask = (unsigned)_mm_movemask_epi8(odd);

		if (mask)
			return p + __builtin_ctz(mask);
		p += 16;
	}
#else
	const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

	while (end - p >= 8) {
		uint64_t x, q, b;

		memcpy(&x, p, 8);
		q = x ^ ones * '"';
		b = x ^ ones * '\\';
		/* A borrow may raise a byte above the first hit, never below it: the byte loop decides from here. */
		if (((x | (x - ones * 0x20) | (q - ones) | (b - ones)) & highs) != 0)
			break;
		p += 8;
	}
#endif
	while (p < end && plain((unsigned char)*p))
		p++;
	return p;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* p is at the backslash; returns what follows the escape, or NULL. */
static const char *skip_escape(const char *p, const char *end)
{
	if (end - p < 2)
		return NULL;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return p + 2;
	case 'u':
		if (end - p < 6 || !is_hex(p[2]) || !is_hex(p[3]) || !is_hex(p[4]) || !is_hex(p[5]))
			return NULL;
		return p + 6;
	default:
		return NULL;
	}
}

/* p is after the opening quote; returns what follows the closing one. */
static const char *skip_string(struct scan *s, const char *p, bool *ret_escaped)
{
	size_t n;

	for (;;) {
		p = skip_plain(p, s->end);
		if (p == s->end)
			return fault(s, p, ERR_INVAL, "string without an end");
		if (*p == '"')
			return p + 1;
		if (*p == '\\') {
			const char *next = skip_escape(p, s->end);

			if (!next)
				return fault(s, p, ERR_INVAL, "bad escape in a string");
			*ret_escaped = true;
			p = next;
			continue;
		}
		if ((unsigned char)*p < 0x20)
			return fault(s, p, ERR_INVAL, "control character in a string");
		while (p < s->end && (unsigned char)*p >= 0x80) {
			n = utf8_sequence_len(p, (size_t)(s->end - p));
			if (!n)
				return fault(s, p, ERR_INVAL, "invalid UTF-8");
			p += n;
		}
	}
}

/* ---- numbers and words */

static const char *skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static const char *skip_number(struct scan *s, const char *p)
{
	const char *start = p, *digits;

	if (*p == '-')
		p++;
	digits = p;
	p = skip_digits(p, s->end);
	if (p == digits || (*digits == '0' && p - digits > 1))
		return fault(s, start, ERR_INVAL, "bad number");
	if (p < s->end && *p == '.') {
		digits = ++p;
		p = skip_digits(p, s->end);
		if (p == digits)
			return fault(s, start, ERR_INVAL, "bad number");
	}
	if (p < s->end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < s->end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, s->end);
		if (p == digits)
			return fault(s, start, ERR_INVAL, "bad number");
	}
	return p;
}

static const char *skip_word(struct scan *s, const char *p, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - p) < len || memcmp(p, word, len) != 0)
		return fault(s, p, ERR_INVAL, "unexpected character");
	return p + len;
}

/* A string, number or word at p. */
static const char *skip_scalar(struct scan *s, const char *p, struct json_span *ret)
{
	const char *start = p;

	ret->escaped = false;
	switch (*p) {
	case '"':
		ret->type = JSON_SPAN_STRING;
		p = skip_string(s, p + 1, &ret->escaped);
		break;
	case 't':
		ret->type = JSON_SPAN_TRUE;
		p = skip_word(s, p, "true");
		break;
	case 'f':
		ret->type = JSON_SPAN_FALSE;
		p = skip_word(s, p, "false");
		break;
	case 'n':
		ret->type = JSON_SPAN_NULL;
		p = skip_word(s, p, "null");
		break;
	case '-':
	case '0' ... '9':
		ret->type = JSON_SPAN_NUMBER;
		p = skip_number(s, p);
		break;
	default:
		return fault(s, p, ERR_INVAL, "unexpected character");
	}
	ret->at = start;
	ret->len = p ? (size_t)(p - start) : 0;
	return p;
}

/* ---- names */

static struct json_member *wanted(struct scan *s, const struct json_span *name)
{
	const char *text = name->at + 1;
	size_t len = name->len - 2;

	for (struct json_member *m = s->want; m < s->want + s->n_want; m++)
		if ((name->escaped || len == m->name_len) &&
		    json_content_is(text, len, name->escaped, m->name, m->name_len))
			return m;
	return NULL;
}

/* ---- structure */

/* One bit per open bracket: set in an object. */
struct nesting {
	unsigned depth;
	uint64_t bits[JSON_DEPTH_MAX / 64];
};

static bool nest_open(struct nesting *n, bool object)
{
	uint64_t bit = 1ull << (n->depth % 64);

	if (n->depth == JSON_DEPTH_MAX)
		return false;
	if (object)
		n->bits[n->depth / 64] |= bit;
	else
		n->bits[n->depth / 64] &= ~bit;
	n->depth++;
	return true;
}

static bool nest_in_object(const struct nesting *n)
{
	return n->bits[(n->depth - 1) / 64] >> ((n->depth - 1) % 64) & 1;
}

/* `"name" :` at p; returns what follows the colon. */
static const char *skip_name(struct scan *s, const char *p, struct json_span *ret)
{
	p = skip_space(p, s->end);
	if (p == s->end || *p != '"')
		return fault(s, p, ERR_INVAL, "expected a name in quotes");
	p = skip_scalar(s, p, ret);
	if (!p)
		return NULL;
	p = skip_space(p, s->end);
	if (p == s->end || *p != ':')
		return fault(s, p, ERR_INVAL, "expected a colon");
	return p + 1;
}

static void member_begin(struct json_member *m, const char *at, char c)
{
	m->count++;
	m->string_bytes = 0;
	m->value = (struct json_span){.at = at, .type = c == '{' ? JSON_SPAN_OBJECT : JSON_SPAN_ARRAY};
}

static void member_scalar(struct json_member *m, const struct json_span *v, bool whole)
{
	if (v->type == JSON_SPAN_STRING)
		m->string_bytes += v->len - 2;
	if (whole)
		m->value = *v;
}

/* One value at p, whatever it holds; returns what follows it. Members of the outermost object are matched against
 * s->want. */
static const char *skip_value(struct scan *s, const char *p, struct json_span *ret)
{
	struct json_member *member = NULL;
	struct nesting nest = {0};
	struct json_span v, name;

	ret->at = p;
	ret->escaped = false;
	ret->type = p < s->end && *p == '{' ? JSON_SPAN_OBJECT : JSON_SPAN_ARRAY;
value:
	p = skip_space(p, s->end);
	if (p == s->end)
		return fault(s, p, ERR_INVAL, "unexpected end");
	if (member && nest.depth == 1)
		member_begin(member, p, *p);
	if (*p != '{' && *p != '[') {
		p = skip_scalar(s, p, &v);
		if (!p)
			return NULL;
		if (member)
			member_scalar(member, &v, nest.depth == 1);
		if (nest.depth == 0) {
			*ret = v;
			return p;
		}
		goto after_value;
	}
	if (!nest_open(&nest, *p == '{'))
		return fault(s, p, ERR_RANGE, "nested too deeply");
	p = skip_space(p + 1, s->end);
	if (p < s->end && *p == (nest_in_object(&nest) ? '}' : ']'))
		goto close;
	if (!nest_in_object(&nest))
		goto value;
name:
	p = skip_name(s, p, &name);
	if (!p)
		return NULL;
	if (nest.depth == 1)
		member = s->n_want ? wanted(s, &name) : NULL;
	goto value;
after_value:
	p = skip_space(p, s->end);
	if (p == s->end)
		return fault(s, p, ERR_INVAL, "unexpected end");
	if (*p == ',') {
		p++;
		if (nest_in_object(&nest))
			goto name;
		goto value;
	}
	if (*p != (nest_in_object(&nest) ? '}' : ']'))
		return fault(s, p, ERR_INVAL, "expected a comma or the closing bracket");
close:
	p++;
	nest.depth--;
	if (nest.depth == 0) {
		ret->len = (size_t)(p - ret->at);
		return p;
	}
	if (member && nest.depth == 1)
		member->value.len = (size_t)(p - member->value.at);
	goto after_value;
}

/* ---- whole texts */

static int scan_text(struct scan *s, const char *text, struct json_span *ret, struct json_fault *ret_fault)
{
	const char *p = skip_value(s, skip_space(text, s->end), ret);

	if (p) {
		p = skip_space(p, s->end);
		if (p != s->end)
			fault(s, p, ERR_INVAL, "more after the value");
	}
	if (s->rc < 0 && ret_fault)
		*ret_fault = (struct json_fault){.at = (size_t)(s->at - text), .what = s->what};
	return s->rc;
}

int json_scan_object(const char *text, size_t len, struct json_member *want, size_t n_want,
		     struct json_fault *ret_fault)
{
	struct scan s = {.end = text + len, .want = want, .n_want = n_want};
	struct json_span whole;
	const char *p = skip_space(text, s.end);

	for (size_t i = 0; i < n_want; i++)
		want[i] = (struct json_member){.name = want[i].name, .name_len = strlen(want[i].name)};
	if (p < s.end && *p != '{') {
		if (ret_fault)
			*ret_fault = (struct json_fault){.at = (size_t)(p - text), .what = "expected an object"};
		return ERR_INVAL;
	}
	return scan_text(&s, text, &whole, ret_fault);
}

int json_scan_value(const char *text, size_t len, struct json_span *ret, struct json_fault *ret_fault)
{
	struct scan s = {.end = text + len};
	struct json_span v;
	int rc = scan_text(&s, text, &v, ret_fault);

	if (rc == 0)
		*ret = v;
	return rc;
}

/* ---- inside a value */

int json_iter_init(struct json_iter *it, const struct json_span *container)
{
	if (container->type != JSON_SPAN_OBJECT && container->type != JSON_SPAN_ARRAY)
		return ERR_INVAL;
	*it = (struct json_iter){
		.at = container->at + 1, .end = container->at + container->len, .type = container->type, .first = true};
	return 0;
}

int json_iter_next(struct json_iter *it, struct json_span *ret_name, struct json_span *ret)
{
	struct scan s = {.end = it->end};
	struct json_span name, v;
	const char *p = skip_space(it->at, it->end);

	if (p == it->end)
		return ERR_INVAL;
	if (*p == (it->type == JSON_SPAN_OBJECT ? '}' : ']')) {
		it->at = p;
		return 0;
	}
	if (!it->first && *p++ != ',')
		return ERR_INVAL;
	if (it->type == JSON_SPAN_OBJECT) {
		p = skip_name(&s, p, &name);
		if (!p)
			return s.rc;
	}
	p = skip_value(&s, skip_space(p, it->end), &v);
	if (!p)
		return s.rc;
	it->at = p;
	it->first = false;
	*ret = v;
	if (ret_name && it->type == JSON_SPAN_OBJECT)
		*ret_name = name;
	return 1;
}

bool json_is_empty(const struct json_span *container)
{
	const char *end = container->at + container->len, *p = skip_space(container->at + 1, end);

	return p < end && (*p == '}' || *p == ']');
}

bool json_string_is(const struct json_span *s, const char *text)
{
	return s->type == JSON_SPAN_STRING && json_content_is(s->at + 1, s->len - 2, s->escaped, text, strlen(text));
}

int json_number_u64(const struct json_span *s, uint64_t *ret)
{
	if (s->type != JSON_SPAN_NUMBER)
		return ERR_INVAL;
	return num_parse_u64(s->at, s->len, ret);
}
