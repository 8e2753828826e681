/* What the control thread has the ledger thread do between two batches, waiting for it: rare writes. */
#include "ledger/internal.h"

#include <stdio.h>

static int refuse(struct ledger *l, struct err *err)
{
	int rc;

	pthread_mutex_lock(&l->why_lock);
	rc = err_set(err, ERR_BUSY, "the ledger can't post at present: %s", l->why);
	pthread_mutex_unlock(&l->why_lock);
	return rc;
}

int task_run(struct ledger *l, int (*fn)(struct ledger *l, void *arg, struct err *err), void *arg, struct err *err)
{
	struct ledger_task task = {.fn = fn, .arg = arg, .err = err};

	if (!l->started)
		return l->store ? fn(l, arg, err) : refuse(l, err);
	pthread_mutex_lock(&l->task_lock);
	*l->tasks_tail = &task;
	l->tasks_tail = &task.next;
	atomic_store(&l->have_tasks, true);
	writer_wake(l);
	while (!task.done)
		pthread_cond_wait(&l->task_done, &l->task_lock);
	pthread_mutex_unlock(&l->task_lock);
	return task.rc;
}

static struct ledger_task *tasks_take(struct ledger *l)
{
	struct ledger_task *t;

	pthread_mutex_lock(&l->task_lock);
	t = l->tasks;
	l->tasks = NULL;
	l->tasks_tail = &l->tasks;
	atomic_store(&l->have_tasks, false);
	pthread_mutex_unlock(&l->task_lock);
	return t;
}

void tasks_do(struct ledger *l)
{
	struct ledger_task *t = atomic_load(&l->have_tasks) ? tasks_take(l) : NULL;

	while (t) {
		struct ledger_task *next = t->next; /* t is gone once it is done */
		int rc = l->store ? t->fn(l, t->arg, t->err) : refuse(l, t->err);

		pthread_mutex_lock(&l->task_lock);
		t->rc = rc;
		t->done = true;
		pthread_cond_broadcast(&l->task_done);
		pthread_mutex_unlock(&l->task_lock);
		t = next;
	}
}

struct run {
	int (*fn)(struct store *s, void *arg, struct err *err);
	void *arg;
};

static int run_on_store(struct ledger *l, void *arg, struct err *err)
{
	struct run *run = arg;
	struct store_books_tail tail;
	int rc = run->fn(l->store, run->arg, err);

	/* It may have posted with a time of its own. */
	if (rc == 0 && store_books_tail(l->store, &tail, NULL) == 0 && tail.time_ms > l->last_ms)
		l->last_ms = tail.time_ms;
	l->to_roll_up = true;
	return rc;
}

int ledger_run(struct ledger *l, int (*fn)(struct store *s, void *arg, struct err *err), void *arg, struct err *err)
{
	struct run run = {.fn = fn, .arg = arg};

	return task_run(l, run_on_store, &run, err);
}

/* ---- credit line */

struct credit {
	const char *actor, *tenant_id;
	int64_t amount;
};

static int credit_set(struct ledger *l, void *arg, struct err *err)
{
	struct credit *c = arg;
	struct ledger_account *a = account_by_name(l, c->tenant_id);
	int64_t old;
	int rc;

	if (!a)
		return err_set(err, ERR_NOT_FOUND, "tenant '%s' has no account", c->tenant_id);
	rc = store_account_set_credit_line(l->store, c->actor, a->id, c->amount, err);
	if (rc < 0)
		return rc;
	old = atomic_exchange(&a->credit_line, c->amount);
	account_give(a, c->amount - old);
	return 0;
}

int ledger_set_credit_line(struct ledger *l, const char *actor, const char *tenant_id, int64_t credit_line_nano,
			   struct err *err)
{
	struct credit c = {.actor = actor, .tenant_id = tenant_id, .amount = credit_line_nano};

