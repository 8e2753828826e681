#include "gateway/money.h"

#include "base/clock.h"
#include "crypto/keyed.h"
#include "gateway/refuse.h"
#include "price/price.h"

#include <stdio.h>
#include <string.h>

/* What a hold may last beyond the upstream's own time-out: draining, and a slow commit. */
#define HOLD_GRACE_MS 60000
#define HOLD_MAX_MS 86400000
#define CLAIM_RETRY_NS 1000000000u /* when to ask again */
/* The most that an embedded or linked file is taken for: its bytes say nothing about its tokens. */
#define FILE_TOKENS_WORST 4000u

static enum call_step refuse(struct call *c, enum dialect_money why, const char *message)
{
	struct dialect_refusal r = dialect_money_refusal(why);
	struct answer_headers a;

	answer_headers_init(&a, c);
	if (r.final)
		answer_header(&a, "x-should-retry", "false");
	else
		answer_retry_after(&a, CLAIM_RETRY_NS);
	call_error_with(c, &a, r.status, r.type, r.code, NULL, message ? message : r.message);
	return CALL_DONE;
}

/* ---- claim */

struct call_claim {
	struct ledger_claim claim;
	struct call *c;
};

static bool key_is_valid(const char *key)
{
	size_t len = strlen(key);

	if (!len || len >= sizeof(((struct ledger_claim *)0)->key))
		return false;
	for (; *key; key++)
		if (*key < 0x20 || *key == 0x7f)
			return false;
	return true;
}

/* The stored answer once more. */
static void answer_again(struct call *c, const struct store_answer *kept)
{
	const char *at = kept->headers, *end = at ? at + kept->headers_len : NULL;
	struct answer_headers a;

	if (!kept->body_kept) {
		answer_headers_init(&a, c);
		answer_header(&a, "x-should-retry", "false");
		call_error_with(
			c, &a, 409, "invalid_request_error", "idempotency_answer_not_kept", NULL,
			"The call under this Idempotency-Key was served and charged, but its answer was too large "
			"to be kept, or was not taken to its end.");
		return;
	}
	answer_headers_init(&a, c);
	answer_header(&a, "idempotent-replayed", "true");
	while (at && at < end) { /* "name: value\r\n" as money_end wrote them */
		char *eol = memchr(at, '\r', (size_t)(end - at)), *colon = memchr(at, ':', (size_t)(end - at));

		if (!eol || !colon || colon > eol || c->n_passed == ARRAY_SIZE(c->passed))
			break;
		*eol = *colon = '\0';
		answer_header(&a, at, colon + 2);
		at = eol + 2;
	}
	call_meter(c); /* nothing was used */
	c->status = kept->status;
	http_respond_borrow(c->x, c->status, a.h, a.n, kept->body_len ? kept->body : "", kept->body_len);
}

static void on_decided(struct ledger_claim *claim, int rc)
{
	struct call *c = CONTAINER_OF(claim, struct call_claim, claim)->c;

	call_enter(c);
	c->claiming = false;
	c->claimed = rc == 0 && claim->result == LEDGER_CLAIM_NEW;
	if (!c->x || c->gone || c->status) { /* the client left, or the worker was stopped and answered */
		money_end(c);
	} else if (rc < 0) {
		refuse(c, DIALECT_MONEY_UNAVAILABLE, NULL);
	} else if (claim->result == LEDGER_CLAIM_NEW) {
		call_run(c, CALL_HOLD);
	} else if (claim->result == LEDGER_CLAIM_ANSWERED) {
		answer_again(c, &claim->answer);
	} else if (claim->result == LEDGER_CLAIM_MISMATCH) {
		refuse(c, DIALECT_MONEY_IDEMPOTENCY_REUSED, NULL);
	} else {
		refuse(c, DIALECT_MONEY_IDEMPOTENCY_IN_USE, NULL);
	}
	call_leave(c);
}

/* What must be the same for it to be the same call: what was asked of which model, in which shape. Some of it stands in
 * the path only (Gemini's and Azure's model, Gemini's stream), and the kept answer is in the client's wire. */
