/* A TCP segment that starts an HTTP request: head, key, route, circuit, limits.
 *
 * Invariants (tests cite them):
 *  Q1  Any doubt passes: the daemon is the authority and gives the same answer.
 *  Q2  Buckets of requests and tokens are only read here; the daemon consumes them.
 *  Q3  A tg_keys entry counts only while both its incarnations are the subjects' (A5).
 *  Q4  A route that is out of order says so only to keys that may use it, and before any limit: what no provider can
 *      serve needs no bucket.
 */
#ifndef BPF_REQUEST_H
#define BPF_REQUEST_H

#include "work.h"

#include "tollgate/gcra.h"
#include "tollgate/route.h"

#define REQUEST_FIRST_BYTES 512u /* most heads end within */

TG_INLINE void peek_bucket(struct peek *k, __u32 subject, __u32 bank, __u32 dim, __u32 reason)
{
	__u32 index = subject + bank * TG_SUBJECTS_MAX;
	const struct tg_rate_block *rates = bpf_map_lookup_elem(&tg_rates, &index);
	const struct tg_bucket_block *buckets = bpf_map_lookup_elem(&tg_buckets, &subject);
	const struct tg_rate *rate;
	__u64 cost_ns, wait_ns;

	if (!rates || !buckets)
		return;
	dim &= TG_DIM_COUNT - 1;
	rate = &rates->rate[dim];
	if (!rate->emission_q16)
		return;
	cost_ns = tg_gcra_cost_ns(rate->emission_q16, 1);
	wait_ns = tg_gcra_wait_ns(TG_READ_ONCE(buckets->tat_ns[dim]), k->now_ns, cost_ns, rate->burst_ns);
	if (!wait_ns)
		return;
	if (rate->flags & TG_RATE_SHADOW) {
		if (!k->shadow)
			k->shadow = reason;
		return;
	}
	if (wait_ns > k->wait_ns) {
		k->wait_ns = wait_ns;
		k->reason = reason;
		k->limit = rate->limit;
	}
}

/* Scans the n bytes that are in the scratch so far, from the start or from where the last call ended. Global, so that
 * the verifier walks its loop once, for any position, and not for each way to call it. */
__noinline int request_scan(__u32 n, __u32 begin)
{
	struct work *w = work_get();

	if (!w)
		return -1;
	if (begin) {
		tg_head_begin(&w->buf, &w->head, n);
		if (w->head.method == TG_METHOD_NONE)
			return -1;
	}
	tg_head_scan(&w->buf, &w->head, n);
	return 0;
}

/* Loads the head into w->buf and scans it. OUT_NONE: whole, unambiguous, with a key. */
TG_INLINE __u32 request_head(void *ctx, struct work *w, const enum hook hook)
{
	__u32 len = w->pkt.payload_len, off = w->pkt.payload, n = len;

	if (n > REQUEST_FIRST_BYTES)
		n = REQUEST_FIRST_BYTES;
	TG_HIDE(n);
	if (n < 16 || n > REQUEST_FIRST_BYTES)
		return OUT(PASS, NO_REQUEST);
	if (io_load(ctx, hook, off, w->buf.b, n))
		return OUT(PASS, INTERNAL);
	*(__u64 *)(w->buf.b + n) = 0;
	if (request_scan(n, 1))
		return OUT(PASS, NO_REQUEST);
	if (!(w->head.flags & (TG_HEAD_DONE | TG_HEAD_AMBIGUOUS)) && len > REQUEST_FIRST_BYTES) {
		n = len - REQUEST_FIRST_BYTES;
		if (n > TG_HEAD_MAX - REQUEST_FIRST_BYTES)
			n = TG_HEAD_MAX - REQUEST_FIRST_BYTES;
		TG_HIDE(n);
		if (n < 1 || n > TG_HEAD_MAX - REQUEST_FIRST_BYTES)
			return OUT(PASS, INTERNAL);
		if (io_load(ctx, hook, off + REQUEST_FIRST_BYTES, w->buf.b + REQUEST_FIRST_BYTES, n))
			return OUT(PASS, INTERNAL);
		*(__u64 *)(w->buf.b + REQUEST_FIRST_BYTES + n) = 0;
		request_scan(REQUEST_FIRST_BYTES + n, 0);
	}
	if (w->head.flags & TG_HEAD_AMBIGUOUS)
		return OUT(PASS, HEAD_AMBIGUOUS);
	if (!(w->head.flags & TG_HEAD_DONE))
		return OUT(PASS, HEAD_INCOMPLETE);
	if (!(w->head.flags & TG_HEAD_KEY))
		return OUT(PASS, NO_KEY);
	return OUT_NONE;
}

/* Route of the request in the scratch. Global for the same reason as the scan: its dozen exits end here. */
__noinline int request_route(void)
{
	struct work *w = work_get();

	return w ? (int)tg_route_find(&w->buf, w->head.path_off, w->head.path_len) : TG_ROUTE_NONE;
}

