/* One request's way through the gateway. The struct moves forward through the table of stages in call.c; each stage
 * writes only its own part.
 *
 *   authenticate -> parse -> isolate ~~> admit -> claim ~~> hold -> choose ~~> forward ~~> deliver -> meter ->
 *                                                                            ^____________________|      settle ~~>
 * finish next deployment, only before anything was delivered
 *
 * ~~> waits: for a place in a bulkhead, for the ledger's word on an idempotency key, for the upstream's callbacks, for
 * the commit of the charge. A stage that refuses answers by itself (refuse.h) and ends the walk.
 *
 * A call outlives its exchange when the client hangs up: the upstream is read on (bounded), so that its usage isn't
 * lost, and the charge is posted. It ends when nothing can call it back any more (call_leave). */
#ifndef GATEWAY_CALL_H
#define GATEWAY_CALL_H

#include "base/log.h"
#include "dialect/dialect.h"
#include "gateway/state.h"
#include "guard/breaker.h"
#include "guard/bulkhead.h"
#include "model/request_id.h"

enum call_stage {
	CALL_AUTHENTICATE,
	CALL_PARSE,
	CALL_ISOLATE,
	CALL_ADMIT,
	CALL_CLAIM,
	CALL_HOLD,
	CALL_CHOOSE,
	CALL_FORWARD,
	CALL_DELIVER,
	CALL_METER,
	CALL_SETTLE,
	CALL_FINISH,
	CALL_STAGES,
};

enum call_step {
	CALL_NEXT, /* on to the stage after this one */
	CALL_WAIT, /* a callback goes on */
	CALL_DONE, /* answered */
};

/* How the upstream's answer reaches the client. */
enum call_mode {
	CALL_MODE_NONE,
	CALL_MODE_BUFFER, /* collected, sent with its length */
	CALL_MODE_EVENTS, /* server-sent events, through the dialect */
	CALL_MODE_RAW,    /* too large to collect: as it comes */
};

#define CALL_PASSED_TEXT 512u

/* Why an attempt at a deployment didn't serve the call: what the client is told when no other is left. */
struct call_failure {
	int status;                        /* 0 = none */
	const char *type, *code, *message; /* static */
	uint64_t retry_after_ms;           /* 0 = not known */
	bool broken;                       /* an answer that had begun broke off, or what came is none */
};

struct call {
	/* set at entry */
	struct gateway_worker *w;
	struct http_exchange *x; /* NULL: over, the client has its answer or is gone */
	struct call *prev, *next;
	struct worker_catalog *wc;
	unsigned entered;             /* callbacks under way: not to be freed under their feet */
	enum tg_route route;          /* as target.route */
	struct dialect_target target; /* what the path says; its texts are the exchange's */
	const char *target_error;     /* what is wrong with the path; NULL = nothing */
	enum call_stage stage;
	uint64_t received_ns;
	struct request_id id;
	char request_id[REQUEST_ID_TEXT];

	/* authenticate */
	bool authenticated;
	uint32_t key_subject, tenant_subject;

	/* parse */
	struct dialect_request req;
	const struct catalog_model *model;

	/* isolate, choose: places in bulkheads (isolate.c) */
	struct bulkhead *waits_for; /* NULL = doesn't wait */
	struct bulkhead_waiter waiter;
	struct loop_timer wait_timer;
	unsigned waits_at; /* which of the model's deployments */
	bool granted;      /* has a place there; choose goes on from here */
	bool unwilling;    /* if it is granted one now, it goes to the next */
	bool in_tenant;    /* holds a place in its tenant's */

	/* admit */
	struct limits_result limits;
	bool admitted;
	int64_t admitted_ms;

	/* claim: the client's Idempotency-Key */
	struct ledger_claim *claim; /* NULL = no key */
	bool claiming;              /* the ledger hasn't answered yet */
	bool claimed;               /* ours: to be kept with an answer, or released */

	/* hold */
	struct ledger_account *account; /* NULL = not billed */
	unsigned tier;
	uint64_t supply[2]; /* two bits per deployment of the model, as they were at admission (pricing.h R2) */
	struct ledger_hold *hold;

