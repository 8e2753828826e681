/* Goal: base URLs are taken apart rightly or refused. Method: table rows. */
#include "upstream/internal.h"

#include <criterion/criterion.h>

struct row {
	const char *text;
	bool ok, tls, numeric;
	unsigned port;
	const char *host, *authority, *prefix;
};

static const struct row rows[] = {
	{"http://example.com", true, false, false, 80, "example.com", "example.com", ""},
	{"https://api.openai.com/v1", true, true, false, 443, "api.openai.com", "api.openai.com", "/v1"},
	{"HTTPS://h:8443/a/b/", true, true, false, 8443, "h", "h:8443", "/a/b"},
	{"http://127.0.0.1:9000/", true, false, true, 9000, "127.0.0.1", "127.0.0.1:9000", ""},
	{"http://[::1]", true, false, true, 80, "::1", "[::1]", ""},
	{"https://[fe80::1]:444/x", true, true, true, 444, "fe80::1", "[fe80::1]:444", "/x"},
	{"https://h:443", true, true, false, 443, "h", "h", ""},
	{.text = ""},
	{.text = "ftp://h"},
	{.text = "h:80"},
	{.text = "http://"},
	{.text = "http:///x"},
	{.text = "http://:80"},
	{.text = "http://h:"},
	{.text = "http://h:0"},
	{.text = "http://h:65536"},
	{.text = "http://h:8x"},
	{.text = "http://user:pw@h/"},
	{.text = "http://user@h/"},
	{.text = "http://a b/"},
	{.text = "http://h\r\nX: y/"},
	{.text = "http://[::1"},
	{.text = "http://[::1]x"},
	{.text = "http://[h]"},
	{.text = "http://h/a?b"},
	{.text = "http://h/a#b"},
	{.text = "http://h/a b"},
	{.text = "http://h/a\r\nX: y"},
};

Test(url, rows)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct upstream_url u = {.port = 7};
		struct err err = {0};
		int rc = upstream_url_parse(r->text, &u, &err);

		if (!r->ok) {
			cr_expect_eq(rc, ERR_INVAL, "'%s'", r->text);
			cr_expect_eq(u.port, 7, "'%s': out parameter touched", r->text);
			continue;
		}
		cr_assert_eq(rc, 0, "'%s': %s", r->text, err.msg);
		cr_expect_eq(u.tls, r->tls, "'%s'", r->text);
		cr_expect_eq(u.numeric, r->numeric, "'%s'", r->text);
		cr_expect_eq(u.port, r->port, "'%s'", r->text);
		cr_expect_str_eq(u.host, r->host);
		cr_expect_str_eq(u.authority, r->authority);
		cr_expect_str_eq(u.prefix, r->prefix);
	}
}
