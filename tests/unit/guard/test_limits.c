/* Goal: limits.h's L1 and L3 with one thread, what headers show, and settlement. Method: private arrays, an injected
 * clock, exact arrival times; rows for every dimension. L2 and threads: test_threads.c. */
#include "world.h"

#include "tollgate/gcra.h"

#include <inttypes.h>

TestSuite(limits, .init = world_new, .fini = world_free);

/* Each dimension in turn is the tight one; the others have room. */
static const struct tight {
	const char *name;
	unsigned subject, dim;
	enum tg_route_scope scope;
	enum tg_reason reason;
} tights[] = {
	{"gateway", TG_SUBJECT_GATEWAY, TG_DIM_REQUESTS, TG_ROUTE_SCOPE_NONE, TG_REASON_GLOBAL_REQUESTS},
	{"tenant", TENANT, TG_DIM_REQUESTS, TG_ROUTE_SCOPE_NONE, TG_REASON_TENANT_REQUESTS},
	{"key", KEY, TG_DIM_REQUESTS, TG_ROUTE_SCOPE_NONE, TG_REASON_KEY_REQUESTS},
	{"route of gateway", TG_SUBJECT_GATEWAY, TG_DIM_ROUTE0 + TG_ROUTE_EMBEDDINGS, TG_ROUTE_SCOPE_GATEWAY,
	 TG_REASON_ROUTE_REQUESTS},
	{"route of tenant", TENANT, TG_DIM_ROUTE0 + TG_ROUTE_EMBEDDINGS, TG_ROUTE_SCOPE_TENANT,
	 TG_REASON_ROUTE_REQUESTS},
	{"route of key", KEY, TG_DIM_ROUTE0 + TG_ROUTE_EMBEDDINGS, TG_ROUTE_SCOPE_KEY, TG_REASON_ROUTE_REQUESTS},
	{"tokens", KEY, TG_DIM_TOKENS, TG_ROUTE_SCOPE_NONE, TG_REASON_KEY_TOKENS},
};

static void wide_world(const struct tight *t)
{
	memset(w_buckets, 0, TG_SUBJECTS_MAX * sizeof(*w_buckets));
	memset(w_rates, 0, TG_SUBJECTS_MAX * sizeof(*w_rates));
	set_rate(TG_SUBJECT_GATEWAY, TG_DIM_REQUESTS, 100000, 100000, false);
	set_rate(TENANT, TG_DIM_REQUESTS, 10000, 1500, false);
	set_rate(KEY, TG_DIM_REQUESTS, 1000, 1000, false);
	set_rate(KEY, TG_DIM_TOKENS, 100000, 100000, false);
	memset(w_policy.route_scope, 0, sizeof(w_policy.route_scope));
	w_policy.route_scope[TG_ROUTE_EMBEDDINGS] = (__u8)t->scope;
}

/* L1: exactly the burst passes, the next is refused with its reason and wait, and no bucket moves by it. */
Test(limits, all_or_nothing)
{
	for (size_t i = 0; i < ARRAY_SIZE(tights); i++) {
		const struct tight *t = &tights[i];
		__u64 tokens = t->dim == TG_DIM_TOKENS ? 10 : 1;
		struct tg_bucket_block before[4];
		struct limits_result r;

		wide_world(t);
		set_rate(t->subject, t->dim, 6 * tokens, 5 * tokens, false); /* 10 s a request */
		for (int n = 0; n < 5; n++) {
			r = admit(KEY, TG_ROUTE_EMBEDDINGS, tokens, T0);
			cr_expect(r.admitted, "%s: request %d", t->name, n);
			cr_expect_eq(r.tokens_charged, tokens);
		}
		memcpy(before, w_buckets, sizeof(before));
		r = admit(KEY, TG_ROUTE_EMBEDDINGS, tokens, T0 + SEC);
		cr_expect(!r.admitted, "%s", t->name);
		cr_expect(!r.shadowed, "%s", t->name);
		cr_expect_eq(r.reason, t->reason, "%s: reason %d", t->name, r.reason);
		cr_expect_eq(r.retry_after_ns, 9 * SEC, "%s: %llu", t->name, r.retry_after_ns);
		cr_expect_arr_eq(before, w_buckets, sizeof(before), "%s: a refusal consumed something", t->name);
		r = admit(KEY, TG_ROUTE_EMBEDDINGS, tokens, T0 + 10 * SEC - 1);
		cr_expect(!r.admitted, "%s: one ns early", t->name);
		r = admit(KEY, TG_ROUTE_EMBEDDINGS, tokens, T0 + 10 * SEC);
		cr_expect(r.admitted, "%s: at the time it was told", t->name);
	}
}

