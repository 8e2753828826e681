/* Goal: M5 and the money paths of the control API: what is posted is what the books say, every mistake has its own
 * answer, and what can't be done changes nothing. Method: the real handlers over real books and a real ledger; calls
 * are held and settled as a worker does it. */
#include "fixture.h"

#include "base/clock.h"
#include "model/request_id.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void setup(void)
{
	struct reply r;

	fixture_start();
	r = ask("POST", "/admin/v1/policy/apply", NULL, policy_default_text);
	cr_assert_eq(r.status, 200, "%s", r.body);
	reply_done(&r);
	r = ask("POST", "/admin/v1/tenants", NULL, "{\"id\":\"acme\",\"name\":\"Acme\",\"tier\":\"growth\"}");
	cr_assert_eq(r.status, 201, "%s", r.body);
	reply_done(&r);
}

TestSuite(money, .init = setup, .fini = fixture_stop, .timeout = 60);
TestSuite(money_off, .init = fixture_start_without_billing, .fini = fixture_stop, .timeout = 60);

/* "a.b.2.c"; "" where there is no such string. */
static const char *at(const struct reply *r, const char *path)
{
	json_t *v = r->json;
	char part[64];

	while (v && *path) {
		size_t n = strcspn(path, ".");

		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		v = json_is_array(v) ? json_array_get(v, (size_t)atoi(part)) : json_object_get(v, part);
		path += n + (path[n] == '.');
	}
	return json_string_value(v) ? json_string_value(v) : "";
}

static void expect_status(const char *method, const char *path, const char *body, int status, const char *code)
{
	struct reply r = ask(method, path, NULL, body);

	cr_expect_eq(r.status, status, "%s %s %s: %d %s", method, path, body ? body : "", r.status, r.body);
	cr_expect_str_eq(at(&r, "error.code"), code, "%s %s %s: %s", method, path, body ? body : "", r.body);
	reply_done(&r);
}

static void expect_balance(const char *balance, const char *available)
{
	struct reply r = ask("GET", "/admin/v1/accounts/acme", NULL, NULL);

	cr_expect_str_eq(at(&r, "balance"), balance, "%s", r.body);
	cr_expect_str_eq(at(&r, "available"), available, "%s", r.body);
	reply_done(&r);
}

static void deposit(const char *amount)
{
	char body[64];

	snprintf(body, sizeof(body), "{\"amount\":\"%s\"}", amount);
	expect_status("POST", "/admin/v1/accounts/acme/deposits", body, 201, "");
}

/* ---- M5 and the forms of requests */