	/* choose */
	const struct catalog_deployment *deployment;
	enum wire wire; /* in which it is spoken to */
	const struct price_rule *rule;
	uint64_t tried; /* bit per deployment of the model */
	unsigned attempts;
	bool crowded;    /* a provider's pool had no connection left */
	bool attempting; /* holds a ticket of the deployment's breaker and a place in its bulkhead (attempt.h) */
	struct breaker_ticket ticket;
	uint64_t attempted_ns;  /* this attempt */
	uint64_t own_tokens_ns; /* of our share of the deployment's token limit, to be settled */

	/* forward */
	struct upstream_request *upstream;
	struct pricing_load *load; /* counted in there */
	struct buf sent_body, sent_headers;
	uint64_t forwarded_ns;         /* first attempt */
	bool reached, reached_earlier; /* some of the request may have got to a provider; in an earlier attempt */
	bool between;                  /* attempts: the one before has failed, the next isn't sent yet */
	struct buf ignored;            /* names of hints that the provider's wire can't say */
	struct dialect_fault *fault;   /* what couldn't be said to the deployment tried last; NULL = nothing */
	struct call_failure failure;   /* of the attempt before */

	/* deliver */
	enum call_mode mode;
	int upstream_status;
	struct http_header passed[8]; /* of the upstream's answer */
	size_t n_passed;
	char passed_text[CALL_PASSED_TEXT];
	size_t passed_len;
	const char *content_type, *content_encoding; /* of the upstream's answer; in passed_text */
	uint64_t retry_after_ms;                     /* likewise */
	struct buf answer;
	int report; /* CALL_MODE_BUFFER, 200: 0, ERR_NOT_FOUND or ERR_INVAL, and the usage that was reported */
	struct usage reported;
	bool reported_inconsistent;
	struct dialect_stream events;
	bool begun;                /* the client's stream: its head is out */
	struct dialect_tail *tail; /* CALL_MODE_RAW */
	uint64_t first_byte_ns, upstream_done_ns;
	uint64_t body_bytes; /* towards the client */
	bool paused, delivered, broken;
	uint64_t cut_ns;         /* broken: to be reset then; 0 = not */
	uint64_t drain_until_ns; /* the client is gone, the upstream is read on; 0 = not */
	uint64_t drained_bytes;
	struct buf kept; /* the answer, for the client's idempotency key */
	bool kept_over;  /* too large to keep */

	/* meter */
	bool metered, have_usage;
	struct usage usage;
	enum usage_source source;
	unsigned usage_flags;

	/* settle */
	struct ledger_job job;
	bool settling; /* queued; the ledger calls back */
	bool waits_for_commit;
	uint64_t settled_ns;
	struct store_answer kept_answer;
	struct buf kept_headers;

	/* finish */
	int status; /* 0 = not answered yet */
	bool gone;
};

typedef enum call_step (*call_stage_fn)(struct call *c);
enum call_step call_authenticate(struct call *c);
enum call_step call_parse(struct call *c);
enum call_step call_isolate(struct call *c);
enum call_step call_admit(struct call *c);
enum call_step call_claim(struct call *c);
enum call_step call_hold(struct call *c);
enum call_step call_choose(struct call *c);
enum call_step call_forward(struct call *c);
enum call_step call_deliver(struct call *c);
enum call_step call_meter(struct call *c);
enum call_step call_settle(struct call *c);
enum call_step call_finish(struct call *c);

/* Walks the table from `stage`. */
void call_run(struct call *c, enum call_stage stage);
/* Around everything that a callback does with a call: frees it at the end of the outermost one when it is over. */
void call_enter(struct call *c);
void call_leave(struct call *c);
/* The output tokens that the call may have: what it asked for, else the model's default. */
uint64_t call_output_cap(const struct call *c);
/* Usage from what was asked and delivered, where there is no report. */
struct usage call_estimate(const struct call *c);
/* The client can't be reached any more: read the upstream on, or end. */
void call_client_gone(struct call *c);
/* What the call's answers say of themselves, from this provider's wire to the client's. */
void call_answer_opts(const struct call *c, struct dialect_answer_opts *ret);
/* Ends the upstream's side, if there is one. */
void call_cancel_upstream(struct call *c);
void call_load_end(struct call *c);
/* A log line with the request's context, if this second still has room for one. */
void call_log(struct call *c, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
