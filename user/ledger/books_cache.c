/* Small look-up tables for passes over the books: price rules, accounts. */
#include "ledger/books_internal.h"

#include <inttypes.h>
#include <string.h>

int books_grow(void **v, size_t n, size_t *cap, size_t size, struct err *err)
{
	size_t bigger = *cap ? *cap * 2 : 16;
	void *more;

	if (n < *cap)
		return 0;
	more = reallocarray(*v, bigger, size);
	if (!more)
		return err_set(err, ERR_NOMEM, "out of memory");
	*v = more;
	*cap = bigger;
	return 0;
}

/* The first rule whose id is not below `id`. */
static size_t rule_place(const struct books_rules *rules, int64_t id)
{
	size_t lo = 0, hi = rules->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (rules->v[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int books_rules_get(struct books_rules *rules, struct store *s, int64_t id, const struct price_rule **ret,
		    struct err *err)
{
	size_t at = rule_place(rules, id);
	struct price_rule rule;
	int rc;

	if (at < rules->n && rules->v[at].id == id) {
		*ret = &rules->v[at];
		return 0;
	}
	rc = store_price_rule_get(s, id, &rule, err);
	if (rc == 0)
		rc = books_grow((void **)&rules->v, rules->n, &rules->cap, sizeof(*rules->v), err);
	if (rc < 0)
		return rc;
	memmove(&rules->v[at + 1], &rules->v[at], (rules->n - at) * sizeof(*rules->v));
	rule.id = id;
	rules->v[at] = rule;
	rules->n++;
	*ret = &rules->v[at];
	return 0;
}

void books_rules_done(struct books_rules *rules)
{
	free(rules->v);
	*rules = (struct books_rules){0};
}

struct accounts_load {
	struct books_accounts *accounts;
	struct err *err;
};

static int take_account(const struct account *a, void *arg)
{
	struct accounts_load *l = arg;
	struct books_accounts *t = l->accounts;
	int rc = books_grow((void **)&t->v, t->n, &t->cap, sizeof(*t->v), l->err);

	if (rc == 0)
		t->v[t->n++] = *a;
	return rc;
}

static int by_id(const void *a, const void *b)
{
	int64_t x = ((const struct account *)a)->id, y = ((const struct account *)b)->id;

	return (x > y) - (x < y);
}

int books_accounts_load(struct books_accounts *accounts, struct store *s, struct err *err)
{
	struct accounts_load l = {accounts, err};
	int rc = store_account_each(s, take_account, &l, err);

	if (rc == 0 && accounts->n)
		qsort(accounts->v, accounts->n, sizeof(*accounts->v), by_id);
	return rc;
}

const struct account *books_accounts_find(const struct books_accounts *accounts, int64_t id)
{
	struct account key = {.id = id};

	return accounts->n ? bsearch(&key, accounts->v, accounts->n, sizeof(*accounts->v), by_id) : NULL;
}

void books_accounts_done(struct books_accounts *accounts)
{
	free(accounts->v);
	*accounts = (struct books_accounts){0};
}