/* Whose request is it? OUT_NONE: w->who is set. */
TG_INLINE __u32 request_who(struct work *w, const struct tg_control *control)
{
	__u64 hash = tg_head_key_hash(&w->buf, &w->head, control->sip_key[0], control->sip_key[1]);
	const struct tg_key_entry *entry = bpf_map_lookup_elem(&tg_keys, &hash);
	const struct tg_subject *key, *tenant;
	__u32 hit;

	if (!entry)
		return OUT(PASS, UNKNOWN_KEY);
	w->who.key_subject = entry->key_subject;
	w->who.tenant_subject = entry->tenant_subject;
	key = bpf_map_lookup_elem(&tg_subjects, &w->who.key_subject);
	tenant = bpf_map_lookup_elem(&tg_subjects, &w->who.tenant_subject);
	if (!key || !tenant || TG_READ_ONCE(key->incarnation) != entry->key_incarnation ||
	    TG_READ_ONCE(tenant->incarnation) != entry->tenant_incarnation)
		return OUT(PASS, UNKNOWN_KEY);
	hit = (__u32)request_route();
	w->who.route = (__u8)TG_ROUTE_OF(hit);
	w->who.dialect = (__u8)TG_DIALECT_OF(hit);
	if (!tg_route_allows(w->who.route, w->head.method))
		return OUT(PASS, UNKNOWN_ROUTE);
	w->who.known = 1;
	if (TG_READ_ONCE(tenant->flags))
		return OUT(ANSWER, TENANT_DISABLED);
	if (TG_READ_ONCE(key->flags) & TG_SUBJECT_DISABLED)
		return OUT(ANSWER, KEY_DISABLED);
	if (TG_READ_ONCE(key->flags) & TG_SUBJECT_BLOCKED)
		return OUT(ANSWER, KEY_BLOCKED);
	return OUT_NONE;
}

TG_INLINE void reply_wait(struct reply *r, __u64 wait_ns)
{
	__u64 ms = (wait_ns + 999999) / 1000000;

	r->wait_ms = ms > 999999999 ? 999999999 : (__u32)ms;
}

/* Is every circuit behind the route open? From the time in the word on, requests pass: one of them is the probe. */
TG_INLINE __u32 request_circuit(struct work *w)
{
	__u32 route = w->who.route & (TG_DIM_COUNT - 1);
	const struct tg_route_state *state = bpf_map_lookup_elem(&tg_routes, &route);
	__u64 until_ns = state ? TG_READ_ONCE(state->open_until_ns) : 0, now_ns;

	if (!until_ns) /* as good as always: no clock is read */
		return OUT_NONE;
	now_ns = bpf_ktime_get_ns();
	if (until_ns <= now_ns)
		return OUT_NONE;
	reply_wait(&w->reply, until_ns - now_ns);
	return OUT(ANSWER, CIRCUIT_OPEN);
}

/* Reads every bucket of a request; the longest wait names the reason. */
TG_INLINE __u32 request_limits(struct work *w, const struct tg_policy *policy, __u32 bank)
{
	struct peek *k = &w->peek;
	__u32 route = w->who.route & (TG_DIM_COUNT - 1);
	__u32 scope = policy->route_scope[route];

	k->now_ns = bpf_ktime_get_ns();
	k->wait_ns = 0;
	k->reason = k->shadow = k->limit = 0;
	peek_bucket(k, TG_SUBJECT_GATEWAY, bank, TG_DIM_REQUESTS, TG_REASON_GLOBAL_REQUESTS);
	peek_bucket(k, w->who.tenant_subject, bank, TG_DIM_REQUESTS, TG_REASON_TENANT_REQUESTS);
	peek_bucket(k, w->who.key_subject, bank, TG_DIM_REQUESTS, TG_REASON_KEY_REQUESTS);
	peek_bucket(k, w->who.key_subject, bank, TG_DIM_TOKENS, TG_REASON_KEY_TOKENS);
	if (scope != TG_ROUTE_SCOPE_NONE) {
		__u32 owner = scope == TG_ROUTE_SCOPE_KEY      ? w->who.key_subject
			      : scope == TG_ROUTE_SCOPE_TENANT ? w->who.tenant_subject
							       : TG_SUBJECT_GATEWAY;

		peek_bucket(k, owner, bank, TG_DIM_ROUTE0 + route, TG_REASON_ROUTE_REQUESTS);
	}
	if (!k->reason)
		return k->shadow ? OUT_OF(TG_VERDICT_SHADOW, k->shadow) : OUT(PASS, NONE);
	reply_wait(&w->reply, k->wait_ns);
	w->reply.limit = k->limit;
	return OUT_OF(TG_VERDICT_ANSWER, k->reason);
}

TG_INLINE __u32 request_judge(void *ctx, struct work *w, const enum hook hook, __u32 generation)
{
	__u32 zero = 0, bank = generation & 1, out;
	const struct tg_control *control = bpf_map_lookup_elem(&tg_control, &zero);
	const struct tg_policy *policy = bpf_map_lookup_elem(&tg_policy, &bank);

	w->who.known = 0;
	w->reply.wait_ms = w->reply.limit = 0;
	if (!control || !policy)
		return OUT(PASS, INTERNAL);
	out = request_head(ctx, w, hook);
	if (out == OUT_NONE)
		out = request_who(w, control);
	if (out == OUT_NONE)
		out = request_circuit(w);
	if (out == OUT_NONE)
		out = request_limits(w, policy, bank);
	return out;
}

#endif
