/* Goal: J1 to J3 of json_scan.h. Method: the same bytes to jansson; both accept or both refuse, but for what
 * json_scan.h documents. Then a walk over the members must count what jansson counted, and a second scan of every span must
 * accept it. */
#include "base/json_scan.h"

#include <jansson.h>
#include <string.h>

#define REQUIRE(x)                                                                                                     \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

/* What jansson refuses and we don't, on purpose: numbers' range, lone surrogates, \u0000 in names and strings; and its
 * own bound on nesting. */
static bool documented(const json_error_t *e)
{
	enum json_error_code code = json_error_code(e);

	return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
	       code == json_error_null_character || code == json_error_stack_overflow ||
	       strstr(e->text, "invalid Unicode '\\u");
}

/* As many as jansson has; a name given twice counts once there. */
static void walk(const struct json_span *v, const json_t *want, unsigned depth)
{
	struct json_span name, child, again;
	struct json_iter it;
	size_t n = 0, distinct;
	int rc;

	REQUIRE(v->len > 0 && json_scan_value(v->at, v->len, &again, NULL) == 0);
	REQUIRE(again.type == v->type && again.len == v->len);
	REQUIRE((v->type == JSON_SPAN_OBJECT) == json_is_object(want) &&
		(v->type == JSON_SPAN_ARRAY) == json_is_array(want));
	REQUIRE((v->type == JSON_SPAN_STRING) == json_is_string(want) &&
		(v->type == JSON_SPAN_NUMBER) == json_is_number(want));
	if (v->type == JSON_SPAN_STRING)
		REQUIRE(json_string_is(v, json_string_value(want)));
	if (json_iter_init(&it, v) < 0)
		return;
	while ((rc = json_iter_next(&it, &name, &child)) == 1) {
		if (v->type == JSON_SPAN_ARRAY && depth < 3)
			walk(&child, json_array_get(want, n), depth + 1);
		n++;
	}
	REQUIRE(rc == 0 && json_is_empty(v) == (n == 0));
	distinct = v->type == JSON_SPAN_OBJECT ? json_object_size(want) : json_array_size(want);
	REQUIRE(v->type == JSON_SPAN_OBJECT ? n >= distinct : n == distinct);
}

static void members(const char *text, size_t len, json_t *want)
{
	struct json_member m[] = {{.name = "a"}, {.name = "model"}, {.name = "\xc3\xa9"}};

	REQUIRE((json_scan_object(text, len, m, ARRAY_SIZE(m), NULL) == 0) == json_is_object(want));
	for (size_t i = 0; json_is_object(want) && i < ARRAY_SIZE(m); i++) {
		json_t *v = json_object_get(want, m[i].name);

		REQUIRE((v != NULL) == (m[i].count > 0) && (v != NULL) == (m[i].value.type != JSON_SPAN_ABSENT));
		if (v)
			walk(&m[i].value, v, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct json_fault fault = {.at = 0};
	struct json_span v;
	json_error_t jerr;
	json_t *want;
	int rc;

	rc = json_scan_value(text, size, &v, &fault);
	want = json_loadb(text, size, JSON_DECODE_ANY, &jerr);
	if (rc < 0)
		REQUIRE(fault.what && fault.at <= size);
	if (rc == 0 && !want)
		REQUIRE(documented(&jerr));
	if (want) /* jansson takes a NUL behind the value for the end */
		REQUIRE(rc == 0 || rc == ERR_RANGE || memchr(text, '\0', size));
	if (want && rc == 0) {
		walk(&v, want, 0);
		members(text, size, want);
	}
	json_decref(want);
	return 0;
}