static int hash_request(struct call *c, uint8_t out[32], struct err *err)
{
	struct {
		uint8_t body[32], model[32], route, stream;
	} parts = {.route = (uint8_t)c->route, .stream = c->req.stream};
	const char *body;
	size_t len;
	int rc;

	http_body(c->x, &body, &len);
	rc = crypto_sha256(body, len, parts.body, err);
	if (rc == 0)
		rc = crypto_sha256(c->req.model, c->req.model_len, parts.model, err);
	return rc < 0 ? rc : crypto_sha256(&parts, sizeof(parts), out, err);
}

enum call_step call_claim(struct call *c)
{
	struct gateway *gw = c->w->gw;
	struct call_claim *cc;
	unsigned count = 0;
	const char *key;
	struct err err;

	if (!gw->ledger)
		return CALL_NEXT;
	c->account = ledger_account_at(gw->ledger, c->tenant_subject);
	if (!c->account)
		return refuse(c, DIALECT_MONEY_UNAVAILABLE, NULL);
	key = http_request_header(c->x, "idempotency-key", &count);
	if (!key && !count)
		return CALL_NEXT;
	if (count != 1 || !key || !key_is_valid(key))
		return refuse(c, DIALECT_MONEY_IDEMPOTENCY_INVALID, NULL);
	cc = calloc(1, sizeof(*cc));
	if (!cc || hash_request(c, cc->claim.body_hash, &err) < 0) {
		free(cc);
		call_error(c, 503, "server_error", "no_memory", NULL, "The gateway is out of memory.");
		return CALL_DONE;
	}
	cc->c = c;
	cc->claim.lane = c->w->index;
	cc->claim.account = c->account;
	cc->claim.decided = on_decided;
	snprintf(cc->claim.key, sizeof(cc->claim.key), "%s", key);
	c->claim = &cc->claim;
	c->claiming = true;
	ledger_claim(gw->ledger, c->claim);
	return CALL_WAIT;
}

void money_keep(struct call *c, const char *data, size_t len)
{
	if (!c->claimed || c->kept_over)
		return;
	if (c->kept.len + len > c->wc->catalog->conf->billing.idempotency_bytes_max ||
	    buf_append(&c->kept, data, len) < 0) {
		c->kept_over = true;
		buf_done(&c->kept);
	}
}

static void release_claim(struct call *c)
{
	if (c->claimed)
		ledger_claim_release(c->w->gw->ledger, c->account, c->claim->key);
	c->claimed = false;
}

/* ---- hold */

/* Of the deployments that can be had: the dearest. Those without a price, or with a worst case that is no amount, get
 * no calls. ERR_NOT_FOUND: none has a price; ERR_RANGE: none of those that have one is left. */
static int worst_case(struct call *c, int64_t *ret_nano)
{
	const struct pricing *p = c->wc->pricing;
	unsigned per_token = c->wc->catalog->conf->billing.hold_bytes_per_token;
	uint64_t input = (c->req.text_bytes + per_token - 1) / per_token + c->req.files * FILE_TOKENS_WORST;
	uint64_t output = call_output_cap(c);
	bool too_dear = false;
	int64_t worst = -1;

	for (unsigned i = 0; i < c->model->n_deployments; i++) {
		unsigned index = c->model->deployments[i].index;
		enum price_supply s =
			p ? (enum price_supply)atomic_load_explicit(&p->loads[index].supply, memory_order_relaxed)
			  : SUPPLY_BALANCED;
		const struct price_rule *r = pricing_rule(p, index, c->tier, s);
		int64_t nano;

		if (!r) {
			c->tried |= 1ull << i;
			continue;
		}
		if (price_worst(r, input, output, &nano) < 0) { /* others may serve it */
			c->tried |= 1ull << i;
			too_dear = true;
			continue;
		}
		c->supply[i / 32] |= (uint64_t)s << (i % 32 * 2);
		if (nano > worst)
			worst = nano;
	}
	if (worst < 0)
		return too_dear ? ERR_RANGE : ERR_NOT_FOUND;
	*ret_nano = worst;
	return 0;
}

