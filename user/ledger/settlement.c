/* Settling a period.
 *
 * Settled periods follow each other: none overlaps another, and nothing that moved lies between two of them. So each
 * call and transfer is in exactly one settlement, a statement opens where the one before closed, and carries chain
 * (K3).
 *
 * The hash is a chain over texts with their lengths: h0 = SHA-256(settlement), h = SHA-256(h, line) for each line in
 * order. Like the audit log's it shows careless or partial tampering; who can rewrite the whole file can rewrite it
 * too: keep it elsewhere against that. */
#include "ledger/books_internal.h"

#include "base/clock.h"
#include "crypto/keyed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the hash */

static void put_text(struct buf *b, const char *s)
{
	buf_printf(b, "%zu:%s,", strlen(s), s);
}

static int hash_of(struct buf *b, uint8_t hash[32], struct err *err)
{
	return b->failed ? err_set(err, ERR_NOMEM, "out of memory") : crypto_sha256(b->data, b->len, hash, err);
}

int books_hash_head(const struct store_settlement *p, uint8_t hash[32], struct err *err)
{
	struct buf b _cleanup_(buf_done) = BUF_INIT;

	buf_puts(&b, "tollgate settlement 1,");
	put_text(&b, p->period);
	put_text(&b, p->currency);
	put_text(&b, p->actor);
	buf_printf(&b, "%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",", p->from_ms, p->to_ms,
		   p->settled_ms, p->last_usage_id, p->last_transfer_id);
	buf_printf(&b, "%" PRIu64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "\n", p->calls, p->cost_nano,
		   p->price_nano, p->refunds_nano, p->sla_nano);
	return hash_of(&b, hash, err);
}

int books_hash_line(const struct store_settlement_line *l, uint8_t hash[32], struct err *err)
{
	struct buf b _cleanup_(buf_done) = BUF_INIT;
	const struct usage *u = &l->usage;

	buf_append(&b, hash, 32);
	buf_printf(&b, "%d,", (int)l->kind);
	put_text(&b, l->account);
	put_text(&b, l->model);
	buf_printf(&b, "%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", l->transfer_kind,
		   l->calls, u->input_tokens, u->cached_input_tokens, u->cache_write_tokens, u->output_tokens,
		   u->reasoning_tokens);
	buf_printf(&b, "%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",", l->cost_nano, l->price_nano, l->opening_nano,
		   l->closing_nano);
	buf_printf(&b, "%" PRId64 ",%" PRId64 ",%" PRId64 "\n", l->invoice_cents, l->carried_in_nano,
		   l->carried_out_nano);
	return hash_of(&b, hash, err);
}

struct chain {
	uint8_t hash[32];
	struct err *err;
};

static int chain_line(const struct store_settlement_line *l, void *arg)
{
	struct chain *c = arg;

	return books_hash_line(l, c->hash, c->err);
}

int books_settlement_verify(struct store *s, const char *period, struct err *err)
{
	struct chain c = {.err = err};
	struct store_settlement p;
	int rc = store_settlement_get(s, period, &p, err);

	if (rc == 0)
		rc = books_hash_head(&p, c.hash, err);
	if (rc == 0)
		rc = store_settlement_line_each(s, p.period, NULL, chain_line, &c, err);
	if (rc < 0)
		return rc;
	if (!crypto_equal(c.hash, p.hash, sizeof(c.hash)))
		return err_set(
			err, ERR_CORRUPT,
			"settlement %s was altered after it was made: its hash is not that of its lines; compare "
			"it with a backup",
			p.period);
	return 0;
}

/* ---- may it be settled */

struct neighbours {
	const char *period;
	int64_t from_ms, to_ms;
	char overlaps[16], later[16]; /* a settled period that does, one that is later; "" = none */
	int64_t before_ms;            /* where the settled one before ends; 0 = there is none */
};

static int look_at_neighbour(const struct store_settlement *p, void *arg)
{
	struct neighbours *n = arg;

	if (p->from_ms < n->to_ms && n->from_ms < p->to_ms)
		snprintf(n->overlaps, sizeof(n->overlaps), "%s", p->period);
	else if (p->from_ms >= n->to_ms)
		snprintf(n->later, sizeof(n->later), "%s", p->period);
	else if (p->to_ms > n->before_ms)
		n->before_ms = p->to_ms;
	return 0;
}

