/* The process-wide part: what the control thread changes and workers read. */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/enforce.h"
#include "gateway/isolate.h"
#include "gateway/prices.h"
#include "gateway/reasons.h"
#include "gateway/state.h"

#include <string.h>

int gateway_new(const struct gateway_opts *opts, struct gateway **ret, struct err *err)
{
	struct gateway *gw = calloc(1, sizeof(*gw));
	struct directory *d = NULL;
	uint8_t warm[KEY_HASH_LEN];

	if (!gw)
		return err_set(err, ERR_NOMEM, "no memory for the gateway");
	pthread_mutex_init(&gw->catalog_lock, NULL);
	pthread_mutex_init(&gw->pass_lock, NULL);
	pthread_cond_init(&gw->pass_cond, NULL);
	gw->kernel = opts->kernel;
	gw->ledger = opts->ledger;
	gw->control = kernel_control(opts->kernel);
	gw->subjects = kernel_subjects(opts->kernel);
	memcpy(gw->pepper, opts->pepper, sizeof(gw->pepper));
	gw->n_workers = opts->workers;
	gw->workers = calloc(opts->workers ? opts->workers : 1, sizeof(*gw->workers));
	gw->tenants = calloc(TG_SUBJECTS_MAX, sizeof(*gw->tenants));
	routes_init(&gw->routes, kernel_routes(opts->kernel));
	/* No generation has these yet: a worker that asks before the first policy would wait for it forever. */
	for (unsigned i = 0; i < 2; i++) {
		atomic_init(&gw->slots[i].generation, gw->control->generation + 2);
		faults_default(&gw->slots[i].faults);
	}
	/* The first HMAC makes libcrypto read its configuration: better now than in the first request, unprivileged. */
	if (!gw->workers || !gw->tenants || crypto_key_hash(gw->pepper, "", 0, warm, err) < 0 ||
	    crypto_random(gw->tag_key, sizeof(gw->tag_key), err) < 0 || directory_new(&d, err) < 0 ||
	    reasons_open(opts->reasons_file, &gw->reasons, err) < 0 || health_registry_new(&gw->health, err) < 0 ||
	    meters_init(gw, opts->metrics, err) < 0) {
		if (!gw->workers || !gw->tenants)
			err_set(err, ERR_NOMEM, "no memory for the gateway");
		atomic_store(&gw->directory, d);
		gateway_free(gw);
		return err ? err->code : ERR_NOMEM;
	}
	atomic_store(&gw->directory, d);
	*ret = gw;
	return 0;
}

void gateway_free(struct gateway *gw)
{
	if (!gw)
		return;
	directory_free_all(atomic_load(&gw->directory));
	catalog_free(gw->catalog);
	pricing_free(gw->pricing);
	policy_free(gw->policy);
	reasons_free(gw->reasons);
	for (unsigned i = 0; i < 2; i++)
		faults_done(&gw->slots[i].faults);
	health_registry_free(gw->health); /* after the catalog */
	routes_done(&gw->routes);
	free(gw->tenants);
	pthread_cond_destroy(&gw->pass_cond);
	pthread_mutex_destroy(&gw->pass_lock);
	pthread_mutex_destroy(&gw->catalog_lock);
	free(gw->workers);
	explicit_bzero(gw->pepper, sizeof(gw->pepper));
	free(gw);
}

/* ---- waiting for workers (W2) */

static void passed(void *arg)
{
	struct gateway_worker *w = arg;

	pthread_mutex_lock(&w->gw->pass_lock);
	w->passed = w->gw->pass;
	pthread_cond_signal(&w->gw->pass_cond);
	pthread_mutex_unlock(&w->gw->pass_lock);
}

void gateway_worker_ended(struct gateway_worker *w)
{
	pthread_mutex_lock(&w->gw->pass_lock);
	w->ended = true;
	pthread_cond_signal(&w->gw->pass_cond);
	pthread_mutex_unlock(&w->gw->pass_lock);
}

/* Under the lock. */
static bool all_passed(const struct gateway *gw)
{
	for (unsigned i = 0; i < gw->n_workers; i++) {
		const struct gateway_worker *w = atomic_load(&gw->workers[i]);

		if (w && !w->ended && w->passed != gw->pass)
			return false;
	}
	return true;
}

void gateway_quiesce(struct gateway *gw)
{
	pthread_mutex_lock(&gw->pass_lock);
	gw->pass++;
	pthread_mutex_unlock(&gw->pass_lock);
	for (unsigned i = 0; i < gw->n_workers; i++) {
		struct gateway_worker *w = atomic_load(&gw->workers[i]);

		while (w && loop_post(w->loop, passed, w) < 0)
			usleep(1000); /* out of memory: there is no other way to know that the worker has passed */
	}
	pthread_mutex_lock(&gw->pass_lock);
	while (!all_passed(gw))
		pthread_cond_wait(&gw->pass_cond, &gw->pass_lock);
	pthread_mutex_unlock(&gw->pass_lock);
}