/* Another key of the tenant is not held up by this one's limit, but by the tenant's. */
Test(limits, keys_are_apart)
{
	wide_world(&tights[0]);
	set_rate(TENANT, TG_DIM_REQUESTS, 6, 3, false);
	set_rate(KEY, TG_DIM_REQUESTS, 6, 1, false);
	cr_expect(admit(KEY, TG_ROUTE_MODELS, 0, T0).admitted);
	cr_expect_eq(admit(KEY, TG_ROUTE_MODELS, 0, T0).reason, TG_REASON_KEY_REQUESTS);
	cr_expect(admit(KEY2, TG_ROUTE_MODELS, 0, T0).admitted);
	cr_expect(admit(KEY2, TG_ROUTE_MODELS, 0, T0).admitted);
	cr_expect_eq(admit(KEY2, TG_ROUTE_MODELS, 0, T0).reason, TG_REASON_TENANT_REQUESTS);
	cr_expect_eq(w_buckets[KEY2].tat_ns[TG_DIM_REQUESTS], 0, "key2 has no limit");
}

/* Several refuse: the reason is the one that lasts, so that a client that waits is not refused again at once. */
Test(limits, longest_wait_is_the_reason)
{
	struct limits_result r;

	wide_world(&tights[0]);
	set_rate(TENANT, TG_DIM_REQUESTS, 60, 1, false); /* 1 s */
	set_rate(KEY, TG_DIM_REQUESTS, 2, 1, false);     /* 30 s */
	cr_assert(admit(KEY, TG_ROUTE_MODELS, 0, T0).admitted);
	r = admit(KEY, TG_ROUTE_MODELS, 0, T0);
	cr_expect_eq(r.reason, TG_REASON_KEY_REQUESTS);
	cr_expect_eq(r.retry_after_ns, 30 * SEC);
	cr_expect_eq(r.requests.limit, 2);
	cr_expect_eq(r.requests.remaining, 0);
	cr_expect_eq(r.requests.reset_ns, 30 * SEC);
	cr_expect(admit(KEY, TG_ROUTE_MODELS, 0, T0 + r.retry_after_ns).admitted);
}

/* More than the burst can never pass: said so, rather than an endless 429; and it wins over other reasons. */
Test(limits, too_large)
{
	static const __u64 sizes[] = {100001, 1ull << 40, ~0ull};
	struct tg_bucket_block before[4];
	struct limits_result r;

	wide_world(&tights[0]);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		memcpy(before, w_buckets, sizeof(before));
		r = admit(KEY, TG_ROUTE_CHAT_COMPLETIONS, sizes[i], T0);
		cr_expect_not(r.admitted);
		cr_expect_eq(r.reason, TG_REASON_TOO_LARGE);
		cr_expect_eq(r.retry_after_ns, 0);
		cr_expect_arr_eq(before, w_buckets, sizeof(before));
	}
	cr_expect(admit(KEY, TG_ROUTE_CHAT_COMPLETIONS, 100000, T0).admitted, "the whole burst fits");
	set_rate(KEY, TG_DIM_REQUESTS, 1, 1, false);
	cr_assert_not(admit(KEY, TG_ROUTE_CHAT_COMPLETIONS, 1, T0).admitted);
	cr_expect_eq(admit(KEY, TG_ROUTE_CHAT_COMPLETIONS, 100001, T0).reason, TG_REASON_TOO_LARGE);
}

