#include "gateway/pick.h"

/* Those of the kind that count: of the best priority. */
struct tier {
	enum pick_block block;
	unsigned priority, n, only; /* only: the last of them */
	uint64_t weight;            /* of all together */
};

static struct tier tier_of(const struct pick_candidate *c, unsigned n, enum pick_block block)
{
	struct tier t = {.block = block};

	for (unsigned i = 0; i < n; i++) {
		if (c[i].block != block || (t.n && c[i].priority > t.priority))
			continue;
		if (t.n && c[i].priority < t.priority)
			t.n = 0, t.weight = 0;
		t.priority = c[i].priority;
		t.weight += c[i].weight;
		t.only = i;
		t.n++;
	}
	return t;
}

static unsigned draw(const struct pick_candidate *c, const struct tier *t, uint32_t dice)
{
	uint64_t at = (uint64_t)dice * t->weight >> 32;

	for (unsigned i = 0;; i++) {
		if (c[i].block != t->block || c[i].priority != t->priority)
			continue;
		if (at < c[i].weight)
			return i;
		at -= c[i].weight;
	}
}

/* How long a call would take there, in a unit of its own: calls in its way for its weight, times its latency. `mean`: a
 * weight as others have it, so that one call at a deployment of that weight counts as one. */
static double cost(const struct pick_candidate *c, double mean, bool latency)
{
	return (1 + c->in_flight * mean / c->weight) * (latency ? c->latency_us : 1);
}

int pick_one(const struct pick_candidate *c, unsigned n, enum pick_block block, uint64_t dice)
{
	struct tier t = tier_of(c, n, block);
	bool latency;
	unsigned a, b;
	double mean;

	if (t.n < 2)
		return t.n ? (int)t.only : -1;
	a = draw(c, &t, (uint32_t)dice);
	b = draw(c, &t, (uint32_t)(dice >> 32));
	if (a == b)
		return (int)a;
	mean = (double)t.weight / t.n;
	latency = c[a].latency_us && c[b].latency_us;
	/* Below a quarter it is noise: without this, weights would mean little among equals. */
	return (int)(cost(&c[b], mean, latency) < 0.8 * cost(&c[a], mean, latency) ? b : a);
}

enum pick_block pick_none(const struct pick_candidate *c, unsigned n, uint64_t *ret_until_ns)
{
	/* What can be waited for before what is broken, that before what has been asked to be left alone. */
	static const enum pick_block order[] = {PICK_FULL, PICK_CROWD, PICK_OPEN, PICK_COOL, PICK_WIRE};
	bool seen[PICK_BLOCKS] = {false};

	*ret_until_ns = UINT64_MAX;
	for (unsigned i = 0; i < n; i++) {
		seen[c[i].block] = true;
		if ((c[i].block == PICK_OPEN || c[i].block == PICK_COOL) && c[i].until_ns < *ret_until_ns)
			*ret_until_ns = c[i].until_ns;
	}
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (seen[order[i]])
			return order[i];
	return PICK_TRIED;
}
