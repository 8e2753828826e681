/* Supply and demand: the mean utilisation of one window after the other decides.
 *
 *   SURPLUS <-below low- BALANCED -above high-> SCARCE, each back only past the bound by `hysteresis`.
 */
#include "price/price.h"

#define FULL_E4 PRICE_E4

static uint32_t less(uint32_t a, uint32_t b)
{
	return a > b ? a - b : 0;
}

/* The one place that changes a state. From SURPLUS to SCARCE and back it goes in one window when the mean is past both
 * bounds: the middle state has nothing to wait for. */
static enum price_supply next_state(enum price_supply state, const struct supply_opts *o, uint32_t mean_e4)
{
	if (state == SUPPLY_SURPLUS && mean_e4 > o->surplus_below_e4 + o->hysteresis_e4)
		state = SUPPLY_BALANCED;
	else if (state == SUPPLY_SCARCE && mean_e4 < less(o->scarce_above_e4, o->hysteresis_e4))
		state = SUPPLY_BALANCED;
	if (state != SUPPLY_BALANCED)
		return state;
	if (mean_e4 < o->surplus_below_e4)
		return SUPPLY_SURPLUS;
	if (mean_e4 > o->scarce_above_e4)
		return SUPPLY_SCARCE;
	return SUPPLY_BALANCED;
}

enum price_supply supply_sample(struct supply *s, const struct supply_opts *o, uint32_t utilisation_e4, uint64_t now_ns)
{
	bool backwards = now_ns < s->window_start_ns;
	bool over = s->samples && !backwards && now_ns - s->window_start_ns >= o->window_ns;

	/* The sample that finds the window over belongs to the next one. A pause starts none: windows without samples
	 * would have nothing to say (P7). */
	if (over) {
		s->last_mean_e4 = (uint32_t)(s->sum_e4 / s->samples);
		s->state = next_state(s->state, o, s->last_mean_e4);
	}
	if (over || backwards || !s->samples) {
		s->window_start_ns = now_ns;
		s->sum_e4 = 0;
		s->samples = 0;
	}
	s->sum_e4 += utilisation_e4 < FULL_E4 ? utilisation_e4 : FULL_E4;
	s->samples++;
	return s->state;
}
