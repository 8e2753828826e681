/* Goal: each slot gets the rules of its kind, its overrides where it has some, and the route limits of its scope.
 * Method: policies as text, rates read back as limits. */
#include "gateway/rulebook.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char text[] = "version: 1\n"
			   "limits:\n"
			   "  global: {requests: 9000, period: 60s}\n"
			   "  tenant: {requests: 800, period: 60s}\n"
			   "  key: {requests: 70, period: 60s, tokens: {tokens: 5000, period: 60s}}\n"
			   "  routes:\n"
			   "    chat.completions: {requests: 60, period: 60s, scope: tenant}\n"
			   "    embeddings: {requests: 50, period: 60s, scope: key}\n"
			   "    models: {requests: 40, period: 60s, scope: gateway}\n"
			   "overrides:\n"
			   "  tenants:\n"
			   "    big: {requests: 8000, period: 60s}\n"
			   "  keys:\n"
			   "    key_fast: {requests: 700, period: 60s}\n";

enum { ACME = 1, BIG = 2, SLOW = 3, FAST = 4, FREE = 5 };

static struct policy *parse(const char *t)
{
	struct conf_errors errs = {0};
	struct policy *p = NULL;
	int rc = policy_parse(t, strlen(t), &p, &errs);

	cr_assert_eq(rc, 0, "line %u: %s: %s", errs.count ? errs.items[0].line : 0,
		     errs.count ? errs.items[0].path : "", errs.count ? errs.items[0].msg : "");
	conf_errors_done(&errs);
	return p;
}

static struct directory *people(void)
{
	struct tenant t[] = {{.id = "acme", .subject = ACME}, {.id = "big", .subject = BIG}};
	struct api_key k[] = {{.id = "key_slow", .tenant_id = "acme", .subject = SLOW},
			      {.id = "key_fast", .tenant_id = "acme", .subject = FAST}};
	struct directory *d = NULL;
	struct err err;

	memset(k[1].hash, 1, KEY_HASH_LEN);
	cr_assert_eq(directory_new(&d, &err), 0);
	cr_assert_eq(directory_fill(d, t, 2, k, 2, &err), 0, "%s", err.msg);
	return d;
}

Test(rulebook, rules_by_slot)
{
	const unsigned chat = TG_DIM_ROUTE0 + TG_ROUTE_CHAT_COMPLETIONS, embed = TG_DIM_ROUTE0 + TG_ROUTE_EMBEDDINGS,
		       models = TG_DIM_ROUTE0 + TG_ROUTE_MODELS;
	const struct {
		uint32_t subject;
		uint32_t requests, tokens, chat, embed, models;
	} rows[] = {
		{TG_SUBJECT_GATEWAY, 9000, 0, 0, 0, 40},
		{ACME, 800, 0, 60, 0, 0},
		{BIG, 8000, 0, 60, 0, 0},
		{SLOW, 70, 5000, 0, 50, 0},
		{FAST, 700, 5000, 0, 50, 0},
		{FREE, 0, 0, 0, 0, 0},
	};
	struct policy *p = parse(text);
	struct directory *d = people();
	struct rulebook b;
	struct err err;

	cr_assert_eq(rulebook_init(&b, p, d, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tg_rate_block r;

		memset(&r, 0xff, sizeof(r));
		rulebook_rates(&b, rows[i].subject, &r);
		cr_expect_eq(r.rate[TG_DIM_REQUESTS].limit, rows[i].requests, "slot %u requests", rows[i].subject);
		cr_expect_eq(r.rate[TG_DIM_TOKENS].limit, rows[i].tokens, "slot %u tokens", rows[i].subject);
		cr_expect_eq(r.rate[chat].limit, rows[i].chat, "slot %u chat", rows[i].subject);
		cr_expect_eq(r.rate[embed].limit, rows[i].embed, "slot %u embeddings", rows[i].subject);
		cr_expect_eq(r.rate[models].limit, rows[i].models, "slot %u models", rows[i].subject);
		for (unsigned dim = 0; dim < TG_DIM_COUNT; dim++)
			cr_expect_eq(r.rate[dim].emission_q16 == 0, r.rate[dim].limit == 0, "slot %u dim %u",
				     rows[i].subject, dim);
	}
	rulebook_done(&b);
	policy_free(p);
	directory_free_all(d);
}

Test(rulebook, words)
{
	struct policy *p = parse(text);
	struct tg_policy w;

	rulebook_policy_words(p, &w);
	cr_expect_eq(w.route_scope[TG_ROUTE_CHAT_COMPLETIONS], TG_ROUTE_SCOPE_TENANT);
	cr_expect_eq(w.route_scope[TG_ROUTE_EMBEDDINGS], TG_ROUTE_SCOPE_KEY);
	cr_expect_eq(w.route_scope[TG_ROUTE_MODELS], TG_ROUTE_SCOPE_GATEWAY);
	cr_expect_eq(w.flags & (TG_POLICY_SHADOW | TG_POLICY_SCOPE_ALL), 0);
	cr_expect_eq(w.flags & TG_POLICY_ANSWER, TG_POLICY_ANSWER);
	p->shadow = p->network.scope_all = p->network.map_full_closed = true;
	p->nic.answer = false;
	rulebook_policy_words(p, &w);
	cr_expect_eq(w.flags & (TG_POLICY_SHADOW | TG_POLICY_SCOPE_ALL | TG_POLICY_MAP_FULL_CLOSED | TG_POLICY_ANSWER),
		     TG_POLICY_SHADOW | TG_POLICY_SCOPE_ALL | TG_POLICY_MAP_FULL_CLOSED);
	policy_free(p);
}
