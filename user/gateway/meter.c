/* What a call used: as its provider reported, else as an estimate, else nothing. Corrects the token bucket.
 *
 *   reported, client took it     -> REPORTED      an explicit zero stays zero
 *   reported, client had gone    -> DRAINED
 *   nothing delivered, and the provider failed or refused -> NONE
 *   else                         -> ESTIMATED */
#include "gateway/call.h"

struct usage call_estimate(const struct call *c)
{
	uint64_t cap = call_output_cap(c), output = 0;

	if (c->mode == CALL_MODE_EVENTS)
		output = (c->events.content_bytes + 3) / 4;
	else if (c->route == TG_ROUTE_EMBEDDINGS)
		output = 0;
	else if (c->mode == CALL_MODE_BUFFER && c->upstream_status == 200)
		output = (c->answer.len + 3) / 4;
	else if (c->mode == CALL_MODE_RAW)
		output = (c->body_bytes + 3) / 4;
	/* Estimates are for what can't be known: never above what the client allowed. */
	if (output > cap)
		output = cap;
	return (struct usage){.input_tokens = c->req.prompt_tokens_estimate, .output_tokens = output};
}

/* Did the client get anything of an answer, or would it have, had it stayed? */
static bool was_served(const struct call *c)
{
	if (c->broken)
		return c->begun &&
		       (c->mode == CALL_MODE_EVENTS ? c->events.content_bytes > 0 : c->mode == CALL_MODE_RAW);
	return c->upstream_status == 200 || (c->gone && c->reached && !c->between && !c->upstream_status);
}

/* 0, ERR_NOT_FOUND (no report) or ERR_INVAL (one that can't be believed). */
static int read_report(struct call *c, struct usage *ret, bool *ret_inconsistent)
{
	switch (c->mode) {
	case CALL_MODE_EVENTS:
		if (c->broken && !was_served(c))
			return ERR_NOT_FOUND; /* a report, and nothing that it would be the price of */
		*ret = c->events.usage;
		*ret_inconsistent = c->events.usage_inconsistent;
		return c->events.usage_malformed ? ERR_INVAL : c->events.have_usage ? 0 : ERR_NOT_FOUND;
	case CALL_MODE_BUFFER:
		if (c->upstream_status != 200 || c->broken || !c->upstream_done_ns)
			return ERR_NOT_FOUND; /* half an answer isn't a malformed one */
		*ret = c->reported;
		*ret_inconsistent = c->reported_inconsistent;
		return c->report;
	case CALL_MODE_RAW:
		return c->broken ? ERR_NOT_FOUND : dialect_tail_usage(c->tail, c->wire, ret, ret_inconsistent);
	case CALL_MODE_NONE:
		break;
	}
	return ERR_NOT_FOUND;
}

static void find_usage(struct call *c)
{
	bool inconsistent = false;
	int rc = read_report(c, &c->usage, &inconsistent);

	if (rc == 0) {
		c->have_usage = true;
		c->source = c->gone ? USAGE_DRAINED : USAGE_REPORTED;
		c->usage_flags |= inconsistent ? USAGE_FLAG_INCONSISTENT : 0;
	} else if (was_served(c)) {
		c->usage = call_estimate(c);
		c->source = USAGE_ESTIMATED;
		c->usage_flags |= rc == ERR_INVAL ? USAGE_FLAG_MALFORMED : 0;
	}
}

/* Once per call, whichever way it ends. */
enum call_step call_meter(struct call *c)
{
	uint64_t charged = c->limits.tokens_charged, used;

	if (c->metered || !c->admitted)
		return CALL_NEXT;
	c->metered = true;
	find_usage(c);
	used = c->usage.input_tokens + c->usage.output_tokens;
	if (charged != LIMITS_UNCHARGED && used != charged && c->route != TG_ROUTE_MODELS)
		limits_settle_tokens(&gateway_snapshot(c->w->gw)->limits, c->key_subject, charged, used,
				     loop_now_ns(c->w->loop));
	if (c->deployment)
		meters_usage(c);
	return CALL_NEXT;
}