/* L3: a shadow dimension over its limit counts, lets through, and its bucket stays; the real ones consume. */
Test(limits, shadow_of_one_rate)
{
	for (size_t i = 0; i < ARRAY_SIZE(tights); i++) {
		const struct tight *t = &tights[i];
		struct limits_result r;
		__u64 tat, real_tat;
		unsigned real = t->dim == TG_DIM_REQUESTS && t->subject == KEY ? TENANT : KEY;

		wide_world(t);
		set_rate(t->subject, t->dim, 6, 1, true);
		r = admit(KEY, TG_ROUTE_EMBEDDINGS, 1, T0);
		cr_expect(r.admitted && !r.shadowed, "%s: fits", t->name);
		tat = w_buckets[t->subject].tat_ns[t->dim];
		real_tat = w_buckets[real].tat_ns[TG_DIM_REQUESTS];
		cr_expect_eq(tat, T0 + 10 * SEC, "%s: what fits is consumed", t->name);
		r = admit(KEY, TG_ROUTE_EMBEDDINGS, 1, T0);
		cr_expect(r.admitted && r.shadowed, "%s: over", t->name);
		cr_expect_eq(r.reason, TG_REASON_NONE);
		cr_expect_eq(r.shadow_reason, t->reason, "%s", t->name);
		cr_expect_eq(r.tokens_charged, t->dim == TG_DIM_TOKENS ? LIMITS_UNCHARGED : 1, "%s", t->name);
		cr_expect_eq(w_buckets[t->subject].tat_ns[t->dim], tat, "%s: consumed though over", t->name);
		cr_expect_gt(w_buckets[real].tat_ns[TG_DIM_REQUESTS], real_tat, "%s: real ones consume", t->name);
		cr_expect_neq(r.requests.limit, 6, "%s: a shadow limit is not shown", t->name);
	}
}

/* A real refusal consumes nothing in shadow dimensions either, and is not called shadowed. */
Test(limits, refused_beside_shadow)
{
	struct tg_bucket_block before[4];
	struct limits_result r;

	wide_world(&tights[0]);
	set_rate(KEY, TG_DIM_REQUESTS, 6, 1, false);
	set_rate(TENANT, TG_DIM_REQUESTS, 6, 1, true);
	cr_assert(admit(KEY, TG_ROUTE_MODELS, 0, T0).admitted);
	memcpy(before, w_buckets, sizeof(before));
	r = admit(KEY, TG_ROUTE_MODELS, 0, T0);
	cr_expect(!r.admitted && !r.shadowed);
	cr_expect_eq(r.reason, TG_REASON_KEY_REQUESTS);
	cr_expect_arr_eq(before, w_buckets, sizeof(before));
}

/* L3 for the whole policy: judged as if real, then let through. */
Test(limits, shadow_of_the_policy)
{
	struct tg_bucket_block before[4];
	struct limits_result r;

	wide_world(&tights[0]);
	w_policy.flags = TG_POLICY_SHADOW;
	set_rate(KEY, TG_DIM_REQUESTS, 6, 2, false);
	for (int i = 0; i < 2; i++) {
		r = admit(KEY, TG_ROUTE_MODELS, 5, T0);
		cr_expect(r.admitted && !r.shadowed);
	}
	memcpy(before, w_buckets, sizeof(before));
	r = admit(KEY, TG_ROUTE_MODELS, 5, T0);
	cr_expect(r.admitted && r.shadowed);
	cr_expect_eq(r.shadow_reason, TG_REASON_KEY_REQUESTS);
	cr_expect_eq(r.retry_after_ns, 0);
	cr_expect_eq(r.tokens_charged, LIMITS_UNCHARGED);
	cr_expect_eq(r.requests.limit, 0, "limits that refuse nobody are not shown");
	cr_expect_arr_eq(before, w_buckets, sizeof(before));
	r = admit(KEY, TG_ROUTE_MODELS, 200000, T0 + 60 * SEC);
	cr_expect(r.admitted && r.shadowed);
	cr_expect_eq(r.shadow_reason, TG_REASON_TOO_LARGE);
}

/* Headers: the request dimension with the least left, and the tokens. */
Test(limits, shown_state)
{
	struct limits_result r;

	wide_world(&tights[0]);
	r = admit(KEY, TG_ROUTE_CHAT_COMPLETIONS, 600, T0);
	cr_expect_eq(r.requests.limit, 1000);
	cr_expect_eq(r.requests.remaining, 999);
	cr_expect_eq(r.requests.reset_ns, 60 * SEC / 1000);
	cr_expect_eq(r.tokens.limit, 100000);
	cr_expect_eq(r.tokens.remaining, 99400);
	cr_expect_eq(r.tokens.reset_ns, 600 * 600000);
	set_rate(TENANT, TG_DIM_REQUESTS, 10000, 5, false);
	r = admit(KEY, TG_ROUTE_CHAT_COMPLETIONS, 0, T0 + 100 * SEC);
	cr_expect_eq(r.requests.limit, 10000, "the burst leaves less there");
	cr_expect_eq(r.requests.remaining, 4);
	cr_expect_eq(r.tokens.limit, 0, "no tokens asked");
	w_rates[KEY].rate[TG_DIM_TOKENS] = (struct tg_rate){0};
	memset(w_rates, 0, 2 * sizeof(*w_rates));
	w_rates[KEY].rate[TG_DIM_REQUESTS] = (struct tg_rate){0};
	r = admit(KEY, TG_ROUTE_CHAT_COMPLETIONS, 1ull << 50, T0);
	cr_expect(r.admitted, "no limits at all");
	cr_expect_eq(r.requests.limit, 0);
	cr_expect_eq(r.tokens_charged, 0);
}