Test(money, bad_requests)
{
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *code;
	} rows[] = {
		{"POST", "/admin/v1/accounts/acme/deposits", "", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":5}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":0.5}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":null}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"0\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"0.00\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"-1\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"1e3\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"+1\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"1.0000000001\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"1\\u0000\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"99999999999\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"1\",\"currency\":\"EUR\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"1\",\"ref\":7}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/nobody/deposits", "{\"amount\":\"1\"}", 404, "not_found"},
		{"POST", "/admin/v1/accounts/acme/adjustments", "{\"amount\":\"-1\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/adjustments", "{\"amount\":\"-1\",\"note\":\"\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/adjustments", "{\"amount\":\"0\",\"note\":\"x\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/nobody/adjustments", "{\"amount\":\"1\",\"note\":\"x\"}", 404,
		 "not_found"},
		{"POST", "/admin/v1/accounts/acme/refunds", "{}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/refunds", "{\"request\":\"7\"}", 400, "invalid"},
		{"POST", "/admin/v1/accounts/acme/refunds", "{\"request\":\"req_0123456789abcdef01234567\"}", 404,
		 "not_found"},
		{"PUT", "/admin/v1/accounts/acme/credit-line", "{\"amount\":\"-1\"}", 400, "invalid"},
		{"PUT", "/admin/v1/accounts/acme/credit-line", "{\"amount\":1}", 400, "invalid"},
		{"PUT", "/admin/v1/accounts/nobody/credit-line", "{\"amount\":\"1\"}", 404, "not_found"},
		{"GET", "/admin/v1/accounts/nobody", NULL, 404, "not_found"},
		{"GET", "/admin/v1/accounts/nobody/transfers", NULL, 404, "not_found"},
		{"GET", "/admin/v1/accounts/acme/transfers?limit=1001", NULL, 400, "invalid"},
		{"GET", "/admin/v1/accounts/acme/transfers?limit=x", NULL, 400, "invalid"},
		{"GET", "/admin/v1/accounts/acme/transfers?before=-1", NULL, 400, "invalid"},
		{"DELETE", "/admin/v1/accounts/acme", NULL, 405, "method_not_allowed"},
		{"GET", "/admin/v1/usage?tenant=nobody", NULL, 404, "not_found"},
		{"GET", "/admin/v1/prices?model=none", NULL, 404, "not_found"},
		{"GET", "/admin/v1/prices?tier=gold", NULL, 400, "unknown_tier"},
		{"GET", "/admin/v1/prices/quote", NULL, 400, "invalid"},
		{"GET", "/admin/v1/prices/quote?model=none", NULL, 404, "not_found"},
		{"GET", "/admin/v1/prices/quote?model=gpt-4o&tier=gold", NULL, 400, "unknown_tier"},
		{"GET", "/admin/v1/prices/quote?model=gpt-4o&tier=free&tenant=acme", NULL, 400, "invalid"},
		{"GET", "/admin/v1/prices/quote?model=gpt-4o&tenant=nobody", NULL, 404, "not_found"},
		{"GET", "/admin/v1/prices/quote?model=gpt-4o&input=many", NULL, 400, "invalid"},
		{"GET", "/admin/v1/prices/quote?model=gpt-4o&input=1&cached_input=2", NULL, 400, "invalid"},
		{"GET", "/admin/v1/prices/quote?model=gpt-4o&input=9007199254740993", NULL, 400, "invalid"},
		{"GET", "/admin/v1/prices/quote?model=gpt-4o&supply=plenty", NULL, 400, "invalid"},
		{"GET", "/admin/v1/bills/explain", NULL, 400, "invalid"},
		{"GET", "/admin/v1/bills/explain?request=req_x", NULL, 400, "invalid"},
		{"GET", "/admin/v1/bills/explain?request=req_0123456789abcdef01234567", NULL, 404, "not_found"},
		{"POST", "/admin/v1/bills/discrepancies/7/close", "{}", 400, "invalid"},
		{"POST", "/admin/v1/bills/discrepancies/7/close", "{\"note\":\"x\"}", 404, "not_found"},
		{"POST", "/admin/v1/bills/discrepancies/seven/close", "{\"note\":\"x\"}", 404, "not_found"},
		{"POST", "/admin/v1/bills/settlements", "{}", 400, "invalid"},
		{"POST", "/admin/v1/bills/settlements", "{\"period\":\"2026-13\"}", 400, "invalid"},
		{"POST", "/admin/v1/bills/settlements", "{\"period\":\"November\"}", 400, "invalid"},
		{"POST", "/admin/v1/bills/settlements", "{\"period\":\"2999-01\"}", 409, "not_over"},
		{"GET", "/admin/v1/bills/settlements/2020-01", NULL, 404, "not_found"},
		{"GET", "/admin/v1/bills/settlements/soon", NULL, 400, "invalid"},
		{"GET", "/admin/v1/bills/settlements/2020-01?format=pdf", NULL, 400, "invalid"},
		{"GET", "/admin/v1/bills/settlements/2020-01?tenant=nobody&draft=1", NULL, 404, "not_found"},
		{"GET", "/admin/v1/bills/invoices/sim", NULL, 400, "invalid"},
		{"GET", "/admin/v1/bills/invoices/sim?period=2020-01", NULL, 404, "not_found"},
		{"PUT", "/admin/v1/bills/invoices/sim?period=2020-01", "", 400, "invalid"},
		{"PUT", "/admin/v1/bills/invoices/sim?period=2020-01", "model,amount\ngpt-4o,1\ngpt-4o,x\n", 400,
		 "invalid"},
		{"PUT", "/admin/v1/bills/invoices/sim?period=2020-01&tolerance=-1", "model,amount\ngpt-4o,1\n", 400,
		 "invalid"},
		{"POST", "/admin/v1/tenants", "{\"id\":\"other\",\"tier\":\"gold\"}", 400, "unknown_tier"},
		{"POST", "/admin/v1/tenants/acme/tier", "{\"tier\":\"gold\"}", 400, "unknown_tier"},
		{"POST", "/admin/v1/tenants/acme/tier", "{}", 400, "invalid"},
		{"POST", "/admin/v1/tenants/nobody/tier", "{\"tier\":\"free\"}", 404, "not_found"},
		{"POST", "/admin/v1/backup", "{}", 400, "invalid"},
		{"POST", "/admin/v1/backup", "{\"path\":\"here\"}", 400, "invalid"},
		{"POST", "/admin/v1/backup", "{\"path\":\"/nonexistent/folder/x\"}", 404, "not_found"},
		{"POST", "/admin/v1/backup", "{\"path\":\"/tmp\"}", 409, "exists"},
	};
	struct reply r;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_status(rows[i].method, rows[i].path, rows[i].body, rows[i].status, rows[i].code);
	expect_balance("0.00", "0.00");
	r = ask("GET", "/admin/v1/accounts/acme/transfers", NULL, NULL);
	cr_expect_eq(json_array_size(json_object_get(r.json, "transfers")), 0, "nothing was posted: %s", r.body);
	reply_done(&r);
}

