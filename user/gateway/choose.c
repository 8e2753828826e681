/* Which deployment serves the call. */
#include "gateway/attempt.h"
#include "gateway/refuse.h"

static enum call_step no_deployment_left(struct call *c)
{
	struct answer_headers a;

	if (!c->crowded) {
		call_error(c, 502, "server_error", "upstream_unreachable", NULL,
			   "No provider of this model could be reached.");
		return CALL_DONE;
	}
	answer_headers_init(&a, c);
	answer_retry_after(&a, 1000000000);
	call_error_with(c, &a, 503, "server_error", "server_is_overloaded", NULL,
			"All connections to this model's providers are busy; retry shortly.");
	return CALL_DONE;
}

/* Among the untried of the best priority, by weight. */
enum call_step call_choose(struct call *c)
{
	const struct catalog_model *m = c->model;
	uint64_t total = 0, at;
	unsigned best = 0;

	for (unsigned i = 0; i < m->n_deployments; i++) {
		if (c->tried >> i & 1)
			continue;
		if (total && m->deployments[i].priority != best)
			break;
		best = m->deployments[i].priority;
		total += m->deployments[i].weight;
	}
	at = total ? worker_random(c->w) % total : 0;
	for (unsigned i = 0; total && i < m->n_deployments; i++) {
		if (c->tried >> i & 1)
			continue;
		if (at < m->deployments[i].weight) {
			c->tried |= 1ull << i;
			c->deployment = &m->deployments[i];
			c->rule = pricing_rule(c->wc->pricing, c->deployment->index, c->tier,
					       (enum price_supply)(c->supply[i / 32] >> (i % 32 * 2) & 3));
			c->attempts++;
			return CALL_NEXT;
		}
		at -= m->deployments[i].weight;
	}
	return no_deployment_left(c);
}

void attempt_end(struct call *c, enum attempt_outcome outcome)
{
	(void)outcome;
	c->attempting = false;
}

void attempt_cool(struct call *c, uint64_t for_ns, bool quota)
{
	(void)c;
	(void)for_ns;
	(void)quota;
}

bool attempt_again(struct call *c)
{
	(void)c;
	return false;
}