	if (credit_line_nano < 0)
		return err_set(err, ERR_INVAL, "a credit line is not negative");
	if (credit_line_nano > LEDGER_CREDIT_MAX)
		return err_set(err, ERR_RANGE, "a credit line is at most %lld nano-units",
			       (long long)LEDGER_CREDIT_MAX);
	return task_run(l, credit_set, &c, err);
}

/* ---- an operator's transfer */

struct posting {
	const struct ledger_posting *what;
	struct ledger_account *account;
	struct transfer transfer;
	bool repeated;
};

static int check_amount(const struct ledger_posting *p, struct err *err)
{
	int64_t amount = p->amount_nano;

	if (p->kind != TRANSFER_DEPOSIT && p->kind != TRANSFER_ADJUSTMENT && p->kind != TRANSFER_REFUND)
		return err_set(err, ERR_INVAL, "this kind of transfer is not the operator's to post");
	if (p->kind == TRANSFER_REFUND && !p->request)
		return err_set(err, ERR_INVAL, "a refund names its request");
	if (amount == 0 && p->kind != TRANSFER_REFUND)
		return err_set(err, ERR_INVAL, "the amount is zero");
	if (amount < 0 && p->kind != TRANSFER_ADJUSTMENT)
		return err_set(err, ERR_INVAL, "the amount is negative");
	if (amount > LEDGER_BALANCE_MAX || amount < -LEDGER_BALANCE_MAX)
		return err_set(err, ERR_INVAL, "the amount is too large: at most %lld nano-units",
			       (long long)LEDGER_BALANCE_MAX);
	if (p->ref && strlen(p->ref) >= sizeof(((struct transfer *)0)->ref))
		return err_set(err, ERR_INVAL, "ref has %zu bytes; at most %zu are right", strlen(p->ref),
			       sizeof(((struct transfer *)0)->ref) - 1);
	if (p->note && strlen(p->note) >= sizeof(((struct transfer *)0)->note))
		return err_set(err, ERR_INVAL, "note has %zu bytes; at most %zu are right", strlen(p->note),
			       sizeof(((struct transfer *)0)->note) - 1);
	return 0;
}

static int add_refund(const struct transfer *t, void *arg)
{
	int64_t *sum = arg;

	if (t->kind == TRANSFER_REFUND)
		*sum += t->amount_nano;
	return 0;
}

/* The ceiling: of one call no more is given back than was paid for it. */
static int refund_amount(struct ledger *l, struct posting *p, struct err *err)
{
	struct usage_record r;
	int64_t refunded = 0, left;
	int rc = store_usage_get(l->store, p->what->request, &r, err);

	if (rc == 0 && r.account_id != p->account->id)
		return err_set(err, ERR_NOT_FOUND, "no such request of tenant '%s'", p->what->tenant_id);
	if (rc == 0)
		rc = store_transfer_of_usage(l->store, r.id, add_refund, &refunded, err);
	if (rc < 0)
		return rc;
	left = r.price_nano - refunded;
	if (left <= 0)
		return err_set(err, ERR_INVAL, "nothing of that request's price is left to refund");
	if (p->what->amount_nano > left)
		return err_set(err, ERR_INVAL, "the refund is above what is left of the price: %lld nano-units",
			       (long long)left);
	p->transfer.amount_nano = p->what->amount_nano ? p->what->amount_nano : left;
	p->transfer.usage_id = r.id;
	return 0;
}

static void sides(const struct ledger *l, struct posting *p)
{
	struct transfer *t = &p->transfer;
	int64_t other = p->what->kind == TRANSFER_DEPOSIT      ? l->house.cash
			: p->what->kind == TRANSFER_ADJUSTMENT ? l->house.adjustments
							       : l->house.revenue;

	t->debit_account = p->what->amount_nano < 0 ? p->account->id : other;
	t->credit_account = p->what->amount_nano < 0 ? other : p->account->id;
}

