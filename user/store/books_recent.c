/* What the writer posted since the last roll-up, remembered, so that roll-up needn't read and sort rows that were in
 * its hands a moment ago: groups are made here, and each is one upsert.
 *
 * It is used only where nothing depends on it:
 *  - it has to cover exactly the ids between roll-up's mark and the last rows, as read from the books in roll-up's own
 *    transaction; else (start, another connection's rows, more rows than are kept) SQL reads the rows;
 *  - a sum that leaves 64 bits is left to SQL as well, which says what is to be said of it.
 * What isn't committed is beyond the mark that begin goes back to. */
#include "store/internal.h"

#include <string.h>

/* The ledger rolls up every thousand records, and a batch more may come before it does. */
#define USAGE_MAX 8192u
#define TRANSFERS_MAX (3 * USAGE_MAX)
#define HOUR 3600000
#define BLOCK_SHIFT 12

struct recent_usage {
	int64_t account_id, hour, rule_id;
	int64_t sum[9]; /* of usage_sums' columns after the count of calls */
};

struct recent_transfer {
	int64_t debit, credit, hour, kind, amount_nano;
};

/* ---- remembering */

void recent_begin(struct recent *r, const struct store_books_tail *tail)
{
	r->n_usage = r->usage_committed;
	r->n_transfers = r->transfers_committed;
	if (r->usage_after + (int64_t)r->n_usage == tail->usage_id &&
	    r->transfer_after + (int64_t)r->n_transfers == tail->transfer_id)
		return;
	/* Rows between that aren't known. What is remembered from here on serves once roll-up has reached this point.
	 */
	recent_restart(r, tail->usage_id, tail->transfer_id);
}

void recent_restart(struct recent *r, int64_t usage_id, int64_t transfer_id)
{
	r->n_usage = r->n_transfers = r->usage_committed = r->transfers_committed = 0;
	r->usage_after = usage_id;
	r->transfer_after = transfer_id;
}

void recent_commit(struct recent *r)
{
	r->usage_committed = r->n_usage;
	r->transfers_committed = r->n_transfers;
}

/* Room for one more, or false: the row isn't remembered, and the next begin finds it missing. */
static bool make_room(void **rows, size_t n, size_t *cap, size_t max, size_t size)
{
	size_t want = *cap ? 2 * *cap : 256;
	void *more;

	if (n < *cap)
		return true;
	if (n >= max)
		return false;
	if (want > max)
		want = max;
	more = realloc(*rows, want * size);
	if (!more)
		return false;
	*rows = more;
	*cap = want;
	return true;
}

void recent_usage(struct recent *r, const struct usage_record *u)
{
	void *rows = r->usage;

	if (!make_room(&rows, r->n_usage, &r->usage_cap, USAGE_MAX, sizeof(*r->usage)))
		return;
	r->usage = rows;
	r->usage[r->n_usage++] = (struct recent_usage){
		.account_id = u->account_id,
		.hour = u->posted_ms / HOUR,
		.rule_id = u->rule_id,
		.sum = {u->price_nano > 0 || u->cost_nano > 0,
			u->source == USAGE_ESTIMATED || u->source == USAGE_RECOVERED, (int64_t)u->usage.input_tokens,
			(int64_t)u->usage.cached_input_tokens, (int64_t)u->usage.cache_write_tokens,
			(int64_t)u->usage.output_tokens, (int64_t)u->usage.reasoning_tokens, u->cost_nano,
			u->price_nano},
	};
}

void recent_transfer(struct recent *r, const struct transfer *t)
{
	void *rows = r->transfers;

	if (!make_room(&rows, r->n_transfers, &r->transfers_cap, TRANSFERS_MAX, sizeof(*r->transfers)))
		return;
	r->transfers = rows;
	r->transfers[r->n_transfers++] = (struct recent_transfer){t->debit_account, t->credit_account,
								  t->time_ms / HOUR, t->kind, t->amount_nano};
}

bool recent_covers(const struct recent *r, int64_t usage_id, int64_t usage_last, int64_t transfer_id,
		   int64_t transfer_last)
{
	return r->usage_after == usage_id && usage_id + (int64_t)r->usage_committed == usage_last &&
	       r->transfer_after == transfer_id && transfer_id + (int64_t)r->transfers_committed == transfer_last;
}

/* ---- groups: a hash of sums by key, kept in the order in which keys came */

struct group {
	int64_t key[5];
	int64_t sum[10];
};

static void groups_clear(struct groups *g)
{
	g->n = 0;
	if (g->index)
		memset(g->index, 0, g->slots * sizeof(*g->index));
}

static void groups_done(struct groups *g)
{
	free(g->all);
	free(g->index);
}

