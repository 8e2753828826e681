/* Price rules: equal content is one row. */
#include "store/internal.h"

#include <inttypes.h>
#include <string.h>

static void bind_rule(struct query *q, const struct price_rule *r)
{
	query_int(q, r->book_id);
	query_int(q, r->effective_ms);
	query_text(q, r->currency);
	query_text(q, r->provider);
	query_text(q, r->upstream_model);
	query_text(q, r->model);
	query_text(q, r->tier);
	query_int(q, r->formula);
	query_int(q, r->supply);
	query_int(q, r->supply_pinned);
	for (int c = 0; c < TOKEN_CLASSES; c++)
		query_int(q, r->rate_nano[c]);
	query_int(q, r->base_margin_e4);
	query_int(q, r->tier_margin_e4);
	query_int(q, r->model_factor_e4);
	query_int(q, r->supply_factor_e4);
	query_int(q, r->min_margin_e4);
	query_int(q, r->max_margin_e4);
}

static int find_rule(struct store *s, const struct price_rule *r, int64_t *ret_id, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_RULE_FIND, err);
	int rc;

	bind_rule(&q, r);
	rc = query_row(&q);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "no such price rule");
	if (rc < 0)
		return rc;
	*ret_id = sqlite3_column_int64(q.stmt, 0);
	return 0;
}

static int insert_rule(struct store *s, const struct price_rule *r, int64_t *ret_id, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_RULE_INSERT, err);
	int rc;

	bind_rule(&q, r);
	rc = query_run(&q);
	if (rc < 0)
		return rc;
	*ret_id = sqlite3_last_insert_rowid(s->db);
	if (s->posting.open)
		s->posting.last_rule = *ret_id;
	return 0;
}

int store_price_rule_intern(struct store *s, const struct price_rule *r, int64_t *ret_id, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int64_t id = 0;
	int rc = 0;

	for (int c = 0; c < TOKEN_CLASSES; c++)
		if (r->rate_nano[c] < 0)
			return err_set(err, ERR_INVAL, "price rule: a negative rate");
	/* Most are there already: then nothing is written and no lock is needed. */
	rc = find_rule(s, r, &id, err);
	if (rc == ERR_NOT_FOUND) {
		rc = txn_join(&txn, s, err);
		if (rc == 0) /* another connection may have been first */
			rc = find_rule(s, r, &id, err);
		if (rc == ERR_NOT_FOUND)
			rc = insert_rule(s, r, &id, err);
		if (rc == 0)
			rc = txn_commit(&txn, err);
	}
	if (rc == 0)
		*ret_id = id;
	return rc;
}

int store_price_rule_get(struct store *s, int64_t id, struct price_rule *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_RULE_GET, err);
	struct price_rule r = {0};
	int rc;

	query_int(&q, id);
	rc = query_row(&q);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "no price rule %" PRId64, id);
	if (rc < 0)
		return rc;
	r.id = sqlite3_column_int64(q.stmt, 0);
	r.book_id = sqlite3_column_int64(q.stmt, 1);
	r.effective_ms = sqlite3_column_int64(q.stmt, 2);
	query_column_text(&q, 3, r.currency, sizeof(r.currency));
	query_column_text(&q, 4, r.provider, sizeof(r.provider));
	query_column_text(&q, 5, r.upstream_model, sizeof(r.upstream_model));
	query_column_text(&q, 6, r.model, sizeof(r.model));
	query_column_text(&q, 7, r.tier, sizeof(r.tier));
	r.formula = (enum price_formula)sqlite3_column_int(q.stmt, 8);
	r.supply = (enum price_supply)sqlite3_column_int(q.stmt, 9);
	r.supply_pinned = sqlite3_column_int(q.stmt, 10) != 0;
	for (int c = 0; c < TOKEN_CLASSES; c++)
		r.rate_nano[c] = sqlite3_column_int64(q.stmt, 11 + c);
	r.base_margin_e4 = (uint32_t)sqlite3_column_int64(q.stmt, 15);
	r.tier_margin_e4 = (uint32_t)sqlite3_column_int64(q.stmt, 16);
	r.model_factor_e4 = (uint32_t)sqlite3_column_int64(q.stmt, 17);
	r.supply_factor_e4 = (uint32_t)sqlite3_column_int64(q.stmt, 18);
	r.min_margin_e4 = (uint32_t)sqlite3_column_int64(q.stmt, 19);
	r.max_margin_e4 = (uint32_t)sqlite3_column_int64(q.stmt, 20);
	*ret = r;
	return 0;
}
