/* Goal: admin.h's M1 to M3, and that every bad request gets its own answer in the API's error shape. Method: the real
 * handlers behind the real HTTP adapter, rows of requests. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(admin, .init = fixture_start, .fini = fixture_stop, .timeout = 60);

static const char *error_code(const struct reply *r)
{
	const char *code = json_string_value(json_object_get(json_object_get(r->json, "error"), "code"));

	return code ? code : "";
}

/* M1 */
Test(admin, tcp_needs_the_token)
{
	static const struct {
		const char *method, *path, *auth;
		int status;
	} rows[] = {
		{"GET", "/admin/v1/status", NULL, 401},
		{"GET", "/admin/v1/status", "Authorization: Bearer \r\n", 401},
		{"GET", "/admin/v1/status", "Authorization: Bearer 07\r\n", 401},
		{"GET", "/admin/v1/status",
		 "Authorization: Bearer 0707070707070707070707070707070707070707070707070707070707070708\r\n", 401},
		{"GET", "/admin/v1/status",
		 "Authorization: Basic 0707070707070707070707070707070707070707070707070707070707070707\r\n", 401},
		{"GET", "/admin/v1/status",
		 "Authorization: Bearer 0707070707070707070707070707070707070707070707070707070707070707\r\n", 200},
		{"POST", "/admin/v1/tenants", NULL, 401},
		{"GET", "/admin/v1/no/such", NULL, 401},
		{"GET", "/admin/", NULL, 401},
		{"GET", "/healthz", NULL, 200},
		{"GET", "/readyz", NULL, 200},
		{"GET", "/metrics", NULL, 200},
		{"GET", "/", NULL, 404},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct reply r = ask_tcp(rows[i].method, rows[i].path, rows[i].auth, NULL);

		cr_expect_eq(r.status, rows[i].status, "%s %s %s: %d", rows[i].method, rows[i].path,
			     rows[i].auth ? rows[i].auth : "-", r.status);
		reply_done(&r);
	}
}

