/* Goal: pick.h's Z1 and Z2, and why nothing is left. Method: candidates as tables; dice from a generator with a fixed
 * seed, so that shares are the same in each run. */
#include "gateway/pick.h"

#include <criterion/criterion.h>
#include <stddef.h>

#define DRAWS 100000u

static uint64_t dice(void)
{
	static uint64_t state = 42;
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Calls of DRAWS that each of n candidates gets. */
static void shares(const struct pick_candidate *c, unsigned n, double *ret)
{
	for (unsigned i = 0; i < n; i++)
		ret[i] = 0;
	for (unsigned i = 0; i < DRAWS; i++) {
		int got = pick_one(c, n, PICK_FREE, dice());

		cr_assert(got >= 0 && (unsigned)got < n);
		ret[got] += 1.0 / DRAWS;
	}
}

#define NEAR(got, want) cr_expect((got) > (want)-0.01 && (got) < (want) + 0.01, "%.3f, not %.3f", (got), (want))

Test(pick, none_and_one)
{
	struct pick_candidate c[] = {
		{.weight = 1, .block = PICK_OPEN}, {.weight = 1}, {.weight = 5, .block = PICK_FULL}};

	cr_expect_eq(pick_one(c, 0, PICK_FREE, dice()), -1);
	cr_expect_eq(pick_one(c, 1, PICK_FREE, dice()), -1);
	for (unsigned i = 0; i < 100; i++) {
		cr_expect_eq(pick_one(c, 3, PICK_FREE, dice()), 1);
		cr_expect_eq(pick_one(c, 3, PICK_FULL, dice()), 2);
	}
	cr_expect_eq(pick_one(c, 3, PICK_FREE, 0), 1);
	cr_expect_eq(pick_one(c, 3, PICK_FREE, UINT64_MAX), 1);
}

/* Z1: whatever the weights, the queues and the order they stand in. */
Test(pick, the_best_priority_first)
{
	struct pick_candidate c[] = {{.weight = 1000, .priority = 7},
				     {.weight = 1, .priority = 2, .in_flight = 500, .latency_us = 90000000},
				     {.weight = 1, .priority = 2},
				     {.weight = 9, .priority = 1, .block = PICK_OPEN},
				     {.weight = 9, .priority = 0, .block = PICK_TRIED}};
	double s[5];

	shares(c, 5, s);
	cr_expect_eq(s[0] + s[3] + s[4], 0);
	cr_expect_gt(s[2], s[1], "the idle one of its tier");
	c[1].block = c[2].block = PICK_COOL;
	cr_expect_eq(pick_one(c, 5, PICK_FREE, dice()), 0, "a lower tier when the better ones can't be had");
}

/* Z2 */
Test(pick, equals_by_weight)
{
	struct pick_candidate c[] = {{.weight = 9}, {.weight = 1}};
	double s[2];

	shares(c, 2, s);
	NEAR(s[0], 0.9);
	/* Calls under way in proportion to weight are no difference. */
	c[0].in_flight = 90;
	c[1].in_flight = 10;
	shares(c, 2, s);
	NEAR(s[0], 0.9);
	/* Nor is a latency that differs by noise, or isn't known yet. */
	c[0].latency_us = 110000;
	c[1].latency_us = 100000;
	shares(c, 2, s);
	NEAR(s[0], 0.9);
	c[0].latency_us = 0;
	shares(c, 2, s);
	NEAR(s[0], 0.9);
}

Test(pick, the_less_busy_and_the_faster_of_two)
{
	struct pick_candidate c[] = {{.weight = 1}, {.weight = 1, .in_flight = 4}};
	double s[2];

	shares(c, 2, s);
	NEAR(s[0], 0.75); /* the busy one only when both draws say so */
	c[1].in_flight = 0;
	c[0].latency_us = 400000;
	c[1].latency_us = 100000;
	shares(c, 2, s);
	NEAR(s[1], 0.75);
	/* Weight means capacity: ten calls at one that takes twenty times as many are nothing. */
	c[0] = (struct pick_candidate){.weight = 20, .in_flight = 10};
	c[1] = (struct pick_candidate){.weight = 1, .in_flight = 10};
	shares(c, 2, s);
	NEAR(s[1], 1.0 / 21 / 21);
}

Test(pick, many_of_all_weights)
{
	struct pick_candidate c[64];
	double s[64];

	for (unsigned i = 0; i < 64; i++)
		c[i] = (struct pick_candidate){.weight = i % 2 ? 1000 : 1};
	shares(c, 64, s);
	for (unsigned i = 1; i < 64; i += 2)
		NEAR(s[i], 1.0 / 32);
	for (unsigned i = 0; i < 64; i++)
		c[i].block = PICK_TRIED;
	cr_expect_eq(pick_one(c, 64, PICK_FREE, dice()), -1);
}

Test(pick, why_none_is_left)
{
	static const struct {
		enum pick_block block[3], want;
		uint64_t until[3], want_until;
	} rows[] = {
		{{PICK_OPEN, PICK_OPEN, PICK_OPEN}, PICK_OPEN, {70, 50, 60}, 50},
		{{PICK_COOL, PICK_TRIED, PICK_COOL}, PICK_COOL, {9, 1, 8}, 8},
		/* Whatever comes back first is when to ask again. */
		{{PICK_OPEN, PICK_COOL, PICK_WIRE}, PICK_OPEN, {70, 20, 0}, 20},
		{{PICK_OPEN, PICK_CROWD, PICK_COOL}, PICK_CROWD, {70, 0, 20}, 20},
		{{PICK_WIRE, PICK_COOL, PICK_WIRE}, PICK_COOL, {0, 5, 0}, 5},
		{{PICK_WIRE, PICK_WIRE, PICK_TRIED}, PICK_WIRE, {0}, UINT64_MAX},
		{{PICK_TRIED, PICK_TRIED, PICK_TRIED}, PICK_TRIED, {0}, UINT64_MAX},
		/* Forced open. */
		{{PICK_OPEN, PICK_TRIED, PICK_TRIED}, PICK_OPEN, {UINT64_MAX, 0, 0}, UINT64_MAX},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pick_candidate c[3] = {{.weight = 1}, {.weight = 1}, {.weight = 1}};
		uint64_t until = 0;

		for (unsigned n = 0; n < 3; n++) {
			c[n].block = rows[i].block[n];
			c[n].until_ns = rows[i].until[n];
		}
		cr_expect_eq(pick_none(c, 3, &until), rows[i].want, "row %zu", i);
		cr_expect_eq(until, rows[i].want_until, "row %zu", i);
	}
}
