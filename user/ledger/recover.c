/* What a crash left open is resolved before anything new is taken, all of it in one transaction:
 *
 *  R1  A record of that request exists: the hold is dropped.
 *  R2, R3, R4  see resolve.c.
 *  R5  The slot is damaged, or of an account that the books don't have: void, listed, a discrepancy is opened.
 *
 * Slots are freed only after the commit. Dying in between is harmless: next time each of them meets R1. */
#include "ledger/internal.h"

#include "base/clock.h"

#include <stdio.h>

static int list(struct ledger *l, const struct usage_record *r, const char *rule, const char *text, struct err *err)
{
	struct store_recovery v = {.time_ms = post_time(l),
				   .request_id = r->request_id,
				   .account_id = r->account_id,
				   .hold_nano = r->hold_nano,
				   .price_nano = r->price_nano};

	snprintf(v.rule, sizeof(v.rule), "%s", rule);
	snprintf(v.text, sizeof(v.text), "%s", text);
	return store_recovery_put(l->store, &v, err);
}

static int damaged(struct ledger *l, uint32_t index, const struct slot_identity *id, const char *text, struct err *err)
{
	struct store_discrepancy d = {.found_ms = post_time(l), .kind = "damaged_hold"};
	struct usage_record r = {0};
	int rc;

	snprintf(d.subject, sizeof(d.subject), "holds file, slot %u, %lld", index, (long long)d.found_ms);
	snprintf(d.text, sizeof(d.text), "%s; no call was charged for it", text);
	memcpy(r.request_id.b, id->request_id, sizeof(r.request_id.b));
	l->recovery.voided++;
	l->recovery.damaged++;
	rc = store_discrepancy_put(l->store, &d, err);
	return rc < 0 ? rc : list(l, &r, "R5", text, err);
}

/* The books refuse it by the record's own fault: it would at each start. */
static int unfit(struct ledger *l, struct usage_record *r, const char *rule, int rc, struct err *err)
{
	char why[ERR_MSG_MAX];

	snprintf(why, sizeof(why), "%s", err->msg);
	l->recovery.voided++;
	rc = post_unpostable(l, r, rc, why, err);
	r->price_nano = 0;
	return rc < 0 ? rc : list(l, r, rule, "the books can't take its record; a discrepancy is open", err);
}

/* `refused`: what the books said of this slot's record in an attempt before, or 0. *ret_own: the failure is the
 * record's. */
static int slot_recover(struct ledger *l, uint32_t i, uint32_t state, int refused, bool *ret_own, struct err *err)
{
	struct slot_identity id;
	struct resolution res;
	int rc;

	if (!slot_identity_get(&l->slots.at[i], &id))
		return damaged(l, i, &id, "damaged: its checksum doesn't fit", err);
	if (state >= SLOT_STATES)
		return damaged(l, i, &id, "damaged: no such state", err);
	if (!account_by_id(l, id.account_id))
		return damaged(l, i, &id, "of an account that these books don't have", err);
	rc = slot_resolve(l, &l->slots.at[i], &id, state == SLOT_SETTLING, &res, err);
	if (rc < 0)
		return rc;
	if (state == SLOT_EXPIRED)
		res.record.flags |= USAGE_FLAG_EXPIRED;
	rc = refused ? err_set(err, refused, "the books refuse it") : post_check(&res.record, res.provider, err);
	if (rc < 0)
		return unfit(l, &res.record, res.rule, rc, err);
	rc = post_record(l, &res.record, res.provider, err);
	if (rc == ERR_EXISTS) {
		l->recovery.known++;
		res.record.price_nano = 0;
		return list(l, &res.record, "R1", "its record was posted before", err);
	}
	*ret_own = post_error_is_own(rc);
	if (rc < 0)
		return rc;
	*(res.record.source == USAGE_NONE ? &l->recovery.voided : &l->recovery.charged) += 1;
	return list(l, &res.record, res.rule, res.text, err);
}

/* One transaction over all slots. *ret_at: the slot whose record the books refuse, when that is why it failed. */
static int recover_all(struct ledger *l, const int *refused, uint32_t *ret_at, struct err *err)
{
	bool own = false;
	int rc = store_books_begin(l->store, err);

	l->recovery = (struct ledger_recovery){0};
	for (uint32_t i = 0; i < l->slots.count && rc == 0; i++) {
		uint32_t state = SLOT_STATE_OF(atomic_load_explicit(&l->slots.at[i].word, memory_order_acquire));

		/* VOID: ended before anything was forwarded, and the process died before it said FREE. */
		if (state == SLOT_FREE || state == SLOT_VOID)
			continue;
		l->recovery.found++;
		*ret_at = i;
		rc = slot_recover(l, i, state, refused[i], &own, err);
	}
	if (!own)
		*ret_at = UINT32_MAX;
	if (rc == 0)
		rc = store_books_commit(l->store, err);
	if (rc < 0) {
		store_books_abort(l->store);
		payables_forget(l);
	}
	return rc;
}

/* A record that the books refuse is set apart and all begin anew: no single slot can keep the ledger from starting. */
static int recover_or_set_apart(struct ledger *l, struct err *err)
{
	_cleanup_(freep) int *refused = calloc(l->slots.count, sizeof(*refused));
	uint32_t at;
	int rc;

	if (!refused)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (;;) {
		at = UINT32_MAX;
		rc = recover_all(l, refused, &at, err);
		if (rc == 0 || at == UINT32_MAX || refused[at])
			return rc;
		refused[at] = rc;
	}
}

int recover(struct ledger *l, struct err *err)
{
	uint64_t start_ns = clock_mono_ns();
	bool any = false;
	int rc = 0;

	for (uint32_t i = 0; i < l->slots.count && !any; i++)
		any = SLOT_STATE_OF(atomic_load_explicit(&l->slots.at[i].word, memory_order_relaxed)) != SLOT_FREE;
	if (!any)
		return 0;
	rc = recover_or_set_apart(l, err);
	if (rc < 0)
		return err_prefix(err, "resolving the holds of the last run");
	for (uint32_t i = 0; i < l->slots.count; i++) {
		uint32_t word = atomic_load_explicit(&l->slots.at[i].word, memory_order_relaxed);

		if (SLOT_STATE_OF(word) != SLOT_FREE) /* the others' pages stay clean */
			atomic_store_explicit(&l->slots.at[i].word, 0, memory_order_release);
	}
	l->recovery.took_us = (clock_mono_ns() - start_ns) / 1000;
	return 0;
}