Test(admin, bad_requests)
{
	static const struct {
		const char *method, *path, *type, *body;
		int status;
		const char *code;
	} rows[] = {
		{"GET", "/admin/v1/nothing", NULL, NULL, 404, "not_found"},
		{"DELETE", "/admin/v1/status", NULL, NULL, 405, "method_not_allowed"},
		{"GET", "/admin/v1/tenants/acme/disable", NULL, NULL, 405, "method_not_allowed"},
		{"POST", "/admin/v1/tenants", NULL, "", 400, "invalid"},
		{"POST", "/admin/v1/tenants", NULL, "{", 400, "invalid"},
		{"POST", "/admin/v1/tenants", NULL, "[]", 400, "invalid"},
		{"POST", "/admin/v1/tenants", NULL, "{\"id\":5}", 400, "invalid"},
		{"POST", "/admin/v1/tenants", NULL, "{\"id\":\"\"}", 400, "invalid"},
		{"POST", "/admin/v1/tenants", NULL, "{\"id\":\"a\",\"id\":\"b\"}", 400, "invalid"},
		{"POST", "/admin/v1/tenants", NULL, "{\"id\":\"a\\u0000b\"}", 400, "invalid"},
		{"POST", "/admin/v1/tenants", NULL, "{\"id\":\"UPPER\"}", 400, "invalid"},
		{"POST", "/admin/v1/tenants/nobody/disable", NULL, NULL, 404, "not_found"},
		{"POST", "/admin/v1/tenants/%zz/disable", NULL, NULL, 404, "not_found"},
		{"POST", "/admin/v1/tenants/%00/disable", NULL, NULL, 404, "not_found"},
		{"POST", "/admin/v1/tenants//disable", NULL, NULL, 404, "not_found"},
		{"GET", "/admin/v1/keys?tenant=nobody", NULL, NULL, 404, "not_found"},
		{"POST", "/admin/v1/keys", NULL, "{\"tenant\":\"nobody\"}", 404, "not_found"},
		{"POST", "/admin/v1/keys", NULL, "{\"tenant\":\"acme\",\"expires_ms\":-1}", 400, "invalid"},
		{"POST", "/admin/v1/keys", NULL, "{\"tenant\":\"acme\",\"expires_ms\":\"soon\"}", 400, "invalid"},
		{"DELETE", "/admin/v1/keys/key_none", NULL, NULL, 404, "not_found"},
		{"GET", "/admin/v1/lists/gray", NULL, NULL, 404, "not_found"},
		{"GET", "/admin/v1/lists/block?limit=many", NULL, NULL, 400, "invalid"},
		{"DELETE", "/admin/v1/lists/block", NULL, NULL, 400, "invalid"},
		{"DELETE", "/admin/v1/lists/block?cidr=10.0.0.1/8", NULL, NULL, 400, "invalid"},
		{"DELETE", "/admin/v1/lists/block?cidr=10.0.0.0%2F8", NULL, NULL, 404, "not_found"},
		{"POST", "/admin/v1/lists/block", NULL, "{\"entries\":[]}", 501, "unsupported"},
		{"POST", "/admin/v1/policy/apply", "text/yaml", "", 400, "invalid"},
		{"POST", "/admin/v1/policy/apply?confirm_ms=x", "text/yaml", "version: 1\n", 400, "invalid"},
		{"POST", "/admin/v1/policy/apply?confirm_ms=99999999999", "text/yaml", "version: 1\n", 400, "invalid"},
		{"POST", "/admin/v1/policy/confirm?id=7", NULL, NULL, 404, "not_found"},
		{"POST", "/admin/v1/policy/rollback", NULL, NULL, 404, "not_found"},
		{"POST", "/admin/v1/policy/rollback?id=99", NULL, NULL, 404, "not_found"},
		{"GET", "/admin/v1/policy", NULL, NULL, 404, "not_found"},
		{"GET", "/admin/v1/limits?key=key_none", NULL, NULL, 404, "not_found"},
		{"GET", "/admin/v1/limits?tenant=nobody", NULL, NULL, 404, "not_found"},
		{"GET", "/admin/v1/explain", NULL, NULL, 400, "invalid"},
		{"GET", "/admin/v1/explain?key=key_none", NULL, NULL, 404, "not_found"},
		{"GET", "/admin/v1/explain?address=300.1.1.1", NULL, NULL, 400, "invalid"},
		{"GET", "/admin/v1/explain?address=10.0.0.0/8", NULL, NULL, 400, "invalid"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char type[64] = "";
		struct reply r;

		if (rows[i].type)
			snprintf(type, sizeof(type), "Content-Type: %s\r\n", rows[i].type);
		r = ask(rows[i].method, rows[i].path, type, rows[i].body);
		cr_expect_eq(r.status, rows[i].status, "%s %s %s: %d %s", rows[i].method, rows[i].path,
			     rows[i].body ? rows[i].body : "", r.status, r.body);
		cr_expect_str_eq(error_code(&r), rows[i].code, "%s %s: %s", rows[i].method, rows[i].path, r.body);
		reply_done(&r);
	}
}

/* M3 */
Test(admin, key_text_is_shown_once)
{
	struct reply r = ask("POST", "/admin/v1/tenants", NULL, "{\"id\":\"acme\",\"name\":\"Acme\"}");
	char path[96];
	char *text;

	cr_assert_eq(r.status, 201, "%s", r.body);
	reply_done(&r);
	r = ask("POST", "/admin/v1/keys", NULL, "{\"tenant\":\"acme\",\"name\":\"k\"}");
	cr_assert_eq(r.status, 201, "%s", r.body);
	text = strdup(json_string_value(json_object_get(r.json, "key")));
	cr_expect(crypto_key_well_formed(text, strlen(text)));
	snprintf(path, sizeof(path), "/admin/v1/keys/%s/disable", json_string_value(json_object_get(r.json, "id")));
	reply_done(&r);
	r = ask("POST", path, NULL, NULL);
	cr_expect_eq(r.status, 200);
	cr_expect_str_eq(json_string_value(json_object_get(r.json, "status")), "disabled");
	cr_expect_null(strstr(r.body, text));
	reply_done(&r);
	r = ask("GET", "/admin/v1/keys", NULL, NULL);
	cr_expect_null(strstr(r.body, text));
	reply_done(&r);
	free(text);
}

static long long active_version(void)
{
	struct reply r = ask("GET", "/admin/v1/policy/versions", NULL, NULL);
	json_t *v;
	size_t i;
	long long id = 0;

	json_array_foreach(json_object_get(r.json, "versions"), i, v) if (json_is_true(json_object_get(v, "active")))
		id = json_integer_value(json_object_get(v, "id"));
	reply_done(&r);
	return id;
}

static const char one[] = "version: 1\nlimits:\n  key: {requests: 1, period: 60s}\n";
static const char two[] = "version: 1\nlimits:\n  key: {requests: 2, period: 60s}\n";

static void expect_policy(unsigned requests)
{
	struct reply r = ask("GET", "/admin/v1/policy", NULL, NULL);
	char want[32];

	snprintf(want, sizeof(want), "requests: %u,", requests);
	cr_expect(strstr(r.body, want), "stored: %s", r.body);
	cr_expect_eq(fx.policy->key.requests.units, requests, "in force");
	reply_done(&r);
}

static int apply(const char *query, const char *text)
{
	char path[96];
	struct reply r;
	int status;

	snprintf(path, sizeof(path), "/admin/v1/policy/apply%s", query);
	r = ask("POST", path, "Content-Type: text/yaml\r\n", text);
	status = r.status;
	reply_done(&r);
	return status;
}

/* M2: store and what is in force never part. */
Test(admin, policy_versions)
{
	struct reply r;

	cr_assert_eq(apply("", one), 200);
	cr_assert_eq(apply("", two), 200);
	expect_policy(2);
	cr_expect_eq(active_version(), 2);
	cr_expect_eq(fx.policy->version_id, 2, "charges name it");
	fx.refuse_policies = true;
	cr_expect_eq(apply("", one), 507);
	fx.refuse_policies = false;
	expect_policy(2);
	r = ask("POST", "/admin/v1/policy/rollback?id=1", NULL, NULL);
	cr_expect_eq(r.status, 200, "%s", r.body);
	reply_done(&r);
	expect_policy(1);
	r = ask("POST", "/admin/v1/policy/diff", NULL, two);
	cr_expect(strstr(r.body, "limits.key.requests: 1 -> 2"), "%s", r.body);
	reply_done(&r);
	expect_policy(1);
}

Test(admin, unconfirmed_policies_go_back)
{
	struct reply r;
	struct err err;

	cr_assert_eq(apply("", one), 200);
	cr_assert_eq(apply("?confirm_ms=60000", two), 200);
	expect_policy(2);
	cr_expect_eq(admin_policy_tick(fx.admin, 1, &err), 0, "not yet");
	expect_policy(2);
	cr_expect_eq(admin_policy_tick(fx.admin, INT64_MAX, &err), 1, "%s", err.msg);
	expect_policy(1);
	cr_expect_eq(admin_policy_tick(fx.admin, INT64_MAX, &err), 0, "once only");
	cr_assert_eq(apply("?confirm_ms=60000", two), 200);
	r = ask("POST", "/admin/v1/policy/confirm", NULL, NULL);
	cr_expect_eq(r.status, 200, "%s", r.body);
	reply_done(&r);
	cr_expect_eq(admin_policy_tick(fx.admin, INT64_MAX, &err), 0);
	expect_policy(2);
}

/* A daemon that was down when the time passed: the next one rolls back. */
Test(admin, restore_remembers_what_is_unconfirmed)
{
	struct conf_errors errs = {0};
	struct err err;

	cr_assert_eq(admin_policy_restore(fx.admin, &errs, &err), 0, "an empty store has none");
	cr_assert_eq(apply("", one), 200);
	cr_assert_eq(apply("?confirm_ms=60000", two), 200);
	cr_assert_eq(admin_policy_restore(fx.admin, &errs, &err), 1, "%s", err.msg);
	cr_expect_eq(fx.policy->version_id, 2);
	expect_policy(2);
	cr_expect_eq(admin_policy_tick(fx.admin, INT64_MAX, &err), 1, "%s", err.msg);
	expect_policy(1);
	conf_errors_done(&errs);
}

Test(admin, readiness)
{
	struct reply r;

	fx.draining = true;
	r = ask("GET", "/readyz", NULL, NULL);
	cr_expect_eq(r.status, 503);
	reply_done(&r);
	r = ask("GET", "/healthz", NULL, NULL);
	cr_expect_eq(r.status, 200, "alive all the same");
	reply_done(&r);
}