Test(limits, peek)
{
	static const struct {
		__u64 units, burst, tat, remaining, reset;
	} rows[] = {
		{60, 10, 0, 10, 0},
		{60, 10, T0, 10, 0},
		{60, 10, T0 + 1, 9, 1},
		{60, 10, T0 + 9 * SEC, 1, 9 * SEC},
		{60, 10, T0 + 9 * SEC + 1, 0, 9 * SEC + 1},
		{60, 10, T0 + 10 * SEC, 0, 10 * SEC},
		{60, 10, T0 + 1000 * SEC, 0, 1000 * SEC}, /* in debt */
		{0, 10, T0 + 5, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tg_rate rate = rates_compile(rows[i].units, 60 * SEC, rows[i].burst, false);
		struct limits_state st;

		limits_peek(&rate, rows[i].tat, T0, &st);
		cr_expect_eq(st.limit, rows[i].units);
		cr_expect_eq(st.remaining, rows[i].remaining, "row %zu: %llu", i, st.remaining);
		cr_expect_eq(st.reset_ns, rows[i].reset, "row %zu", i);
	}
}

Test(limits, settle_tokens)
{
	static const struct {
		__u64 charged, actual;
	} rows[] = {{500, 500}, {500, 20}, {500, 0}, {500, 90000}, {0, 77}, {0, 0}, {500, 1ull << 60}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		__u64 tat, want;

		wide_world(&tights[0]);
		set_rate(KEY, TG_DIM_TOKENS, 123457, 100000, false); /* not a whole number of ns */
		cr_assert(admit(KEY, TG_ROUTE_CHAT_COMPLETIONS, rows[i].charged, T0).admitted);
		limits_settle_tokens(&w_view, KEY, rows[i].charged, rows[i].actual, T0);
		tat = w_buckets[KEY].tat_ns[TG_DIM_TOKENS];
		want = T0 + tg_gcra_cost_ns(w_rates[KEY].rate[TG_DIM_TOKENS].emission_q16, rows[i].actual);
		if (!rows[i].charged && !rows[i].actual)
			want = 0;
		if (want > T0 + TG_GCRA_MAX_NS)
			want = T0 + TG_GCRA_MAX_NS;
		cr_expect_eq(tat, want, "row %zu: %llu, want %llu", i, tat, want);
	}
	wide_world(&tights[0]);
	limits_settle_tokens(&w_view, KEY, LIMITS_UNCHARGED, 100, T0);
	cr_expect_eq(w_buckets[KEY].tat_ns[TG_DIM_TOKENS], 0);
	limits_settle_tokens(&w_view, KEY2, 10, 100, T0);
	cr_expect_eq(w_buckets[KEY2].tat_ns[TG_DIM_TOKENS], 0, "no limit");
}

/* Without key or tenant only what is left counts; the gateway's bucket is not taken twice under their slots. */
Test(limits, no_key)
{
	struct limits_request req = {.route = TG_ROUTE_NONE, .tokens = 5};
	struct limits_result r;

	wide_world(&tights[0]);
	w_policy.route_scope[TG_ROUTE_MODELS] = TG_ROUTE_SCOPE_KEY;
	set_rate(TG_SUBJECT_GATEWAY, TG_DIM_ROUTE0 + TG_ROUTE_MODELS, 6, 1, false);
	for (int i = 0; i < 2; i++) {
		req.route = i ? TG_ROUTE_MODELS : TG_ROUTE_NONE;
		limits_admit(&w_view, &req, T0, &r);
		cr_expect(r.admitted);
		cr_expect_eq(w_buckets[0].tat_ns[TG_DIM_REQUESTS], T0 + (unsigned)(i + 1) * 600000);
		cr_expect_eq(w_buckets[0].tat_ns[TG_DIM_ROUTE0 + TG_ROUTE_MODELS], 0);
		cr_expect_eq(w_buckets[0].tat_ns[TG_DIM_TOKENS], 0);
	}
}