/* ---- catalog: prices.c */

const struct conf *gateway_conf(const struct gateway *gw)
{
	return gw->catalog->conf;
}

/* ---- directory */

const struct directory *gateway_directory(const struct gateway *gw)
{
	return atomic_load(&gw->directory);
}

static void directory_publish(struct gateway *gw, struct directory *d)
{
	struct directory *old = atomic_exchange(&gw->directory, d);

	gateway_quiesce(gw);
	directory_free_version(old);
	directory_free_retired(d);
}

int gateway_directory_load(struct gateway *gw, const struct tenant *tenants, size_t n_tenants,
			   const struct api_key *keys, size_t n_keys, struct err *err)
{
	struct directory *d = NULL, *old;
	int rc = directory_new(&d, err);

	if (rc == 0)
		rc = directory_fill(d, tenants, n_tenants, keys, n_keys, err);
	if (rc < 0) {
		directory_free_all(d);
		return rc;
	}
	for (size_t i = 0; i < n_tenants && rc == 0; i++)
		rc = prices_bind_account(gw, &tenants[i], err);
	for (uint32_t s = 0; s < d->n_subjects && rc == 0; s++)
		if (d->by_subject[s])
			rc = enforce_principal(gw->kernel, d->by_subject[s], NULL, err);
	if (rc < 0) {
		directory_free_all(d);
		return rc;
	}
	old = atomic_exchange(&gw->directory, d);
	for (size_t i = 0; i < n_tenants && gw->policy; i++)
		faults_tenant(gateway_faults(gw), &gw->policy->faults, tenants[i].id, tenants[i].subject);
	gateway_quiesce(gw);
	directory_free_all(old); /* nothing of it is in the new one */
	return 0;
}

/* Slot and rules first, then the directory: nobody is authenticated into a slot that isn't ready. Who is in its slot
 * already keeps its rules, which workers are reading: they don't depend on what can change about it. */
static int principal_publish(struct gateway *gw, struct directory *d, uint32_t subject, struct err *err)
{
	const struct principal *before = directory_at(gateway_directory(gw), subject);
	bool stays = before && before->incarnation == d->by_subject[subject]->incarnation &&
		     !strcmp(before->id, d->by_subject[subject]->id);
	struct rulebook book;
	int rc;

	if (gw->policy && !stays) {
		rc = rulebook_init(&book, gw->policy, d, err);
		if (rc == 0) {
			rc = enforce_principal(gw->kernel, d->by_subject[subject], &book, err);
			rulebook_done(&book);
		}
	} else {
		rc = enforce_principal(gw->kernel, d->by_subject[subject], NULL, err);
	}
	if (rc < 0) {
		free(d->by_subject[subject]);
		directory_free_version(d);
		return rc;
	}
	directory_publish(gw, d);
	return 0;
}

int gateway_tenant_put(struct gateway *gw, const struct tenant *t, struct err *err)
{
	struct directory *d = NULL;
	int rc = prices_bind_account(gw, t, err);

	if (rc == 0)
		rc = directory_with_tenant(gateway_directory(gw), t, &d, err);
	if (rc == 0 && gw->policy)
		faults_tenant(gateway_faults(gw), &gw->policy->faults, t->id, t->subject);
	return rc < 0 ? rc : principal_publish(gw, d, t->subject, err);
}

int gateway_key_put(struct gateway *gw, const struct api_key *k, struct err *err)
{
	struct directory *d = NULL;
	int rc = directory_with_key(gateway_directory(gw), k, &d, err);

	return rc < 0 ? rc : principal_publish(gw, d, k->subject, err);
}

int gateway_key_remove(struct gateway *gw, const struct api_key *k, struct err *err)
{
	const struct principal *p = directory_at(gateway_directory(gw), k->subject);
	struct directory *d = NULL;
	int rc;

	if (!p || p->kind != PRINCIPAL_KEY || strcmp(p->id, k->id) != 0)
		return err_set(err, ERR_NOT_FOUND, "no key %s", k->id);
	enforce_removed(gw->kernel, p);
	rc = directory_without(gateway_directory(gw), k->subject, &d, err);
	if (rc == 0)
		directory_publish(gw, d);
	return rc;
}

/* ---- policy */

static void snapshot_publish(uint32_t generation, void *arg)
{
	struct gateway *gw = arg;
	struct snapshot *s = &gw->slots[generation & 1];

	/* Called before and after the flip; the first call does it. */
	if (atomic_load(&s->generation) != generation)
		atomic_store_explicit(&s->generation, generation, memory_order_release);
}

