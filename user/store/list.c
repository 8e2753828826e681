/* Allow and block lists: the durable copy of what operators, risk and penalties put there. */
#include "store/internal.h"

#include <stdio.h>
#include <string.h>

static const char *list_name(enum store_list list)
{
	return list == STORE_LIST_ALLOW ? "allow" : "block";
}

static int compare_cidrs(const void *a, const void *b)
{
	const struct store_list_entry *const *x = a, *const *y = b;

	int order = strcmp((*x)->cidr, (*y)->cidr);

	return order ? order : *x < *y ? -1 : 1; /* both point into the caller's one array: the later one wins */
}

/* In the table's own order: neighbours share pages, a million entries take a fifth less time. */
static int put_all(struct store *s, enum store_list list, const struct store_list_entry *e, size_t n, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_LIST_PUT, err);
	_cleanup_(freep) const struct store_list_entry **sorted = calloc(n, sizeof(*sorted));

	if (!sorted)
		return err_set(err, ERR_NOMEM, "out of memory for %zu entries", n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &e[i];
	qsort(sorted, n, sizeof(*sorted), compare_cidrs);

	for (size_t i = 0; i < n; i++) {
		int rc;

		query_again(&q);
		query_int(&q, list == STORE_LIST_BLOCK);
		query_text(&q, sorted[i]->cidr);
		query_text(&q, sorted[i]->reason);
		query_int(&q, sorted[i]->source);
		query_int(&q, sorted[i]->expires_ms);
		rc = query_run(&q);
		if (rc == ERR_INVAL) /* a CHECK of the schema */
			return err_set(err, ERR_INVAL, "entry %s: expiry is negative", sorted[i]->cidr);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int store_list_put(struct store *s, const char *actor, enum store_list list, const struct store_list_entry *e, size_t n,
		   struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	if (!n)
		return 0;
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = put_all(s, list, e, n, err);
	if (rc == 0)
		rc = audit_add(s, actor, "list.put", list_name(list), err, "entries=%zu first=%s reason=%s", n, e->cidr,
			       e->reason);
	if (rc == 0)
		rc = txn_commit(&txn, err);
	if (n >= 1000) /* an import fills the page cache; the daemon has better use for the memory */
		sqlite3_db_release_memory(s->db);
	return rc;
}

static int del_all(struct store *s, enum store_list list, const char *const *cidrs, size_t n, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_LIST_DEL, err);

	for (size_t i = 0; i < n; i++) {
		int rc;

		query_again(&q);
		query_int(&q, list == STORE_LIST_BLOCK);
		query_text(&q, cidrs[i]);
		rc = query_run(&q);
		if (rc < 0)
			return rc;
		if (!query_changes(&q))
			return err_set(err, ERR_NOT_FOUND, "%.63s is not on the %s list", cidrs[i], list_name(list));
	}
	return 0;
}

int store_list_del(struct store *s, const char *actor, enum store_list list, const char *const *cidrs, size_t n,
		   struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	if (!n)
		return 0;
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = del_all(s, list, cidrs, n, err);
	if (rc == 0)
		rc = audit_add(s, actor, "list.del", list_name(list), err, "entries=%zu first=%s", n, cidrs[0]);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_list_page(struct store *s, enum store_list list, const char *after, size_t limit, store_list_cb cb, void *arg,
		    struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_LIST_PAGE, err);
	int rc;

	query_int(&q, list == STORE_LIST_BLOCK);
	query_text(&q, after);
	query_int(&q, limit > INT64_MAX ? -1 : (int64_t)limit); /* -1: no limit */
	while ((rc = query_row(&q)) > 0) {
		struct store_list_entry e = {0};

		query_column_text(&q, 1, e.cidr, sizeof(e.cidr));
		query_column_text(&q, 2, e.reason, sizeof(e.reason));
		e.source = (unsigned)sqlite3_column_int64(q.stmt, 3);
		e.expires_ms = sqlite3_column_int64(q.stmt, 4);
		rc = cb(list, &e, arg);
		if (rc)
			return rc;
	}
	return rc;
}

int store_list_each(struct store *s, store_list_cb cb, void *arg, struct err *err)
{
	int rc = store_list_page(s, STORE_LIST_ALLOW, "", SIZE_MAX, cb, arg, err);

	return rc ? rc : store_list_page(s, STORE_LIST_BLOCK, "", SIZE_MAX, cb, arg, err);
}

int store_list_count(struct store *s, enum store_list list, uint64_t *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_LIST_COUNT, err);
	int rc;

	query_int(&q, list == STORE_LIST_BLOCK);
	rc = query_row(&q);
	if (rc < 0)
		return rc;
	*ret = (uint64_t)sqlite3_column_int64(q.stmt, 0);
	return 0;
}

static int any_expired(struct store *s, int64_t now_ms, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_LIST_ANY_EXPIRED, err);
	int rc;

	query_int(&q, now_ms);
	rc = query_row(&q);
	return rc > 0 ? sqlite3_column_int(q.stmt, 0) : rc;
}

int store_list_expire(struct store *s, int64_t now_ms, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_LIST_EXPIRE, err);
	int rc;

	/* The look costs an index probe; a DELETE would take the write lock and sync even for nothing. */
	rc = any_expired(s, now_ms, err);
	if (rc <= 0)
		return rc;
	query_int(&q, now_ms);
	return query_run(&q);
}