static int any_usage(const struct store_usage_sum *u, void *arg)
{
	(void)arg;
	return u->calls > 0;
}

static int any_transfer(const struct store_transfer_sum *t, void *arg)
{
	(void)arg;
	return t->count > 0;
}

/* Nothing that moved may be left out between two settlements. */
static int check_gap(struct store *s, const struct neighbours *n, struct err *err)
{
	char from[25], to[25];
	int rc = 0;

	if (n->before_ms < n->from_ms) {
		rc = store_usage_sums(s, 0, n->before_ms, n->from_ms, any_usage, NULL, err);
		if (rc == 0)
			rc = store_transfer_sums(s, 0, n->before_ms, n->from_ms, any_transfer, NULL, err);
	}
	if (rc <= 0)
		return rc;
	clock_format_wall(n->before_ms, from);
	clock_format_wall(n->from_ms, to);
	if (n->before_ms == 0)
		return err_set(err, ERR_INVAL,
			       "there are calls or transfers before %.10s that no settlement covers: "
			       "settle their period first, then %s",
			       to, n->period);
	return err_set(err, ERR_INVAL,
		       "there are calls or transfers from %.10s to %.10s that no settlement covers: settle that period "
		       "first, then %s",
		       from, to, n->period);
}

static int check_settleable(struct store *s, const char *period, int64_t now_ms, struct err *err)
{
	struct neighbours n = {.period = period};
	char end[25];
	int rc = books_period_parse(period, &n.from_ms, &n.to_ms, err);

	if (rc < 0)
		return rc;
	if (now_ms < n.to_ms) {
		clock_format_wall(n.to_ms, end);
		return err_set(err, ERR_INVAL,
			       "%s is not over before %.16sZ: it can't be settled yet (ask for a draft)", period, end);
	}
	rc = store_settlement_each(s, look_at_neighbour, &n, err);
	if (rc < 0)
		return rc;
	if (strcmp(n.overlaps, period) == 0)
		return err_set(err, ERR_EXISTS, "%s is settled already", period);
	if (n.overlaps[0])
		return err_set(err, ERR_INVAL, "%s and %s overlap, and %s is settled", period, n.overlaps, n.overlaps);
	if (n.later[0])
		return err_set(err, ERR_INVAL, "%s is settled, so nothing before it can be any more", n.later);
	return check_gap(s, &n, err);
}

/* ---- what it covers: the last ids of the period, by bisection (B3: ids count in order of posting) */

struct newest {
	int64_t id, time_ms;
};

static int take_usage(const struct usage_record *r, void *arg)
{
	*(struct newest *)arg = (struct newest){r->id, r->posted_ms};
	return 0;
}

static int take_transfer(const struct transfer *t, void *arg)
{
	*(struct newest *)arg = (struct newest){t->id, t->time_ms};
	return 0;
}

static int newest_upto(struct store *s, bool usage, int64_t id, struct newest *ret, struct err *err)
{
	*ret = (struct newest){0};
	return usage ? store_usage_page(s, 0, id + 1, 1, take_usage, ret, err)
		     : store_transfer_page(s, 0, id + 1, 1, take_transfer, ret, err);
}

static int last_before(struct store *s, bool usage, int64_t tail_id, int64_t to_ms, int64_t *ret_id, struct err *err)
{
	int64_t lo = 0, hi = tail_id; /* all up to lo are in; none after hi is */
	struct newest at;
	int rc;

	while (lo < hi) {
		int64_t mid = lo + (hi - lo + 1) / 2;

		rc = newest_upto(s, usage, mid, &at, err);
		if (rc < 0)
			return rc;
		if (at.id == 0 || at.time_ms < to_ms)
			lo = mid;
		else
			hi = at.id - 1;
	}
	rc = newest_upto(s, usage, lo, &at, err);
	if (rc == 0)
		*ret_id = lo ? at.id : 0;
	return rc;
}

