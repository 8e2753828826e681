/* Goal: the price rules of a catalog (pricing.h R1..R3): which cost row counts, when the next one does, tiers,
 * deployments without a price, what was measured goes on under a new policy. Method: policies as text, and a real
 * ledger in a folder of its own. */
#include "crypto/keyed.h"
#include "gateway/pricing.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define T2026 1767225600000ll
#define T2027 1798761600000ll

static const char conf_text[] = "listen:\n"
				"  - {address: \"127.0.0.1:8080\"}\n"
				"state_dir: /tmp/tg-none\n"
				"providers:\n"
				"  a: {kind: openai, base_url: \"http://127.0.0.1:1\"}\n"
				"models:\n"
				"  m1: {deployments: [{provider: a, model: up-1}]}\n"
				"  m2: {deployments: [{provider: a, model: other}]}\n";

static char dir[64];
static struct ledger *ledger;
static struct catalog *catalog;
static struct pricing_tiers tiers;

static void setup(void)
{
	struct ledger_opts o = LEDGER_OPTS_DEFAULT;
	struct conf_errors errs = {0};
	struct conf *conf = NULL;
	char books[96], holds[96];
	struct err err;
	unsigned tier;

	snprintf(dir, sizeof(dir), "/tmp/tg-pricing-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(books, sizeof(books), "%s/books.db", dir);
	snprintf(holds, sizeof(holds), "%s/holds", dir);
	o.path = books;
	o.holds_path = holds;
	o.sha256 = crypto_sha256;
	o.holds_max = 64;
	cr_assert_eq(ledger_open(&o, &ledger, &err), 0, "%s", err.msg);
	cr_assert_eq(ledger_start(ledger, &err), 0, "%s", err.msg);
	cr_assert_eq(conf_parse(conf_text, strlen(conf_text), &conf, &errs), 0, "%s",
		     errs.count ? errs.items[0].msg : "");
	conf_errors_done(&errs);
	cr_assert_eq(catalog_new(conf, 1, 1700000000, &catalog, &err), 0, "%s", err.msg);
	memset(&tiers, 0, sizeof(tiers));
	cr_assert_eq(pricing_tier(&tiers, "free", &tier, &err), 0);
	cr_assert_eq(pricing_tier(&tiers, "growth", &tier, &err), 0);
}

static void teardown(void)
{
	char cmd[128];

	ledger_stop(ledger);
	ledger_free(ledger);
	catalog_free(catalog);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

static struct pricing *make(const char *costs, const char *supply, const struct pricing *before, int64_t now_ms)
{
	struct conf_errors errs = {0};
	struct policy *policy = NULL;
	struct pricing *p = NULL;
	struct err err;
	char text[1024];

	snprintf(text, sizeof(text),
		 "version: 1\nprices:\n  tiers: {free: {margin: 0.15}, growth: {margin: 0.25}}\n%s  costs:\n%s", supply,
		 costs);
	cr_assert_eq(policy_parse(text, strlen(text), &policy, &errs), 0, "%s: %s",
		     errs.count ? errs.items[0].path : "", errs.count ? errs.items[0].msg : "");
	conf_errors_done(&errs);
	cr_assert_eq(pricing_new(catalog, policy, &tiers, ledger, before, before ? catalog : NULL, now_ms, &p, &err), 0,
		     "%s", err.msg);
	policy_free(policy);
	return p;
}

static unsigned deployment(const char *model)
{
	return catalog_find(catalog, model, strlen(model))->deployments[0].index;
}

static const char rows[] =
	"    - {provider: a, model: \"up-*\", input: 1, output: 2, effective: 2026-01-01T00:00:00Z}\n"
	"    - {provider: a, model: \"up-*\", input: 3, output: 4, effective: 2027-01-01T00:00:00Z}\n";

Test(pricing, the_latest_row_in_effect_counts, .init = setup, .fini = teardown)
{
	static const struct {
		int64_t now_ms, next_ms;
		int64_t input_nano; /* 0 = not priced */
	} table[] = {
		{T2026 - 1, T2026, 0}, {T2026, T2027, 1000}, {T2027 - 1, T2027, 1000},
		{T2027, 0, 3000},      {T2027 + 1, 0, 3000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct pricing *p = make(rows, "", NULL, table[i].now_ms);
		const struct price_rule *r = pricing_rule(p, deployment("m1"), 0, SUPPLY_BALANCED);

		cr_expect_eq(p->next_change_ms, table[i].next_ms, "row %zu: next %lld", i,
			     (long long)p->next_change_ms);
		cr_expect_eq(!!r, table[i].input_nano != 0, "row %zu", i);
		if (r) {
			const struct price_rule *other = pricing_rule(p, deployment("m1"), 1, SUPPLY_BALANCED);
			const struct usage u = {.input_tokens = 1000000};
			int64_t cost, price, dearer;

			cr_expect_eq(price_amounts(r, &u, &cost, &price), 0);
			cr_expect_eq(cost, table[i].input_nano * 1000000, "row %zu: %lld", i, (long long)cost);
			cr_expect_eq(price_amounts(other, &u, &cost, &dearer), 0);
			cr_expect_gt(dearer, price, "each tier has its margin");
		}
		pricing_free(p);
	}
}

/* A row that isn't in effect yet takes nothing away from the wider one behind it, and is the next change. */
Test(pricing, a_narrow_row_waits_for_its_time, .init = setup, .fini = teardown)
{
	static const char narrow[] =
		"    - {provider: a, model: \"up-1\", input: 7, output: 7, effective: 2027-01-01T00:00:00Z}\n"
		"    - {provider: \"*\", model: \"*\", input: 5, output: 5}\n";
	static const struct {
		int64_t now_ms, next_ms, m1_nano;
	} table[] = {{T2026, T2027, 5000}, {T2027 - 1, T2027, 5000}, {T2027, 0, 7000}};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct pricing *p = make(narrow, "", NULL, table[i].now_ms);

		cr_expect_eq(p->unpriced, 0);
		cr_expect_eq(p->next_change_ms, table[i].next_ms, "row %zu: next %lld", i,
			     (long long)p->next_change_ms);
		cr_expect_eq(pricing_rule(p, deployment("m1"), 0, SUPPLY_SCARCE)->rate_nano[TOKEN_INPUT],
			     table[i].m1_nano * 1000000, "row %zu", i);
		cr_expect_eq(pricing_rule(p, deployment("m2"), 0, SUPPLY_SCARCE)->rate_nano[TOKEN_INPUT], 5000000000,
			     "row %zu: the other model", i);
		pricing_free(p);
	}
}

static int read_rule(struct store *s, void *arg, struct err *err)
{
	struct price_rule *r = arg;

	return store_price_rule_get(s, r->id, r, err);
}

/* R1: by its id the books give back what a call was priced by. */
Test(pricing, the_books_have_every_rule, .init = setup, .fini = teardown)
{
	struct pricing *p = make(rows, "", NULL, T2026);

	for (unsigned t = 0; t < tiers.n; t++)
		for (int s = 0; s < SUPPLY_STATES; s++) {
			const struct price_rule *r = pricing_rule(p, deployment("m1"), t, (enum price_supply)s);
			struct price_rule stored = {.id = r->id};
			struct err err;

			cr_assert_eq(ledger_run(ledger, read_rule, &stored, &err), 0, "%s", err.msg);
			cr_expect_str_eq(stored.tier, tiers.name[t]);
			cr_expect_str_eq(stored.model, "m1");
			cr_expect_str_eq(stored.upstream_model, "up-1");
			cr_expect_eq((int)stored.supply, s);
			cr_expect_eq(stored.rate_nano[TOKEN_OUTPUT], r->rate_nano[TOKEN_OUTPUT]);
			cr_expect_eq(stored.tier_margin_e4, t ? 2500 : 1500, "tier %s", tiers.name[t]);
			cr_expect_eq(stored.supply_factor_e4, r->supply_factor_e4);
			cr_expect_eq(stored.effective_ms, T2026);
		}
	pricing_free(p);
}

Test(pricing, without_a_row_there_is_no_rule, .init = setup, .fini = teardown) /* R3 */
{
	struct pricing *p = make(rows, "", NULL, T2026);

	cr_expect_eq(p->unpriced, 1);
	cr_expect_str_eq(p->first_unpriced, "a/other");
	for (int s = 0; s < SUPPLY_STATES; s++)
		cr_expect_null(pricing_rule(p, deployment("m2"), 0, (enum price_supply)s));
	cr_expect_null(pricing_rule(p, deployment("m1"), tiers.n, SUPPLY_BALANCED), "a tier newer than the rules");
	cr_expect_null(pricing_rule(NULL, 0, 0, SUPPLY_BALANCED));
	pricing_free(p);
}

Test(pricing, rules_are_interned, .init = setup, .fini = teardown) /* R1 */
{
	struct pricing *p = make(rows, "", NULL, T2026), *again = make(rows, "", p, T2026),
		       *later = make(rows, "", p, T2027);
	int64_t seen[SUPPLY_STATES];

	for (int s = 0; s < SUPPLY_STATES; s++) {
		const struct price_rule *r = pricing_rule(p, deployment("m1"), 0, (enum price_supply)s);

		seen[s] = r->id;
		cr_expect_gt(r->id, 0);
		for (int t = 0; t < s; t++)
			cr_expect_neq(seen[s], seen[t], "each state has its rule");
		cr_expect_eq(pricing_rule(again, deployment("m1"), 0, (enum price_supply)s)->id, r->id);
		cr_expect_neq(pricing_rule(later, deployment("m1"), 0, (enum price_supply)s)->id, r->id);
	}
	pricing_free(p);
	pricing_free(again);
	pricing_free(later);
}

Test(pricing, what_was_measured_goes_on, .init = setup, .fini = teardown)
{
	struct pricing *p = make(rows, "", NULL, T2026), *next, *pinned;
	struct pricing_load *l = &p->loads[deployment("m1")];

	l->window.state = SUPPLY_SCARCE;
	atomic_store(&l->quota_used_e4, 9000);
	atomic_store(&l->quota_ns, 77);
	next = make(rows, "", p, T2027);
	cr_expect_eq(atomic_load(&next->loads[deployment("m1")].supply), SUPPLY_SCARCE);
	cr_expect_eq(atomic_load(&next->loads[deployment("m1")].quota_used_e4), 9000);
	cr_expect_eq(atomic_load(&next->loads[deployment("m1")].quota_ns), 77);
	cr_expect_eq(atomic_load(&next->loads[deployment("m2")].supply), SUPPLY_BALANCED);
	pinned = make(rows, "  supply: {pin: surplus}\n", p, T2027);
	cr_expect_eq(atomic_load(&pinned->loads[deployment("m1")].supply), SUPPLY_SURPLUS,
		     "pinned, whatever was measured");
	pricing_sample(pinned, 1);
	cr_expect_eq(atomic_load(&pinned->loads[deployment("m1")].supply), SUPPLY_SURPLUS);
	pricing_free(p);
	pricing_free(next);
	pricing_free(pinned);
}

Test(pricing, tiers_are_remembered_and_bounded)
{
	struct pricing_tiers t = {0};
	struct err err;
	char name[16];
	unsigned at = 0;

	for (unsigned i = 0; i < PRICING_TIERS_MAX; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		cr_expect_eq(pricing_tier(&t, name, &at, &err), 0);
		cr_expect_eq(at, i);
	}
	cr_expect_eq(pricing_tier(&t, "one more", &at, &err), ERR_FULL);
	cr_expect_eq(at, PRICING_TIERS_MAX - 1, "untouched");
	cr_expect_eq(pricing_tier(&t, "t7", &at, &err), 0);
	cr_expect_eq(at, 7);
}
