/* Goal: idempotency keys: of several claims one is first, and what ends a key. Method: lane 0; claims and calls in
 * turn. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

TestSuite(claims, .init = world_new, .fini = world_free, .timeout = 60);

struct asked {
	struct ledger_claim claim;
	int rc;
	bool decided;
};

static unsigned to_decide;

static void on_decided(struct ledger_claim *c, int rc)
{
	struct asked *a = CONTAINER_OF(c, struct asked, claim);

	a->rc = rc;
	a->decided = true;
	if (--to_decide == 0)
		loop_stop(w.loop);
}

static void ask(struct asked *a, const char *key, uint8_t body)
{
	memset(a, 0, sizeof(*a));
	a->claim.account = w.account;
	snprintf(a->claim.key, sizeof(a->claim.key), "%s", key);
	memset(a->claim.body_hash, body, sizeof(a->claim.body_hash));
	a->claim.decided = on_decided;
	to_decide++;
	ledger_claim(w.l, &a->claim);
}

static void heard(void)
{
	cr_assert_eq(loop_run(w.loop, NULL), 0);
	cr_assert_eq(to_decide, 0);
}

static enum ledger_claim_result claim_once(const char *key, uint8_t body)
{
	struct asked a;

	ask(&a, key, body);
	heard();
	cr_assert_eq(a.rc, 0, "%d", a.rc);
	if (a.claim.result == LEDGER_CLAIM_ANSWERED)
		ledger_claim_done(&a.claim);
	return a.claim.result;
}

static void answer_fill(struct store_answer *a, const char *key, uint8_t body)
{
	*a = (struct store_answer){.key = key,
				   .status = 200,
				   .headers = "content-type: application/json\r\n",
				   .headers_len = 32,
				   .body = "{\"a\":\0 1}",
				   .body_len = 9,
				   .body_kept = true};
	memset(a->body_hash, body, sizeof(a->body_hash));
}

Test(claims, first_busy_answered)
{
	struct store_answer answer;
	struct asked several[5], again;
	struct call c;

	world_start();
	world_deposit(1000);
	for (unsigned i = 0; i < 5; i++)
		ask(&several[i], "k1", i == 4 ? 9 : 1);
	heard();
	cr_expect_eq(several[0].claim.result, LEDGER_CLAIM_NEW);
	for (unsigned i = 1; i < 4; i++)
		cr_expect_eq(several[i].claim.result, LEDGER_CLAIM_BUSY);
	cr_expect_eq(several[4].claim.result, LEDGER_CLAIM_MISMATCH);
	cr_expect_eq(claim_once("k2", 1), LEDGER_CLAIM_NEW);

	call_fill(&c, 1, 30, 20);
	answer_fill(&answer, "k1", 1);
	c.job.answer = &answer;
	ledger_settle(w.l, hold_of(1, 30), &c.job);
	await(1);
	cr_expect_eq(c.rc, 0);

	ask(&again, "k1", 1);
	heard();
	cr_assert_eq(again.claim.result, LEDGER_CLAIM_ANSWERED);
	cr_expect_eq(again.claim.answer.status, 200);
	cr_assert_eq(again.claim.answer.body_len, 9);
	cr_expect_arr_eq(again.claim.answer.body, "{\"a\":\0 1}", 9);
	cr_expect_eq(again.claim.answer.headers_len, 32);
	cr_expect(again.claim.answer.body_kept);
	cr_expect_arr_eq(again.claim.answer.request_id.b, c.job.record.request_id.b, REQUEST_ID_BYTES);
	ledger_claim_done(&again.claim);
	cr_expect_eq(claim_once("k1", 2), LEDGER_CLAIM_MISMATCH);
	cr_expect_eq(claim_once("k2", 1), LEDGER_CLAIM_BUSY);
	world_close();
	world_start(); /* answers survive, claims under way don't */
	cr_expect_eq(claim_once("k1", 1), LEDGER_CLAIM_ANSWERED);
	cr_expect_eq(claim_once("k2", 1), LEDGER_CLAIM_NEW);
}

Test(claims, released)
{
	world_start();
	cr_expect_eq(claim_once("k", 1), LEDGER_CLAIM_NEW);
	ledger_claim_release(w.l, w.account, "other");
	cr_expect_eq(claim_once("k", 2), LEDGER_CLAIM_MISMATCH);
	ledger_claim_release(w.l, w.account, "k");
	cr_expect_eq(claim_once("k", 2), LEDGER_CLAIM_NEW);
}

/* A key is an account's own. */
Test(claims, of_each_account)
{
	struct ledger_account *first;
	struct err err;

	world_start();
	first = w.account;
	cr_expect_eq(claim_once("k", 1), LEDGER_CLAIM_NEW);
	cr_assert_eq(ledger_account_bind(w.l, "other", SUBJECT + 1, 0, &err), 0);
	w.account = ledger_account_at(w.l, SUBJECT + 1);
	cr_expect_eq(claim_once("k", 2), LEDGER_CLAIM_NEW);
	w.account = first;
	cr_expect_eq(claim_once("k", 1), LEDGER_CLAIM_BUSY);
}

/* What ends without an answer of its own frees the key: here the request had been charged before. */
Test(claims, duplicate_request_frees_the_key)
{
	struct store_answer answer;
	struct call c[2];

	world_start();
	world_deposit(1000);
	settle(&c[0], hold_of(1, 30), 1, 30, 0);
	await(1);
	cr_expect_eq(claim_once("k", 1), LEDGER_CLAIM_NEW);
	call_fill(&c[1], 1, 30, 0);
	answer_fill(&answer, "k", 1);
	c[1].job.answer = &answer;
	ledger_settle(w.l, hold_of(1, 30), &c[1].job);
	await(1);
	cr_expect_eq(c[1].rc, ERR_EXISTS); /* L4 */
	cr_expect_eq(world_balance().available_nano, 970);
	cr_expect_eq(claim_once("k", 1), LEDGER_CLAIM_NEW);
}

Test(claims, answers_expire)
{
	struct store_answer answer;
	struct call c;

	w.opts.answer_ttl_s = 0;
	world_start();
	world_deposit(1000);
	cr_expect_eq(claim_once("k", 1), LEDGER_CLAIM_NEW);
	call_fill(&c, 1, 30, 0);
	answer_fill(&answer, "k", 1);
	c.job.answer = &answer;
	ledger_settle(w.l, hold_of(1, 30), &c.job);
	await(1);
	cr_expect_eq(claim_once("k", 2), LEDGER_CLAIM_NEW); /* also with another body */
}

/* No more keys under way than there can be calls. */
Test(claims, bounded)
{
	struct asked a[5];
	char key[8];

	w.opts.holds_max = 4;
	world_start();
	for (unsigned i = 0; i < 5; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		ask(&a[i], key, 1);
	}
	heard();
	for (unsigned i = 0; i < 4; i++)
		cr_expect_eq(a[i].rc, 0);
	cr_expect_eq(a[4].rc, ERR_BUSY);
}