static int find_last_ids(struct store *s, struct store_settlement *p, struct err *err)
{
	struct store_books_tail tail;
	int rc = store_books_tail(s, &tail, err);

	if (rc == 0)
		rc = last_before(s, true, tail.usage_id, p->to_ms, &p->last_usage_id, err);
	if (rc == 0)
		rc = last_before(s, false, tail.transfer_id, p->to_ms, &p->last_transfer_id, err);
	return rc;
}

/* ---- settle */

static int seal(struct store_settlement *p, const struct books_lines *lines, struct err *err)
{
	int rc = books_hash_head(p, p->hash, err);

	for (size_t i = 0; rc == 0 && i < lines->n; i++)
		rc = books_hash_line(&lines->v[i], p->hash, err);
	return rc;
}

int books_settle_make(struct store *s, const char *actor, const char *period, int64_t now_ms,
		      struct books_settlement *ret, struct err *err)
{
	struct books_figures_opts o = {.period = period, .closed = true};
	struct books_figures f _cleanup_(books_figures_done) = {0};
	struct store_settlement last = {0};
	int rc = check_settleable(s, period, now_ms, err);

	/* Before the figures: what is posted while they are made is then seen by books_settle_put. */
	if (rc == 0)
		rc = books_period_parse(period, &last.from_ms, &last.to_ms, err);
	if (rc == 0)
		rc = find_last_ids(s, &last, err);
	if (rc == 0)
		rc = books_figures_make(s, &o, &f, err);
	if (rc < 0)
		return rc;
	f.head.settled_ms = now_ms;
	snprintf(f.head.actor, sizeof(f.head.actor), "%s", actor);
	f.head.last_usage_id = last.last_usage_id;
	f.head.last_transfer_id = last.last_transfer_id;
	rc = seal(&f.head, &f.lines, err);
	if (rc < 0)
		return rc;
	ret->head = f.head;
	ret->n = f.lines.n;
	ret->lines = take_ptr(&f.lines.v);
	return 0;
}

int books_settle_put(struct store *s, const struct books_settlement *p, struct err *err)
{
	struct store_settlement now = p->head;
	/* Its neighbours may have been settled meanwhile. */
	int rc = check_settleable(s, p->head.period, p->head.settled_ms, err);

	if (rc == 0)
		rc = find_last_ids(s, &now, err);
	if (rc < 0)
		return rc;
	/* A batch that was under way when the period ended. */
	if (now.last_usage_id != p->head.last_usage_id || now.last_transfer_id != p->head.last_transfer_id)
		return err_set(err, ERR_BUSY,
			       "calls or transfers of %s were posted while it was settled; settle it again",
			       p->head.period);
	return store_settlement_put(s, &p->head, p->lines, p->n, err);
}

void books_settlement_done(struct books_settlement *p)
{
	free(p->lines);
	*p = (struct books_settlement){.n = 0};
}

int books_settle(struct store *s, const char *actor, const char *period, int64_t now_ms, struct store_settlement *ret,
		 struct err *err)
{
	struct books_settlement p _cleanup_(books_settlement_done) = {.n = 0};
	int rc = books_settle_make(s, actor, period, now_ms, &p, err);

	if (rc == 0)
		rc = books_settle_put(s, &p, err);
	if (rc == 0)
		*ret = p.head;
	return rc;
}

int books_draft(struct store *s, const char *period, int64_t now_ms, struct store_settlement *ret,
		struct store_settlement_line **ret_lines, size_t *ret_n, struct err *err)
{
	struct books_figures_opts o = {.period = period};
	struct books_figures f _cleanup_(books_figures_done) = {0};
	int rc = books_draft_figures(s, &o, now_ms, &f, err);

	if (rc < 0)
		return rc;
	*ret = f.head;
	*ret_n = f.lines.n;
	*ret_lines = take_ptr(&f.lines.v);
	return 0;
}

int books_draft_figures(struct store *s, const struct books_figures_opts *o, int64_t now_ms, struct books_figures *ret,
			struct err *err)
{
	int64_t from_ms, to_ms;
	int rc = books_period_parse(o->period, &from_ms, &to_ms, err);

	if (rc < 0)
		return rc;
	if (now_ms < from_ms)
		return err_set(err, ERR_INVAL, "%s has not begun", o->period);
	return books_figures_make(s, o, ret, err);
}
