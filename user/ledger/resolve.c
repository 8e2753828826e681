/* What a hold comes to that nobody settled: its worker died with the process, or let its time pass.
 *
 *  R2  Nothing was delivered to the client: void.
 *  R3  Something was, and the client will ask again under its Idempotency-Key: void; it is charged then.
 *  R4  Something was delivered: charged. For what the provider reported, if it had; else for the prompt's estimate and
 * the tokens delivered. R1 (there is a record) and R5 (damaged) are recover.c's. */
#include "ledger/internal.h"

#include "price/price.h"

#include <stdio.h>

/* Rules never change: what was read once is kept, so that recovery of many holds reads each rule once. */
static int rule_get(struct ledger *l, int64_t id, const struct price_rule **ret, struct err *err)
{
	struct price_rule *kept = &l->rules[(uint64_t)id % RULES_KEPT];
	struct price_rule got;
	int rc;

	if (kept->id != id || id == 0) {
		rc = store_price_rule_get(l->store, id, &got, err);
		if (rc < 0)
			return rc;
		*kept = got;
		kept->id = id;
	}
	*ret = kept;
	return 0;
}

static void base_record(const struct slot *slot, const struct slot_identity *id, struct usage_record *r)
{
	uint32_t phase = atomic_load_explicit(&slot->phase, memory_order_relaxed);

	*r = (struct usage_record){.account_id = id->account_id,
				   .rule_id = atomic_load_explicit(&slot->rule_id, memory_order_relaxed),
				   .route = id->route,
				   .admitted_ms = id->admitted_ms,
				   .flags = phase & SLOT_STREAM ? USAGE_FLAG_STREAM : 0,
				   .hold_nano = id->amount_nano};
	memcpy(r->request_id.b, id->request_id, sizeof(r->request_id.b));
	memcpy(r->key_id, id->key_id, sizeof(r->key_id));
}

static void voided(struct resolution *ret, const char *rule, const char *text)
{
	ret->rule = rule;
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	ret->record.source = USAGE_NONE;
}

/* R4's tokens. True: as the provider reported them. */
static bool tokens_of(const struct slot *slot, uint64_t delivered, struct usage *ret)
{
	struct usage reported;

	if (slot_usage_get(slot, &reported) && price_check_usage(&reported, NULL) == 0) {
		*ret = reported;
		return true;
	}
	*ret = (struct usage){.input_tokens = atomic_load_explicit(&slot->input_estimate, memory_order_relaxed),
			      .output_tokens = delivered};
	return false;
}

static void charged(const struct price_rule *rule, const struct slot *slot, uint64_t delivered, bool complete,
		    struct resolution *ret)
{
	struct usage_record *r = &ret->record;
	bool reported = tokens_of(slot, delivered, &r->usage);

	if (price_amounts(rule, &r->usage, &r->cost_nano, &r->price_nano) < 0) {
		r->usage = (struct usage){0};
		voided(ret, "R4", "delivered in part, but its tokens can't be priced");
		return;
	}
	ret->rule = "R4";
	r->source = USAGE_RECOVERED;
	r->flags |= complete ? 0 : USAGE_FLAG_BROKEN;
	memcpy(ret->provider, rule->provider, sizeof(ret->provider));
	snprintf(ret->text, sizeof(ret->text), "delivered in part; tokens %s",
		 complete   ? "as settled"
		 : reported ? "as reported"
			    : "estimated");
}

int slot_resolve(struct ledger *l, const struct slot *slot, const struct slot_identity *id, bool complete,
		 struct resolution *ret, struct err *err)
{
	uint64_t delivered = atomic_load_explicit(&slot->delivered, memory_order_acquire);
	uint32_t phase = atomic_load_explicit(&slot->phase, memory_order_acquire);

	const struct price_rule *rule = NULL;
	int rc;

	memset(ret, 0, sizeof(*ret));
	base_record(slot, id, &ret->record);
	if (complete) {
		ret->record.flags = slot->flags;
		ret->record.status = slot->status;
		ret->record.bytes = slot->bytes;
		ret->record.latency_us = slot->latency_us;
	}
	if (ret->record.rule_id) { /* books restored from a backup may not have it */
		rc = rule_get(l, ret->record.rule_id, &rule, err);
		if (rc == ERR_NOT_FOUND)
			ret->record.rule_id = 0;
		else if (rc < 0)
			return rc;
	}
	if (!(phase & SLOT_FORWARDED) || !delivered) {
		voided(ret, "R2", phase & SLOT_FORWARDED ? "forwarded, nothing delivered" : "not forwarded");
		return 0;
	}
	if (!complete)
		ret->record.status = 200; /* what a stream begins with */
	if (id->idempotent) {
		voided(ret, "R3", "delivered in part; the client asks again under its key");
		return 0;
	}
	if (complete && slot->price_nano == 0 && slot->cost_nano == 0) {
		voided(ret, "R4", "settled without a charge");
		ret->record.source = (enum usage_source)slot->source;
		slot_usage_get(slot, &ret->record.usage);
		return 0;
	}
	if (!ret->record.rule_id)
		voided(ret, "R4", "delivered in part, but the price rule isn't in the books");
	else
		charged(rule, slot, delivered, complete, ret);
	return 0;
}
