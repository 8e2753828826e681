/* One record's rows, inside a posting transaction (L2). */
#include "ledger/internal.h"

#include "base/clock.h"
#include "price/price.h"

#include <stdio.h>

int64_t post_time(struct ledger *l)
{
	int64_t now_ms = clock_wall_ms();

	if (now_ms > l->last_ms)
		l->last_ms = now_ms;
	return l->last_ms;
}

/* What the store says of a row, as opposed to what it says of itself. */
bool post_error_is_own(int rc)
{
	return rc == ERR_INVAL || rc == ERR_RANGE || rc == ERR_EXISTS || rc == ERR_NOT_FOUND || rc == ERR_UNSUPPORTED;
}

int post_check(const struct usage_record *r, const char *provider, struct err *err)
{
	if (r->price_nano < 0 || r->cost_nano < 0 || r->hold_nano < 0)
		return err_set(err, ERR_INVAL, "a price of %lld, cost of %lld: none is negative",
			       (long long)r->price_nano, (long long)r->cost_nano);
	if (r->price_nano > LEDGER_BALANCE_MAX || r->cost_nano > LEDGER_BALANCE_MAX)
		return err_set(err, ERR_RANGE, "a price of %lld, cost of %lld: beyond what an account can have",
			       (long long)r->price_nano, (long long)r->cost_nano);
	if (r->cost_nano > 0 && (!provider || !provider[0]))
		return err_set(err, ERR_INVAL, "a cost without a provider");
	if ((unsigned)r->source >= USAGE_SOURCES)
		return err_set(err, ERR_INVAL, "usage source %u", (unsigned)r->source);
	return price_check_usage(&r->usage, err);
}

/* ---- payables: the account of each provider, looked up once */

static unsigned payable_bucket(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return (h ^ h >> 16) % PAYABLE_BUCKETS;
}

static int payable_id(struct ledger *l, const char *provider, int64_t *ret_id, struct err *err)
{
	struct payable **bucket = &l->payables[payable_bucket(provider)], *p;
	size_t len = strlen(provider) + 1;
	struct account a;
	int rc;

	for (p = *bucket; p; p = p->next)
		if (strcmp(p->name, provider) == 0) {
			*ret_id = p->id;
			return 0;
		}
	rc = store_account_open(l->store, ACCOUNT_PAYABLE, provider, post_time(l), &a, err);
	if (rc < 0)
		return rc;
	p = malloc(sizeof(*p) + len);
	if (!p)
		return err_set(err, ERR_NOMEM, "out of memory");
	p->id = a.id;
	memcpy(p->name, provider, len);
	p->next = *bucket;
	*bucket = p;
	l->payables_new = true;
	*ret_id = a.id;
	return 0;
}

void payables_forget(struct ledger *l)
{
	l->payables_new = false;
	for (unsigned i = 0; i < PAYABLE_BUCKETS; i++)
		while (l->payables[i]) {
			struct payable *next = l->payables[i]->next;

			free(l->payables[i]);
			l->payables[i] = next;
		}
}

/* ---- rows */

static int transfer_of(struct ledger *l, const struct usage_record *r, enum transfer_kind kind, int64_t debit,
		       int64_t credit, int64_t amount, struct err *err)
{
	static const struct transfer none; /* texts stay empty: the record says it all */
	struct transfer t;
	int64_t id;

	if (amount == 0)
		return 0;
	t = none;
	t.time_ms = r->posted_ms;
	t.kind = kind;
	t.debit_account = debit;
	t.credit_account = credit;
	t.amount_nano = amount;
	t.usage_id = r->id;
	return store_transfer_put(l->store, &t, &id, err);
}

int post_record(struct ledger *l, struct usage_record *r, const char *provider, struct err *err)
{
	int64_t charge = r->price_nano < r->hold_nano ? r->price_nano : r->hold_nano, payable = 0;
	int rc;

	r->id = 0;
	r->posted_ms = post_time(l);
	rc = r->cost_nano > 0 ? payable_id(l, provider, &payable, err)
			      : 0; /* first: nothing comes between a record's rows */
	if (rc == 0)
		rc = store_usage_put(l->store, r, &r->id, err);
	if (rc < 0)
		return rc;
	rc = transfer_of(l, r, TRANSFER_CHARGE, r->account_id, l->house.revenue, charge, err);
	if (rc == 0)
		rc = transfer_of(l, r, TRANSFER_OVERAGE, r->account_id, l->house.revenue, r->price_nano - charge, err);
	if (rc == 0)
		rc = transfer_of(l, r, TRANSFER_COST, l->house.cost, payable, r->cost_nano, err);
	return rc == ERR_EXISTS ? err_set(err, ERR_INVAL, "the books refuse a transfer of this record") : rc;
}

/* ---- records that the books can't take */

static void request_text(const struct request_id *id, char *out, size_t size)
{
	size_t at = (size_t)snprintf(out, size, "req_");

	for (size_t i = 0; i < REQUEST_ID_BYTES && at + 2 < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%02x", id->b[i]);
}

int post_unpostable(struct ledger *l, const struct usage_record *r, int rc, const char *why, struct err *err)
{
	struct store_discrepancy d = {
		.found_ms = post_time(l), .kind = "unpostable_record", .expected_nano = r->price_nano};

	request_text(&r->request_id, d.subject, sizeof(d.subject));
	snprintf(d.text, sizeof(d.text), "account %lld, %s: %.160s", (long long)r->account_id, err_name(rc), why);
	return store_discrepancy_put(l->store, &d, err);
}
