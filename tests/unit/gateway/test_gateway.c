/* Goal: gateway.h's W1 and W2 and enforce.h's F1 and F2 on shared memory without a kernel. Method: a gateway in memory
 * mode; a thread stands in for a worker's loop where waiting matters. */
#include "fixture.h"

#include "gateway/enforce.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

TestSuite(gateway, .init = fixture_setup, .fini = fixture_teardown);

static int apply(unsigned requests)
{
	char text[128];

	snprintf(text, sizeof(text), "limits:\n  key: {requests: %u, period: 60s}\n", requests);
	return fixture_policy(text);
}

static struct tenant acme = {.id = "acme", .subject = 1, .incarnation = 1};
static struct api_key key = {.id = "key_a", .tenant_id = "acme", .subject = 2, .incarnation = 1, .hash = {9}};

static void people(void)
{
	struct err err;

	cr_assert_eq(gateway_directory_load(gw, &acme, 1, &key, 1, &err), 0, "%s", err.msg);
}

/* W1 */
Test(gateway, snapshot_follows_the_generation_word)
{
	people();
	for (unsigned n = 10; n < 16; n++) {
		const struct snapshot *s;

		cr_assert_eq(apply(n), 0);
		s = gateway_snapshot(gw);
		cr_expect_eq(s->generation, kernel_control(k)->generation);
		cr_expect_eq(s->limits.rates[key.subject].rate[TG_DIM_REQUESTS].limit, n, "generation %u",
			     s->generation);
		cr_expect_eq(s->limits.policy, &s->words);
	}
}

/* F1: whatever happens to a principal that keeps its slot, its bucket stays. */
Test(gateway, buckets_stay_with_their_owner)
{
	struct tg_bucket_block *b = &kernel_buckets(k)[key.subject];
	struct api_key next = key;
	struct err err;

	people();
	cr_assert_eq(apply(10), 0);
	b->tat_ns[TG_DIM_REQUESTS] = 12345;
	people();
	cr_expect_eq(b->tat_ns[TG_DIM_REQUESTS], 12345, "a start with the same owners");
	cr_assert_eq(apply(20), 0);
	next.status = KEY_DISABLED;
	cr_assert_eq(gateway_key_put(gw, &next, &err), 0);
	cr_expect_eq(kernel_subjects(k)[key.subject].flags, TG_SUBJECT_DISABLED);
	next.status = KEY_ACTIVE;
	cr_assert_eq(gateway_key_put(gw, &next, &err), 0);
	cr_expect_eq(kernel_subjects(k)[key.subject].flags, 0);
	cr_expect_eq(b->tat_ns[TG_DIM_REQUESTS], 12345, "policies and status changes");
	next.incarnation = 2;
	snprintf(next.id, sizeof(next.id), "key_b");
	cr_assert_eq(gateway_key_put(gw, &next, &err), 0);
	cr_expect_eq(b->tat_ns[TG_DIM_REQUESTS], 0, "a new owner starts with a full bucket");
}

Test(gateway, blocking_outlives_a_status_change)
{
	struct err err;

	people();
	kernel_subject_flags(k, key.subject, TG_SUBJECT_BLOCKED);
	cr_assert_eq(gateway_key_put(gw, &key, &err), 0);
	cr_expect_eq(kernel_subjects(k)[key.subject].flags, TG_SUBJECT_BLOCKED);
}

/* F2 */
Test(gateway, a_removed_key_is_dead_at_once)
{
	const struct tg_subject *s = &kernel_subjects(k)[key.subject];
	struct err err;

	people();
	cr_assert_eq(gateway_key_remove(gw, &key, &err), 0, "%s", err.msg);
	cr_expect_eq(s->flags, TG_SUBJECT_DISABLED);
	cr_expect_neq(s->incarnation, key.incarnation);
	cr_expect_null(directory_find_key(gateway_directory(gw), key.hash));
	cr_expect_eq(gateway_key_remove(gw, &key, &err), ERR_NOT_FOUND);
}

Test(gateway, a_new_key_has_the_rules_in_force)
{
	struct api_key n = {.id = "key_n", .tenant_id = "acme", .subject = 40, .incarnation = 1, .hash = {5}};
	struct err err;

	people();
	cr_assert_eq(apply(33), 0);
	cr_assert_eq(gateway_key_put(gw, &n, &err), 0, "%s", err.msg);
	cr_expect_eq(gateway_snapshot(gw)->limits.rates[40].rate[TG_DIM_REQUESTS].limit, 33);
	cr_assert_eq(apply(44), 0);
	cr_expect_eq(gateway_snapshot(gw)->limits.rates[40].rate[TG_DIM_REQUESTS].limit, 44);
}

/* ---- W2 with a thread as the worker */

static atomic_bool inside, go_on, left;

static void busy(void *arg)
{
	(void)arg;
	atomic_store(&inside, true);
	while (!atomic_load(&go_on))
		sched_yield();
	atomic_store(&left, true);
}

static void *loop_thread(void *arg)
{
	struct err err;

	cr_assert_eq(loop_run(arg, &err), 0);
	return NULL;
}

static void *release(void *arg)
{
	(void)arg;
	atomic_store(&go_on, true);
	return NULL;
}

Test(gateway, waits_for_a_worker_inside_a_callback, .timeout = 30)
{
	struct gateway_worker w = {.gw = gw};
	pthread_t t, r;
	struct err err;

	cr_assert_eq(loop_new(&w.loop, &err), 0);
	atomic_store(&gw->workers[0], &w);
	cr_assert_eq(pthread_create(&t, NULL, loop_thread, w.loop), 0);
	cr_assert_eq(loop_post(w.loop, busy, NULL), 0);
	while (!atomic_load(&inside))
		sched_yield();
	cr_assert_eq(pthread_create(&r, NULL, release, NULL), 0);
	gateway_quiesce(gw);
	cr_expect(atomic_load(&left), "not before the callback is left");
	atomic_store(&gw->workers[0], NULL);
	loop_stop(w.loop);
	pthread_join(t, NULL);
	pthread_join(r, NULL);
	loop_free(w.loop);
}