static enum call_step refuse_hold(struct call *c, int rc, const struct err *err)
{
	struct ledger_balance b;
	char text[240], available[MONEY_TEXT_MAX];

	if (rc != ERR_FULL) {
		call_log(c, LOG_WARN, "no hold could be taken: %s", err->msg);
		snprintf(text, sizeof(text), "Calls can't be billed at present: %.160s", err->msg);
		return refuse(c, DIALECT_MONEY_UNAVAILABLE, text);
	}
	ledger_account_balance(c->account, &b);
	money_format(b.available_nano, available);
	snprintf(text, sizeof(text),
		 "The account's balance doesn't cover what this call can cost at most (available: %s). Add credit, or "
		 "ask "
		 "for fewer output tokens.",
		 available);
	return refuse(c, DIALECT_MONEY_CREDIT_EXHAUSTED, text);
}

enum call_step call_hold(struct call *c)
{
	struct gateway *gw = c->w->gw;
	const struct conf *conf = c->wc->catalog->conf;
	int64_t lasts = conf->upstream.total_timeout_ms ? conf->upstream.total_timeout_ms : HOLD_MAX_MS;
	struct ledger_hold_terms terms = {
		.request_id = c->id,
		.route = c->route,
		.idempotent = c->claimed,
	};
	const struct principal *key;
	struct err err;
	int rc;

	if (!gw->ledger)
		return CALL_NEXT;
	c->tier = ledger_account_tier(c->account);
	rc = worst_case(c, &terms.amount_nano);
	if (rc == ERR_RANGE) {
		call_error(c, 400, "invalid_request_error", "output_limit_too_large", NULL,
			   "What this call can cost at most is beyond any balance; ask for fewer output tokens.");
		return CALL_DONE;
	}
	if (rc < 0)
		return refuse(c, DIALECT_MONEY_NOT_PRICED, NULL);
	key = directory_at(atomic_load_explicit(&gw->directory, memory_order_acquire), c->key_subject);
	snprintf(c->job.record.key_id, sizeof(c->job.record.key_id), "%.*s", KEY_ID_MAX - 1, key ? key->id : "");
	terms.key_id = c->job.record.key_id;
	terms.admitted_ms = c->admitted_ms = clock_wall_ms();
	terms.expires_ms = c->admitted_ms + lasts + conf->billing.drain_timeout_ms + HOLD_GRACE_MS;
	rc = ledger_hold_take(gw->ledger, c->w->index, c->account, &terms, &c->hold, &err);
	return rc < 0 ? refuse_hold(c, rc, &err) : CALL_NEXT;
}

/* ---- settle */

static void on_settled(struct ledger_job *job, int rc)
{
	struct call *c = CONTAINER_OF(job, struct call, job);
	bool posted = rc == 0 || rc == ERR_EXISTS; /* or ended, and posted, when its time was over */

	call_enter(c);
	c->settling = false;
	if (rc < 0)
		call_log(c, LOG_ERROR, "%s",
			 posted ? "the call's hold had ended before its answer did; what was delivered by then is "
				  "charged"
				: "the books can't take the call's record: a discrepancy was opened, the client is cut "
				  "off");
	if (c->waits_for_commit && c->x && !c->gone) {
		c->waits_for_commit = false;
		if (posted) {
			call_run(c, CALL_FINISH);
		} else {
			c->gone = true;
			http_stream_abort(c->x);
		}
	}
	call_leave(c);
}