/* The slot that the next generation will use. No worker looks at it: it is two generations old. */
static int snapshot_prepare(struct gateway *gw, const struct policy *p, struct err *err)
{
	uint32_t next = gw->control->generation + 1;
	struct snapshot *s = &gw->slots[next & 1];

	atomic_store(&s->generation, next + 1); /* matches neither the generation in force nor the next one */
	rulebook_policy_words(p, &s->words);
	s->limits = (struct limits_view){
		.buckets = kernel_buckets(gw->kernel),
		.rates = kernel_rates(gw->kernel, next & 1),
		.policy = &s->words,
	};
	return faults_set(&s->faults, &p->faults, gateway_directory(gw), err);
}

const struct faults *gateway_faults(const struct gateway *gw)
{
	return gw->policy ? &gateway_snapshot(gw)->faults : &gw->slots[0].faults;
}

/* Calls that wait may have room now. */
static void faults_changed(struct gateway *gw, const struct policy *before)
{
	const struct faults *f = gateway_faults(gw);

	if (!before ||
	    memcmp(&before->faults.retries, &gw->policy->faults.retries, sizeof(before->faults.retries)) != 0)
		health_budgets_reset(gw->health, &f->retry);
	isolate_wake_tenants(gw);
}

static uint16_t reason_number(void *arg, const char *text)
{
	return reasons_number(arg, text);
}

int gateway_policy_apply(struct gateway *gw, struct policy *policy, uint32_t *ret_generation, struct err *err)
{
	struct enforce_lists lists;
	struct rulebook book;
	struct pricing *pricing = NULL;
	struct policy *before;
	int rc = prices_know_tiers(gw, policy, err);

	if (rc == 0)
		rc = prices_make(gw, gw->catalog, policy, &pricing, err);
	if (rc < 0)
		return rc;
	rc = rulebook_init(&book, policy, gateway_directory(gw), err);
	if (rc < 0) {
		pricing_free(pricing);
		return rc;
	}
	rc = enforce_lists_init(&lists, policy, reason_number, gw->reasons, err);
	if (rc == 0) {
		/* Workers that still judge by the generation before this one read the bank about to be written. */
		gateway_quiesce(gw);
		rc = snapshot_prepare(gw, policy, err);
		if (rc == 0)
			rc = enforce_policy(gw->kernel, &book, &lists, snapshot_publish, gw, ret_generation, err);
		enforce_lists_done(&lists);
	}
	rulebook_done(&book);
	if (rc < 0) {
		pricing_free(pricing);
		return rc;
	}
	if (pricing)
		prices_exchange(gw, NULL, pricing);
	before = gw->policy;
	gw->policy = policy;
	faults_changed(gw, before);
	policy_free(before);
	return 0;
}

const struct policy *gateway_policy(const struct gateway *gw)
{
	return gw->policy;
}

int gateway_answers_install(struct gateway *gw, struct err *err)
{
	return enforce_answers(gw->kernel, err);
}

uint16_t gateway_reason_of(struct gateway *gw, const char *text)
{
	return reasons_number(gw->reasons, text);
}

const char *gateway_reason_text(const struct gateway *gw, uint16_t reason)
{
	return reasons_text(gw->reasons, reason);
}

/* ---- figures */

void gateway_verdicts(const struct gateway *gw, uint64_t ret[TG_VERDICT_COUNT][TG_REASON_COUNT])
{
	memset(ret, 0, sizeof(uint64_t) * TG_VERDICT_COUNT * TG_REASON_COUNT);
	for (unsigned i = 0; i < gw->n_workers; i++) {
		const struct gateway_worker *w = atomic_load(&gw->workers[i]);

		for (unsigned v = 0; w && v < TG_VERDICT_COUNT; v++)
			for (unsigned r = 0; r < TG_REASON_COUNT; r++)
				ret[v][r] += atomic_load_explicit(&w->meters.verdicts[v][r], memory_order_relaxed);
	}
}

unsigned gateway_connections(const struct gateway *gw)
{
	unsigned n = 0;

	for (unsigned i = 0; i < gw->n_workers; i++) {
		const struct gateway_worker *w = atomic_load(&gw->workers[i]);

		n += w ? atomic_load_explicit(&w->n_connections, memory_order_relaxed) : 0;
	}
	return n;
}

unsigned gateway_calls(const struct gateway *gw)
{
	unsigned n = 0;

	for (unsigned i = 0; i < gw->n_workers; i++) {
		const struct gateway_worker *w = atomic_load(&gw->workers[i]);

		n += w ? atomic_load_explicit(&w->n_calls, memory_order_relaxed) : 0;
	}
	return n;
}