static uint64_t hash_of(const int64_t key[5])
{
	uint64_t h = 0;

	for (int i = 0; i < 5; i++) {
		h = (h ^ (uint64_t)key[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	return h;
}

/* Index entries are 1 + position; 0 = free. */
static uint32_t *find_slot(const struct groups *g, const int64_t key[5])
{
	size_t at = hash_of(key) & (g->slots - 1);

	while (g->index[at] && memcmp(g->all[g->index[at] - 1].key, key, sizeof(g->all->key)) != 0)
		at = (at + 1) & (g->slots - 1);
	return &g->index[at];
}

static int grow(struct groups *g)
{
	size_t cap = g->cap ? 2 * g->cap : 64;
	struct group *all = realloc(g->all, cap * sizeof(*all));
	uint32_t *index;

	if (!all)
		return ERR_NOMEM;
	g->all = all;
	index = calloc(2 * cap, sizeof(*index));
	if (!index)
		return ERR_NOMEM;
	free(g->index);
	g->index = index;
	g->slots = 2 * cap;
	g->cap = cap;
	for (size_t i = 0; i < g->n; i++)
		*find_slot(g, g->all[i].key) = (uint32_t)i + 1;
	return 0;
}

/* The group of that key, made when there is none. NULL: out of memory. */
static struct group *group_at(struct groups *g, const int64_t key[5])
{
	uint32_t *slot;

	if (g->n == g->cap && grow(g) < 0)
		return NULL;
	slot = find_slot(g, key);
	if (!*slot) {
		struct group *new = &g->all[g->n];

		memcpy(new->key, key, sizeof(new->key));
		memset(new->sum, 0, sizeof(new->sum));
		*slot = (uint32_t)++g->n;
	}
	return &g->all[*slot - 1];
}

static bool add(int64_t *sum, int64_t v)
{
	return !__builtin_add_overflow(*sum, v, sum);
}

static void add_saturating(int64_t *sum, int64_t v)
{
	if (__builtin_add_overflow(*sum, v, sum))
		*sum = INT64_MAX;
}

/* ---- aggregating: false = SQL has to do it */

static bool group_usage(struct recent *r)
{
	struct groups *g = &r->by_rule;

	groups_clear(g);
	for (size_t i = 0; i < r->usage_committed; i++) {
		const struct recent_usage *u = &r->usage[i];
		int64_t block = (r->usage_after + 1 + (int64_t)i) >> BLOCK_SHIFT;
		struct group *to = group_at(g, (int64_t[5]){u->account_id, u->hour, u->rule_id, block, 0});

		if (!to)
			return false;
		to->sum[0]++;
		to->sum[1] += u->sum[0];
		to->sum[2] += u->sum[1];
		for (int k = 3; k < 8; k++)
			add_saturating(&to->sum[k], u->sum[k - 1]);
		if (!add(&to->sum[8], u->sum[7]) || !add(&to->sum[9], u->sum[8]))
			return false;
	}
	return true;
}

static bool group_pairs(struct recent *r)
{
	struct groups *g = &r->by_pair;

	groups_clear(g);
	for (size_t i = 0; i < r->transfers_committed; i++) {
		const struct recent_transfer *t = &r->transfers[i];
		int64_t block = (r->transfer_after + 1 + (int64_t)i) >> BLOCK_SHIFT;
		struct group *to = group_at(g, (int64_t[5]){t->debit, t->credit, t->hour, t->kind, block});

		if (!to)
			return false;
		to->sum[0]++;
		if (!add(&to->sum[1], t->amount_nano))
			return false;
	}
	return true;
}

/* Credits and debits stay apart: as long as neither leaves 64 bits, no order of adding them up does. */
static bool add_side(struct recent *r, const struct group *pair, int64_t account_id, bool credit)
{
	struct group *side =
		group_at(&r->by_side, (int64_t[5]){account_id, pair->key[2], pair->key[3], pair->key[4], 0});
	struct group *account = group_at(&r->by_account, (int64_t[5]){account_id});

	if (!side || !account)
		return false;
	side->sum[0] += pair->sum[0];
	return add(&side->sum[credit ? 1 : 2], pair->sum[1]) && add(&account->sum[credit ? 0 : 1], pair->sum[1]);
}

static bool group_sides(struct recent *r)
{
	groups_clear(&r->by_side);
	groups_clear(&r->by_account);
	for (size_t i = 0; i < r->by_pair.n; i++) {
		const struct group *pair = &r->by_pair.all[i];

		if (!add_side(r, pair, pair->key[1], true) || !add_side(r, pair, pair->key[0], false))
			return false;
	}
	return true;
}

bool recent_group(struct recent *r)
{
	return group_usage(r) && group_pairs(r) && group_sides(r);
}

/* ---- storing: one row per group */

/* The first `keys` of its key, then the first `sums` of its sums. */
static int put_groups(struct store *s, enum store_statement which, const struct groups *g, int keys, int sums,
		      struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, which, err);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < g->n; i++) {
		query_again(&q);
		for (int k = 0; k < keys; k++)
			query_int(&q, g->all[i].key[k]);
		for (int k = 0; k < sums; k++)
			query_int(&q, g->all[i].sum[k]);
		rc = query_run(&q);
	}
	return rc;
}

static int put_blocks(struct store *s, enum store_statement which, const struct groups *g, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, which, err);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < g->n; i++) {
		query_again(&q);
		query_int(&q, g->all[i].key[0]);
		query_int(&q, g->all[i].key[3]);
		rc = query_run(&q);
	}
	return rc;
}

static int put_balances(struct store *s, const struct groups *g, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_BALANCE_ADD, err);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < g->n; i++) {
		query_again(&q);
		query_int(&q, g->all[i].key[0]);
		query_int(&q, g->all[i].sum[0] - g->all[i].sum[1]);
		rc = query_run(&q);
	}
	return rc;
}

int recent_store(struct store *s, struct err *err)
{
	const struct recent *r = &s->recent;
	int rc = put_groups(s, STORE_SQL_USAGE_SUM_ADD, &r->by_rule, 3, 10, err);

	if (rc == 0)
		rc = put_blocks(s, STORE_SQL_USAGE_BLOCK_ADD, &r->by_rule, err);
	if (rc == 0)
		rc = put_groups(s, STORE_SQL_TRANSFER_SUM_ADD, &r->by_side, 3, 3, err);
	if (rc == 0)
		rc = put_balances(s, &r->by_account, err);
	return rc < 0 ? rc : put_blocks(s, STORE_SQL_TRANSFER_BLOCK_ADD, &r->by_side, err);
}

void recent_done(struct recent *r)
{
	free(r->usage);
	free(r->transfers);
	groups_done(&r->by_rule);
	groups_done(&r->by_pair);
	groups_done(&r->by_side);
	groups_done(&r->by_account);
}