Test(money, a_number_is_told_to_be_a_string)
{
	struct reply r = ask("POST", "/admin/v1/accounts/acme/deposits", NULL, "{\"amount\":12.5}");

	cr_expect(strstr(at(&r, "error.message"), "string") != NULL, "%s", r.body);
	reply_done(&r);
	r = ask("POST", "/admin/v1/tenants/acme/tier", NULL, "{\"tier\":\"gold\"}");
	cr_expect(strstr(at(&r, "error.message"), "enterprise, free, growth") != NULL, "names the known ones: %s",
		  r.body);
	reply_done(&r);
	r = ask("POST", "/admin/v1/bills/settlements", NULL, "{\"period\":\"2999-01\"}");
	cr_expect(strstr(at(&r, "error.message"), "2999-02-01") != NULL, "says when it can be: %s", r.body);
	reply_done(&r);
}

Test(money_off, its_paths_say_so)
{
	static const char *const rows[][2] = {
		{"GET", "/admin/v1/accounts"},
		{"POST", "/admin/v1/accounts/acme/deposits"},
		{"GET", "/admin/v1/usage"},
		{"GET", "/admin/v1/prices"},
		{"GET", "/admin/v1/bills/holds"},
		{"POST", "/admin/v1/bills/reconcile"},
		{"GET", "/admin/v1/bills/settlements"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_status(rows[i][0], rows[i][1], "{}", 409, "billing_off");
	admin_reconcile(fx.admin); /* nothing to do */
}

/* ---- posting */

Test(money, deposits)
{
	static const char body[] =
		"{\"amount\":\"10.000000001\",\"ref\":\"INV-1\",\"note\":\"first\",\"currency\":\"USD\"}";
	struct reply r = ask("POST", "/admin/v1/accounts/acme/deposits", NULL, body);

	cr_expect_eq(r.status, 201, "%s", r.body);
	cr_expect_str_eq(at(&r, "transfer.kind"), "deposit");
	cr_expect_str_eq(at(&r, "transfer.from"), "cash");
	cr_expect_str_eq(at(&r, "transfer.to"), "tenant:acme");
	cr_expect_str_eq(at(&r, "transfer.change"), "10.000000001");
	cr_expect_str_eq(at(&r, "transfer.actor"), "socket");
	cr_expect_str_eq(at(&r, "balance"), "10.000000001");
	reply_done(&r);
	r = ask("POST", "/admin/v1/accounts/acme/deposits", NULL, body);
	cr_expect_eq(r.status, 200, "the same ref again: %s", r.body);
	cr_expect_str_eq(at(&r, "balance"), "10.000000001");
	reply_done(&r);
	expect_status("POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"11\",\"ref\":\"INV-1\"}", 409,
		      "exists");
	expect_status("POST", "/admin/v1/accounts/acme/adjustments",
		      "{\"amount\":\"10.000000001\",\"ref\":\"INV-1\",\"note\":\"n\"}", 409, "exists");
	expect_balance("10.000000001", "10.000000001");
}

Test(money, adjustments_and_credit_line)
{
	struct reply r;

	deposit("1");
	expect_status("POST", "/admin/v1/accounts/acme/adjustments", "{\"amount\":\"-3.5\",\"note\":\"booked twice\"}",
		      201, "");
	expect_balance("-2.50", "-2.50");
	expect_status("PUT", "/admin/v1/accounts/acme/credit-line", "{\"amount\":\"100\"}", 200, "");
	expect_balance("-2.50", "97.50");
	r = ask("GET", "/admin/v1/accounts/acme/transfers", NULL, NULL);
	cr_expect_str_eq(at(&r, "transfers.0.change"), "-3.50", "%s", r.body);
	cr_expect_str_eq(at(&r, "transfers.0.to"), "adjustments");
	cr_expect_str_eq(at(&r, "transfers.0.note"), "booked twice");
	cr_expect_str_eq(at(&r, "transfers.1.change"), "1.00");
	cr_expect(json_is_null(json_object_get(r.json, "next")));
	reply_done(&r);
	r = ask("GET", "/admin/v1/accounts", NULL, NULL);
	cr_expect_str_eq(at(&r, "accounts.0.credit_line"), "100.00", "%s", r.body);
	cr_expect_str_eq(at(&r, "accounts.0.tier"), "growth");
	cr_expect_str_eq(at(&r, "accounts.0.currency"), "USD");
	reply_done(&r);
}

Test(money, pages_of_transfers)
{
	char path[96] = "/admin/v1/accounts/acme/transfers?limit=2";
	char amounts[64] = "";

	for (int i = 1; i <= 5; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		deposit(text);
	}
	for (int page = 0; page < 4; page++) {
		struct reply r = ask("GET", path, NULL, NULL);
		json_t *next = json_object_get(r.json, "next"), *row;
		size_t i;

		json_array_foreach(json_object_get(r.json, "transfers"), i, row)
			strncat(strcat(amounts, " "), json_string_value(json_object_get(row, "amount")), 8);
		snprintf(path, sizeof(path), "/admin/v1/accounts/acme/transfers?limit=2&before=%lld",
			 (long long)json_integer_value(next));
		if (!json_is_integer(next))
			page = 4;
		reply_done(&r);
	}
	cr_expect_str_eq(amounts, " 5.00 4.00 3.00 2.00 1.00");
}

Test(money, tiers)
{
	expect_status("POST", "/admin/v1/tenants/acme/tier", "{\"tier\":\"enterprise\"}", 200, "");
	cr_expect_str_eq(fx.last_tenant.tier, "enterprise", "the gateway is told");
	expect_status("POST", "/admin/v1/tenants", "{\"id\":\"b\"}", 201, "");
	cr_expect_str_eq(fx.last_tenant.tier, "free");
	expect_status("POST", "/admin/v1/tenants", "{\"id\":\"c\",\"tier\":\"growth\"}", 201, "");
	cr_expect_str_eq(fx.last_tenant.tier, "growth");
	cr_expect_str_eq(fx.last_tenant.id, "c");
}

/* ---- prices: cost 1000 x 1.00 + 500 x 2.00 per million = 0.002; margin 0.25 x 1.2 = 0.30 */

Test(money, quote)
{
	struct reply r =
		ask("GET", "/admin/v1/prices/quote?model=gpt-4o&tenant=acme&input=1000&output=500", NULL, NULL);

	cr_assert_eq(r.status, 200, "%s", r.body);
	cr_expect_str_eq(at(&r, "tier"), "growth");
	cr_expect_str_eq(at(&r, "quotes.0.steps.classes.0.exact"), "0.001");
	cr_expect_str_eq(at(&r, "quotes.0.steps.cost"), "0.002");
	cr_expect_str_eq(at(&r, "quotes.0.steps.margin"), "0.30");
	cr_expect_str_eq(at(&r, "quotes.0.steps.clamp"), "none");
	cr_expect_str_eq(at(&r, "quotes.0.steps.price"), "0.002857143");
	cr_expect_str_eq(at(&r, "quotes.0.rule.supply_measured"), "surplus");
	cr_expect_str_eq(at(&r, "quotes.0.rule.utilisation"), "0.1234");
	reply_done(&r);
	/* x 1.3 = 0.39; enterprise 0.40 x 1.2 x 1.3 = 0.624 -> 0.50 */
	r = ask("GET", "/admin/v1/prices/quote?model=gpt-4o&tier=growth&input=1000&output=500&supply=scarce", NULL,
		NULL);
	cr_expect_str_eq(at(&r, "quotes.0.steps.margin"), "0.39", "%s", r.body);
	cr_expect_str_eq(at(&r, "quotes.0.rule.supply"), "scarce");
	reply_done(&r);
	r = ask("GET", "/admin/v1/prices/quote?model=gpt-4o&tier=enterprise&input=1000&output=500&supply=scarce", NULL,
		NULL);
	cr_expect_str_eq(at(&r, "quotes.0.steps.margin"), "0.624", "%s", r.body);
	cr_expect_str_eq(at(&r, "quotes.0.steps.margin_used"), "0.50");
	cr_expect_str_eq(at(&r, "quotes.0.steps.clamp"), "max");
	cr_expect_str_eq(at(&r, "quotes.0.steps.price"), "0.004");
	reply_done(&r);
	r = ask("GET", "/admin/v1/prices/quote?model=gpt-4o", NULL, NULL);
	cr_expect_str_eq(at(&r, "tier"), "free", "%s", r.body);
	cr_expect_str_eq(at(&r, "quotes.0.steps.price"), "0.00");
	reply_done(&r);
}

Test(money, price_list)
{
	struct reply r = ask("GET", "/admin/v1/prices?tier=growth", NULL, NULL);

	cr_expect_eq(json_array_size(json_object_get(r.json, "prices")), 1, "%s", r.body);
	cr_expect_str_eq(at(&r, "prices.0.prices.input"), "1.428571429");
	cr_expect_str_eq(at(&r, "prices.0.prices.output"), "2.857142857");
	cr_expect_str_eq(at(&r, "prices.0.rates.cached_input"), "0.50");
	cr_expect_str_eq(at(&r, "prices.0.margin"), "0.30");
	reply_done(&r);
	r = ask("GET", "/admin/v1/prices?model=gpt-4o", NULL, NULL);
	cr_expect_eq(json_array_size(json_object_get(r.json, "prices")), 3, "%s", r.body);
	reply_done(&r);
}

/* ---- calls */

static const struct fixture_call one = {
	.tenant = "acme",
	.n = 1,
	.usage = {.input_tokens = 1000, .cached_input_tokens = 200, .output_tokens = 500},
	.hold_nano = 10000000,
	.source = USAGE_REPORTED,
	.flags = USAGE_FLAG_STREAM | USAGE_FLAG_CLIENT_GONE};
#define REQUEST_ONE "req_000000000000000000000001"

/* cost 800 x 1.00 + 200 x 0.50 + 500 x 2.00 = 1900 per million; / 0.7 */
Test(money, explanation_of_a_charge)
{
	struct reply r;

	deposit("1");
	fixture_call(&one);
	r = ask("GET", "/admin/v1/bills/explain?request=" REQUEST_ONE, NULL, NULL);
	cr_assert_eq(r.status, 200, "%s", r.body);
	cr_expect(json_is_true(json_object_get(r.json, "matches")), "%s", r.body);
	cr_expect_str_eq(at(&r, "record.tenant"), "acme");
	cr_expect_str_eq(at(&r, "record.source"), "reported");
	cr_expect_str_eq(at(&r, "record.flags.0"), "stream");
	cr_expect_str_eq(at(&r, "record.flags.1"), "client_gone");
	cr_expect_str_eq(at(&r, "record.hold"), "0.01");
	cr_expect_str_eq(at(&r, "record.price"), "0.002714286");
	cr_expect_str_eq(at(&r, "steps.cost"), "0.0019");
	cr_expect_str_eq(at(&r, "steps.price"), "0.002714286");
	cr_expect_str_eq(at(&r, "rule.model"), "gpt-4o");
	cr_expect_str_eq(at(&r, "transfers.0.kind"), "charge");
	cr_expect_str_eq(at(&r, "transfers.0.amount"), "0.002714286");
	cr_expect_str_eq(at(&r, "transfers.1.to"), "payable:sim");
	reply_done(&r);
	expect_balance("0.997285714", "0.997285714");
	r = ask("GET", "/admin/v1/usage?tenant=acme", NULL, NULL);
	cr_expect_str_eq(at(&r, "usage.0.request"), REQUEST_ONE, "%s", r.body);
	cr_expect_str_eq(at(&r, "usage.0.model"), "gpt-4o");
	reply_done(&r);
	r = ask("GET", "/admin/v1/accounts/acme/transfers", NULL, NULL);
	cr_expect_str_eq(at(&r, "transfers.0.request"), REQUEST_ONE, "%s", r.body);
	cr_expect_str_eq(at(&r, "transfers.0.change"), "-0.002714286");
	reply_done(&r);
	r = ask("GET", "/admin/v1/bills/holds", NULL, NULL);
	cr_expect_eq(json_array_size(json_object_get(r.json, "holds")), 0, "%s", r.body);
	reply_done(&r);
}

Test(money, explanation_of_no_charge_and_of_an_overage)
{
	struct fixture_call none = {.tenant = "acme", .n = 2, .source = USAGE_NONE, .hold_nano = 5};
	struct fixture_call more = one;
	struct reply r;

	deposit("1");
	fixture_call(&none);
	r = ask("GET", "/admin/v1/bills/explain?request=req_000000000000000000000002", NULL, NULL);
	cr_expect(json_is_true(json_object_get(r.json, "matches")), "%s", r.body);
	cr_expect(json_is_null(json_object_get(r.json, "steps")), "%s", r.body);
	cr_expect(strstr(at(&r, "why"), "no charge") != NULL, "%s", r.body);
	reply_done(&r);
	more.hold_nano = 2000000;
	fixture_call(&more);
	r = ask("GET", "/admin/v1/bills/explain?request=" REQUEST_ONE, NULL, NULL);
	cr_expect_str_eq(at(&r, "transfers.0.amount"), "0.002", "%s", r.body);
	cr_expect_str_eq(at(&r, "transfers.1.kind"), "overage");
	cr_expect_str_eq(at(&r, "transfers.1.amount"), "0.000714286");
	reply_done(&r);
}

Test(money, refunds)
{
	static const char part[] = "{\"request\":\"" REQUEST_ONE "\",\"amount\":\"0.001\",\"ref\":\"T1\"}";
	struct reply r;

	deposit("1");
	fixture_call(&one);
	expect_status("POST", "/admin/v1/tenants", "{\"id\":\"other\"}", 201, "");
	expect_status("POST", "/admin/v1/accounts/other/refunds", "{\"request\":\"" REQUEST_ONE "\"}", 404,
		      "not_found");
	expect_status("POST", "/admin/v1/accounts/acme/refunds", part, 201, "");
	expect_status("POST", "/admin/v1/accounts/acme/refunds", part, 200, "");
	expect_status("POST", "/admin/v1/accounts/acme/refunds",
		      "{\"request\":\"" REQUEST_ONE "\",\"amount\":\"0.002\"}", 400, "invalid");
	r = ask("POST", "/admin/v1/accounts/acme/refunds", NULL,
		"{\"request\":\"" REQUEST_ONE "\",\"note\":\"the rest\"}");
	cr_expect_eq(r.status, 201, "%s", r.body);
	cr_expect_str_eq(at(&r, "transfer.amount"), "0.001714286");
	cr_expect_str_eq(at(&r, "transfer.request"), REQUEST_ONE);
	reply_done(&r);
	expect_status("POST", "/admin/v1/accounts/acme/refunds", "{\"request\":\"" REQUEST_ONE "\"}", 400, "invalid");
	expect_balance("1.00", "1.00");
}

/* ---- the books as a whole */

static void this_month(char buf[16])
{
	char when[25];

	clock_format_wall(clock_wall_ms(), when);
	snprintf(buf, 16, "%.7s", when);
}

Test(money, reconciliation)
{
	struct reply r;

	deposit("1");
	fixture_call(&one);
	r = ask("POST", "/admin/v1/bills/reconcile?full=1", NULL, NULL);
	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect_eq(json_integer_value(json_object_get(r.json, "records_checked")), 1, "%s", r.body);
	cr_expect_eq(json_integer_value(json_object_get(r.json, "differences")), 0, "%s", r.body);
	reply_done(&r);
	r = ask("POST", "/admin/v1/bills/reconcile", NULL, NULL);
	cr_expect_eq(json_integer_value(json_object_get(r.json, "records_checked")), 0, "goes on where it was: %s",
		     r.body);
	reply_done(&r);
	r = ask("GET", "/admin/v1/bills/discrepancies?all=1", NULL, NULL);
	cr_expect_eq(json_array_size(json_object_get(r.json, "discrepancies")), 0, "%s", r.body);
	reply_done(&r);
}

Test(money, invoices_and_their_discrepancies)
{
	char path[96], close[96], period[16];
	struct reply r;

	this_month(period);
	snprintf(path, sizeof(path), "/admin/v1/bills/invoices/sim?period=%s", period);
	deposit("1");
	fixture_call(&one);
	/* Within the tolerance of a cent. */
	r = ask("PUT", path, "Content-Type: text/csv\r\n", "model,amount\ngpt-4o-2024-08-06,0.00\n");
	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect_eq(json_integer_value(json_object_get(r.json, "differing")), 0, "%s", r.body);
	reply_done(&r);
	r = ask("PUT", path, "Content-Type: text/csv\r\n", "model,amount,calls\ngpt-4o-2024-08-06,5.00,9\n");
	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect_gt(json_integer_value(json_object_get(r.json, "differing")), 0, "%s", r.body);
	reply_done(&r);
	r = ask("GET", path, NULL, NULL);
	cr_expect_gt(json_integer_value(json_object_get(r.json, "differing")), 0, "compared again: %s", r.body);
	cr_expect_eq(json_integer_value(json_object_get(r.json, "lines")), 1);
	reply_done(&r);
	r = ask("GET", "/admin/v1/bills/discrepancies", NULL, NULL);
	cr_assert_geq(json_array_size(json_object_get(r.json, "discrepancies")), 1, "%s", r.body);
	snprintf(close, sizeof(close), "/admin/v1/bills/discrepancies/%lld/close",
		 (long long)json_integer_value(
			 json_object_get(json_array_get(json_object_get(r.json, "discrepancies"), 0), "id")));
	cr_expect_eq(admin_discrepancies_open(fx.admin), json_array_size(json_object_get(r.json, "discrepancies")));
	reply_done(&r);
	expect_status("POST", close, "{\"note\":\"their credit note 7\"}", 200, "");
	expect_status("POST", close, "{\"note\":\"again\"}", 404, "not_found");
	r = ask("GET", "/admin/v1/bills/discrepancies?all=1", NULL, NULL);
	cr_expect(strstr(r.body, "their credit note 7") != NULL, "%s", r.body);
	reply_done(&r);
}

Test(money, settlement_and_statements)
{
	char path[128], period[16];
	struct reply r;

	this_month(period);
	deposit("1");
	fixture_call(&one);
	/* A period that is over, before there was any call: empty, and settled once. */
	expect_status("POST", "/admin/v1/bills/settlements", "{\"period\":\"2020-01\"}", 201, "");
	expect_status("POST", "/admin/v1/bills/settlements", "{\"period\":\"2020-01\"}", 409, "exists");
	expect_status("POST", "/admin/v1/bills/settlements", "{\"period\":\"2020-01-05\"}", 409, "conflict");
	r = ask("GET", "/admin/v1/bills/settlements", NULL, NULL);
	cr_expect_str_eq(at(&r, "settlements.0.period"), "2020-01", "%s", r.body);
	cr_expect_eq(strlen(at(&r, "settlements.0.hash")), 64);
	reply_done(&r);
	snprintf(path, sizeof(path), "/admin/v1/bills/settlements/%s?tenant=acme&format=json", period);
	expect_status("GET", path, NULL, 404, "not_found");
	strcat(path, "&draft=1");
	r = ask("GET", path, NULL, NULL);
	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect(r.json != NULL && strstr(r.body, "0.002714286"), "%s", r.body);
	reply_done(&r);
	snprintf(path, sizeof(path), "/admin/v1/bills/settlements/%s?format=text&draft=1", period);
	r = ask("GET", path, NULL, NULL);
	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect(strstr(r.body, "acme") && strstr(r.body, "sim"), "%s", r.body);
	reply_done(&r);
	snprintf(path, sizeof(path), "/admin/v1/bills/settlements/%s?tenant=acme&format=csv&draft=1", period);
	r = ask("GET", path, NULL, NULL);
	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect(strchr(r.body, ',') && strstr(r.body, "0.002714286"), "%s", r.body);
	reply_done(&r);
}

/* What reads the books for a settlement is not the ledger thread: one that can't be made is refused while that thread
 * is held, and one that can be is stored once it goes on. */
Test(money, a_settlement_is_not_made_on_the_ledger_thread)
{
	struct reply r;
	int fd;

	expect_status("POST", "/admin/v1/bills/settlements", "{\"period\":\"2020-01\"}", 201, "");
	fixture_block_ledger();
	expect_status("POST", "/admin/v1/bills/settlements", "{\"period\":\"2020-01\"}", 409, "exists");
	expect_status("POST", "/admin/v1/bills/settlements", "{\"period\":\"2019-12\"}", 409, "conflict");
	fd = ask_begin("POST", "/admin/v1/bills/settlements", "{\"period\":\"2020-02\"}");
	fixture_release_ledger();
	r = ask_end(fd);
	cr_expect_eq(r.status, 201, "%s", r.body);
	reply_done(&r);
	deposit("1");
	fixture_call(&one);
	expect_balance("0.997285714", "0.997285714");
}

/* ---- backup */

static int64_t balance_of_copy(const char *path)
{
	struct store_opts o = STORE_OPTS_DEFAULT;
	struct account a;
	struct store *s;
	struct err err;

	o.schema = STORE_SCHEMA_BOOKS;
	o.create = false;
	o.sha256 = crypto_sha256;
	cr_assert_eq(store_open(path, &o, &s, &err), 0, "%s", err.msg);
	cr_assert_eq(store_account_get(s, ACCOUNT_TENANT, "acme", &a, &err), 0, "%s", err.msg);
	store_close(s);
	return a.balance_nano;
}

Test(money, backup)
{
	char body[128], path[128];
	struct stat st;
	struct reply r;

	deposit("2.50");
	snprintf(body, sizeof(body), "{\"path\":\"%s/copy\"}", fx.dir);
	r = ask("POST", "/admin/v1/backup", NULL, body);
	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect_str_eq(at(&r, "files.0.name"), "tollgate.db");
	cr_expect_str_eq(at(&r, "files.1.name"), "books.db");
	reply_done(&r);
	deposit("1");
	snprintf(path, sizeof(path), "%s/copy/books.db", fx.dir);
	cr_expect_eq(balance_of_copy(path), 2500000000);
	expect_status("POST", "/admin/v1/backup", body, 409, "exists");
	/* What can't be finished leaves nothing. */
	snprintf(path, sizeof(path), "%s/books", fx.dir);
	cr_expect_eq(stat(path, &st), 0);
}

Test(money_off, backup_of_what_there_is)
{
	char body[128];
	struct reply r;

	snprintf(body, sizeof(body), "{\"path\":\"%s/copy\"}", fx.dir);
	r = ask("POST", "/admin/v1/backup", NULL, body);
	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect_eq(json_array_size(json_object_get(r.json, "files")), 1, "%s", r.body);
	reply_done(&r);
}