/* Was the ref posted before? 1: yes, alike, and it is in p->transfer. */
static int repeated_ref(struct ledger *l, struct posting *p, struct err *err)
{
	const struct ledger_posting *w = p->what;
	struct transfer before;
	struct usage_record r;
	int64_t amount;
	int rc;

	if (!w->ref || !w->ref[0])
		return 0;
	rc = store_transfer_by_ref(l->store, p->account->id, w->ref, &before, NULL);
	if (rc == ERR_NOT_FOUND)
		return 0;
	if (rc < 0)
		return err_set(err, rc, "looking up ref '%s'", w->ref);
	amount = before.debit_account == p->account->id ? -before.amount_nano : before.amount_nano;
	if (before.kind != w->kind || (amount != w->amount_nano && !(w->kind == TRANSFER_REFUND && !w->amount_nano)))
		return err_set(err, ERR_EXISTS, "ref '%s' was used before, with another kind or amount", w->ref);
	if (w->kind == TRANSFER_REFUND &&
	    (store_usage_get(l->store, w->request, &r, NULL) < 0 || r.id != before.usage_id))
		return err_set(err, ERR_EXISTS, "ref '%s' was used before, for another request", w->ref);
	p->transfer = before;
	p->repeated = true;
	return 1;
}

static int transfer_post(struct ledger *l, struct posting *p, struct err *err)
{
	const struct ledger_posting *w = p->what;
	struct transfer *t = &p->transfer;
	int64_t signed_amount;
	int rc;

	t->amount_nano = w->amount_nano < 0 ? -w->amount_nano : w->amount_nano;
	rc = w->kind == TRANSFER_REFUND ? refund_amount(l, p, err) : 0;
	if (rc < 0)
		return rc;
	signed_amount = w->amount_nano < 0 ? -t->amount_nano : t->amount_nano;
	if (p->account->booked > LEDGER_BALANCE_MAX - (signed_amount > 0 ? signed_amount : 0) ||
	    p->account->booked < -LEDGER_BALANCE_MAX - (signed_amount < 0 ? signed_amount : 0))
		return err_set(err, ERR_RANGE, "the balance would leave the range of %lld nano-units",
			       (long long)LEDGER_BALANCE_MAX);
	sides(l, p);
	t->kind = w->kind;
	t->time_ms = post_time(l);
	snprintf(t->actor, sizeof(t->actor), "%s", w->actor ? w->actor : "");
	snprintf(t->ref, sizeof(t->ref), "%s", w->ref ? w->ref : "");
	snprintf(t->note, sizeof(t->note), "%s", w->note ? w->note : "");
	return store_transfer_put(l->store, t, &t->id, err);
}

static int posting_do(struct ledger *l, void *arg, struct err *err)
{
	struct posting *p = arg;
	int64_t amount;
	int rc;

	p->account = account_by_name(l, p->what->tenant_id);
	if (!p->account)
		return err_set(err, ERR_NOT_FOUND, "tenant '%s' has no account", p->what->tenant_id);
	rc = repeated_ref(l, p, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = store_books_begin(l->store, err);
	if (rc < 0)
		return rc;
	rc = transfer_post(l, p, err);
	if (rc == 0)
		rc = store_books_commit(l->store, err);
	if (rc < 0) {
		store_books_abort(l->store);
		return rc;
	}
	/* Only now: what isn't committed can't be spent. */
	amount = p->transfer.debit_account == p->account->id ? -p->transfer.amount_nano : p->transfer.amount_nano;
	p->account->booked += amount;
	account_give(p->account, amount);
	l->to_roll_up = true;
	return 0;
}

int ledger_post(struct ledger *l, const struct ledger_posting *what, struct transfer *ret, struct err *err)
{
	struct posting p = {.what = what};
	int rc = check_amount(what, err);

	if (rc == 0)
		rc = task_run(l, posting_do, &p, err);
	if (rc < 0)
		return rc;
	if (what->repeated)
		*what->repeated = p.repeated;
	*ret = p.transfer;
	return 0;
}
