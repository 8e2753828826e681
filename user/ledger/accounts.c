/* Tenants' accounts in memory: found by slot in one load, by name or id on the cold paths. They live as long as the
 * ledger. */
#include "ledger/internal.h"

#include "base/clock.h"

static unsigned name_bucket(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return (h ^ h >> 16) % ACCOUNT_BUCKETS;
}

static unsigned id_bucket(int64_t id)
{
	return (unsigned)((uint64_t)id % ACCOUNT_BUCKETS);
}

struct ledger_account *account_by_name(struct ledger *l, const char *name)
{
	struct ledger_account *a;

	pthread_mutex_lock(&l->accounts.lock);
	for (a = l->accounts.by_name[name_bucket(name)]; a && strcmp(a->name, name) != 0; a = a->next_by_name)
		;
	pthread_mutex_unlock(&l->accounts.lock);
	return a;
}

struct ledger_account *account_by_id(struct ledger *l, int64_t id)
{
	struct ledger_account *a;

	pthread_mutex_lock(&l->accounts.lock);
	for (a = l->accounts.by_id[id_bucket(id)]; a && a->id != id; a = a->next_by_id)
		;
	pthread_mutex_unlock(&l->accounts.lock);
	return a;
}

void account_give(struct ledger_account *a, int64_t amount)
{
	int64_t old = atomic_load_explicit(&a->available, memory_order_relaxed), sum;

	do
		if (__builtin_add_overflow(old, amount, &sum))
			sum = amount < 0 ? INT64_MIN : INT64_MAX;
	while (!atomic_compare_exchange_weak_explicit(&a->available, &old, sum, memory_order_relaxed,
						      memory_order_relaxed));
}

static int account_add(struct ledger *l, const struct account *from, struct ledger_account **ret)
{
	struct ledger_account *a = aligned_alloc(LEDGER_CACHE_LINE, sizeof(*a));
	unsigned name = name_bucket(from->name), id = id_bucket(from->id);
	int64_t available;

	if (!a)
		return ERR_NOMEM;
	memset(a, 0, sizeof(*a));
	if (__builtin_add_overflow(from->balance_nano, from->credit_line_nano, &available))
		available = from->balance_nano < 0 ? INT64_MIN : INT64_MAX;
	a->id = from->id;
	a->booked = from->balance_nano;
	atomic_init(&a->available, available);
	atomic_init(&a->credit_line, from->credit_line_nano);
	memcpy(a->name, from->name, sizeof(a->name));
	pthread_mutex_lock(&l->accounts.lock);
	a->next_by_name = l->accounts.by_name[name];
	l->accounts.by_name[name] = a;
	a->next_by_id = l->accounts.by_id[id];
	l->accounts.by_id[id] = a;
	pthread_mutex_unlock(&l->accounts.lock);
	*ret = a;
	return 0;
}

struct load {
	struct ledger *ledger;
	struct err *err;
};

static int on_account(const struct account *a, void *arg)
{
	struct load *load = arg;
	struct ledger_account *added;

	if (a->kind != ACCOUNT_TENANT)
		return 0;
	return account_add(load->ledger, a, &added) < 0 ? err_set(load->err, ERR_NOMEM, "out of memory") : 0;
}

static int house_open(struct ledger *l, enum account_kind kind, const char *name, int64_t *ret_id, struct err *err)
{
	struct account a;
	int rc = store_account_open(l->store, kind, name, clock_wall_ms(), &a, err);

	if (rc < 0)
		return rc;
	*ret_id = a.id;
	return 0;
}

int accounts_init(struct ledger *l, struct err *err)
{
	struct load load = {.ledger = l, .err = err};
	int rc = store_books_currency(l->store, l->currency, err);

	if (rc == 0)
		rc = store_account_each(l->store, on_account, &load, err);
	if (rc < 0)
		return rc;
	rc = house_open(l, ACCOUNT_CASH, "cash", &l->house.cash, err);
	if (rc == 0)
		rc = house_open(l, ACCOUNT_REVENUE, "revenue", &l->house.revenue, err);
	if (rc == 0)
		rc = house_open(l, ACCOUNT_COST, "cost", &l->house.cost, err);
	if (rc == 0)
		rc = house_open(l, ACCOUNT_ADJUSTMENTS, "adjustments", &l->house.adjustments, err);
	return rc;
}

void accounts_done(struct ledger *l)
{
	for (unsigned i = 0; i < ACCOUNT_BUCKETS; i++) {
		struct ledger_account *a = l->accounts.by_name[i];

		while (a) {
			struct ledger_account *next = a->next_by_name;

			free(a);
			a = next;
		}
		l->accounts.by_name[i] = NULL;
		l->accounts.by_id[i] = NULL;
	}
}

struct bind {
	const char *tenant_id;
	struct ledger_account *account;
};

static int account_make(struct ledger *l, void *arg, struct err *err)
{
	struct bind *b = arg;
	struct account made;
	int rc;

	b->account = account_by_name(l, b->tenant_id);
	if (b->account)
		return 0;
	rc = store_account_open(l->store, ACCOUNT_TENANT, b->tenant_id, post_time(l), &made, err);
	if (rc < 0)
		return rc;
	return account_add(l, &made, &b->account) < 0 ? err_set(err, ERR_NOMEM, "out of memory") : 0;
}

int ledger_account_bind(struct ledger *l, const char *tenant_id, uint32_t subject, unsigned tier, struct err *err)
{
	struct bind b = {.tenant_id = tenant_id};
	int rc;

	if (subject == 0 || subject >= TG_SUBJECTS_MAX)
		return err_set(err, ERR_RANGE, "slot %u: 1 to %u are right", subject, TG_SUBJECTS_MAX - 1);
	if (!tenant_id[0] || strlen(tenant_id) >= ACCOUNT_NAME_MAX)
		return err_set(err, ERR_INVAL, "tenant id: 1 to %d bytes are right", ACCOUNT_NAME_MAX - 1);
	b.account = account_by_name(l, tenant_id);
	if (!b.account) {
		rc = task_run(l, account_make, &b, err);
		if (rc < 0)
			return rc;
	}
	atomic_store_explicit(&b.account->tier, tier, memory_order_relaxed);
	atomic_store_explicit(&l->at[subject], b.account, memory_order_release);
	return 0;
}

struct ledger_account *ledger_account_at(const struct ledger *l, uint32_t subject)
{
	return subject < TG_SUBJECTS_MAX ? atomic_load_explicit(&l->at[subject], memory_order_acquire) : NULL;
}

int64_t ledger_account_id(const struct ledger_account *a)
{
	return a->id;
}

unsigned ledger_account_tier(const struct ledger_account *a)
{
	return atomic_load_explicit(&a->tier, memory_order_relaxed);
}

void ledger_account_balance(const struct ledger_account *a, struct ledger_balance *ret)
{
	int holds = atomic_load_explicit(&a->holds, memory_order_relaxed);

	ret->available_nano = atomic_load_explicit(&a->available, memory_order_relaxed);
	ret->held_nano = atomic_load_explicit(&a->held, memory_order_relaxed);
	ret->credit_line_nano = atomic_load_explicit(&a->credit_line, memory_order_relaxed);
	ret->holds = holds > 0 ? (unsigned)holds : 0; /* seen from a third thread an end may come before its take */
	if (__builtin_add_overflow(ret->available_nano, ret->held_nano - ret->credit_line_nano, &ret->balance_nano))
		ret->balance_nano = ret->available_nano;
}
