/* Which of several deployments gets a call. Pure: what is known of them and the dice are arguments.
 *
 * Invariants (tests cite them):
 *  Z1  Of those that can be had, one of the best priority is taken.
 *  Z2  Among equals calls spread by weight: the first of two draws by weight stands, unless the second is clearly less
 *      busy for its weight, or clearly faster. */
#ifndef GATEWAY_PICK_H
#define GATEWAY_PICK_H

#include <stdbool.h>
#include <stdint.h>

/* Why a deployment can't have the call. */
enum pick_block {
	PICK_FREE,
	PICK_TRIED, /* by this call; or it has no price */
	PICK_WIRE,  /* it can't be asked in the client's API */
	PICK_OPEN,  /* its circuit is open */
	PICK_COOL,  /* it is left alone, or our share of its limits is used up */
	PICK_FULL,  /* its bulkhead is; it can be waited for */
	PICK_CROWD, /* as many as may wait for it do */
	PICK_BLOCKS,
};

struct pick_candidate {
	unsigned weight, priority; /* weight >= 1 */
	enum pick_block block;
	unsigned in_flight;  /* those that wait for it included */
	uint32_t latency_us; /* 0 = not known */
	uint64_t until_ns;   /* OPEN, COOL: when it can be had again; UINT64_MAX: not by itself */
};

/* An index among those of the kind `block` (PICK_FREE, or PICK_FULL to wait for one); -1: there is none. `dice`: 64
 * random bits. */
int pick_one(const struct pick_candidate *c, unsigned n, enum pick_block block, uint64_t dice);

/* Why there is none, for the client: the first of these that holds for any candidate that wasn't tried; PICK_TRIED:
 * none of them. *ret_until_ns: when the first may be had again. */
enum pick_block pick_none(const struct pick_candidate *c, unsigned n, uint64_t *ret_until_ns);

#endif