/* The answer is kept whole and charged, or not at all: a client that asks again under its key is charged for that. */
static void keep_answer(struct call *c)
{
	struct buf *h = &c->kept_headers;

	if (!c->claimed)
		return;
	if (c->upstream_status != 200 || c->broken || c->source == USAGE_NONE) {
		release_claim(c);
		return;
	}
	for (size_t i = 0; i < c->n_passed; i++)
		buf_printf(h, "%s: %s\r\n", c->passed[i].name, c->passed[i].value);
	if (c->ignored.len)
		buf_printf(h, "x-tollgate-ignored: %s\r\n", c->ignored.data);
	c->kept_answer = (struct store_answer){
		.key = c->claim->key,
		.status = c->upstream_status,
		.headers = h->data ? h->data : "",
		.headers_len = h->len,
		.body_kept = !c->kept_over && !h->failed && (!c->gone || c->upstream_done_ns),
	};
	memcpy(c->kept_answer.body_hash, c->claim->body_hash, sizeof(c->kept_answer.body_hash));
	if (c->kept_answer.body_kept) {
		const struct buf *b = c->mode == CALL_MODE_BUFFER ? &c->answer : &c->kept;

		c->kept_answer.body = b->data ? b->data : "";
		c->kept_answer.body_len = b->len;
		c->kept_answer.body_kept = b->len <= c->wc->catalog->conf->billing.idempotency_bytes_max;
		if (!c->kept_answer.body_kept)
			c->kept_answer.body_len = 0;
	}
	c->job.answer = &c->kept_answer;
	c->claimed = false; /* the ledger's from here on */
}

static void charge(struct call *c, struct usage_record *r)
{
	if (c->source == USAGE_NONE)
		return;
	if (price_amounts(c->rule, &c->usage, &r->cost_nano, &r->price_nano) == 0)
		return;
	/* So many tokens that their price is no number: not believed. */
	c->usage = call_estimate(c);
	c->source = USAGE_ESTIMATED;
	c->usage_flags |= USAGE_FLAG_MALFORMED;
	if (price_amounts(c->rule, &c->usage, &r->cost_nano, &r->price_nano) < 0)
		c->usage = (struct usage){0};
}

/* With what leaves only after the record is committed: a collected answer, a stream's end. */
static uint64_t answer_bytes(const struct call *c)
{
	if (c->gone || c->broken)
		return c->body_bytes;
	if (c->mode == CALL_MODE_BUFFER)
		return c->upstream_status == 200 ? c->answer.len : 0;
	return c->body_bytes + (c->mode == CALL_MODE_EVENTS ? c->events.held.len : 0);
}

static void post(struct call *c)
{
	struct usage_record *r = &c->job.record;
	uint64_t now = clock_mono_ns(), latency_us;

	if (c->claimed && (c->broken || !c->upstream_status)) { /* N4: nothing to keep, so the key will be used again */
		c->source = USAGE_NONE;
		c->usage = (struct usage){0};
	}
	charge(c, r);
	r->request_id = c->id;
	r->rule_id = c->rule ? c->rule->id : 0;
	r->route = c->route;
	r->admitted_ms = c->admitted_ms;
	r->usage = c->usage;
	r->source = c->source;
	r->flags = c->usage_flags | (c->mode == CALL_MODE_EVENTS ? USAGE_FLAG_STREAM : 0) |
		   (c->gone ? USAGE_FLAG_CLIENT_GONE : 0) | (c->broken ? USAGE_FLAG_BROKEN : 0);
	r->status = c->gone ? 499 : c->status ? c->status : c->upstream_status;
	latency_us = (now - c->received_ns) / 1000;
	r->latency_us = latency_us > UINT32_MAX ? UINT32_MAX : (uint32_t)latency_us;
	r->bytes = answer_bytes(c);
	c->job.provider = c->deployment->provider->conf->name;
	c->job.lane = c->w->index;
	c->job.done = on_settled;
	keep_answer(c);
	c->settling = true;
	c->settled_ns = now;
	if (c->have_usage)
		ledger_hold_reported(c->hold, &c->usage);
	ledger_settle(c->w->gw->ledger, take_ptr(&c->hold), &c->job);
}

void money_end(struct call *c)
{
	call_meter(c);
	if (!c->hold) {
		release_claim(c);
		return;
	}
	if (c->reached) {
		post(c);
		return;
	}
	ledger_hold_void(c->w->gw->ledger, take_ptr(&c->hold));
	release_claim(c);
}

enum call_step call_settle(struct call *c)
{
	if (!c->hold)
		return CALL_NEXT;
	c->waits_for_commit = c->upstream_status == 200 && !c->gone; /* N2 */
	post(c);
	return c->waits_for_commit ? CALL_WAIT : CALL_NEXT;
}
