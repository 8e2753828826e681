/* Idempotency keys under way, and what the store keeps of those that ended. The ledger thread decides, because an
 * answer and its key's end are committed there: between the two looks nothing can slip. */
#include "ledger/internal.h"

#include <stdlib.h>

struct claim_entry {
	struct claim_entry *next;
	int64_t account_id;
	uint8_t body_hash[32];
	char key[];
};

static unsigned bucket_of(int64_t account_id, const char *key)
{
	uint64_t h = 0xcbf29ce484222325ull ^ (uint64_t)account_id;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3ull;
	return (unsigned)((h ^ h >> 32) % CLAIM_BUCKETS);
}

static struct claim_entry **find(struct ledger *l, int64_t account_id, const char *key)
{
	struct claim_entry **e = &l->claim_table[bucket_of(account_id, key)];

	while (*e && ((*e)->account_id != account_id || strcmp((*e)->key, key) != 0))
		e = &(*e)->next;
	return e;
}

void claim_forget(struct ledger *l, int64_t account_id, const char *key)
{
	struct claim_entry **at, *e;

	pthread_mutex_lock(&l->claim_lock);
	at = find(l, account_id, key);
	e = *at;
	if (e) {
		*at = e->next;
		l->n_claims--;
	}
	pthread_mutex_unlock(&l->claim_lock);
	free(e);
}

void ledger_claim_release(struct ledger *l, struct ledger_account *a, const char *key)
{
	claim_forget(l, a->id, key);
}

/* True: the key is under way and c->result says how it relates. */
static bool under_way(struct ledger *l, struct ledger_claim *c)
{
	struct claim_entry *e;

	pthread_mutex_lock(&l->claim_lock);
	e = *find(l, c->account->id, c->key);
	if (e)
		c->result = memcmp(e->body_hash, c->body_hash, sizeof(c->body_hash)) == 0 ? LEDGER_CLAIM_BUSY
											  : LEDGER_CLAIM_MISMATCH;
	pthread_mutex_unlock(&l->claim_lock);
	return e != NULL;
}

static int enter(struct ledger *l, struct ledger_claim *c)
{
	size_t len = strlen(c->key) + 1;
	struct claim_entry *e, **bucket = &l->claim_table[bucket_of(c->account->id, c->key)];
	int rc = 0;

	e = malloc(sizeof(*e) + len);
	if (!e)
		return ERR_NOMEM;
	e->account_id = c->account->id;
	memcpy(e->body_hash, c->body_hash, sizeof(e->body_hash));
	memcpy(e->key, c->key, len);
	pthread_mutex_lock(&l->claim_lock);
	if (l->n_claims < l->slots.count) {
		e->next = *bucket;
		*bucket = e;
		l->n_claims++;
	} else {
		rc = ERR_BUSY;
	}
	pthread_mutex_unlock(&l->claim_lock);
	if (rc < 0)
		free(e);
	return rc;
}

static char *copy_bytes(const char *from, size_t len)
{
	char *to = malloc(len + 1);

	if (!to)
		return NULL;
	if (len)
		memcpy(to, from, len);
	to[len] = '\0';
	return to;
}

static int on_answer(const struct store_answer *a, void *arg)
{
	struct ledger_claim *c = arg;

	if (memcmp(a->body_hash, c->body_hash, sizeof(c->body_hash)) != 0) {
		c->result = LEDGER_CLAIM_MISMATCH;
		return 0;
	}
	c->answer = *a;
	c->answer.key = c->key;
	c->answer.headers = copy_bytes(a->headers, a->headers_len);
	c->answer.body = copy_bytes(a->body, a->body_len);
	if (!c->answer.headers || !c->answer.body) {
		ledger_claim_done(c);
		return ERR_NOMEM;
	}
	c->result = LEDGER_CLAIM_ANSWERED;
	return 0;
}

static int decide(struct ledger *l, struct ledger_claim *c)
{
	struct err err;
	int rc;

	memset(&c->answer, 0, sizeof(c->answer));
	if (under_way(l, c))
		return 0;
	if (!l->store)
		return ERR_BUSY;
	rc = store_answer_get(l->store, c->account->id, c->key, post_time(l), on_answer, c, &err);
	if (rc != ERR_NOT_FOUND)
		return rc;
	c->result = LEDGER_CLAIM_NEW;
	return enter(l, c);
}

void ledger_claim(struct ledger *l, struct ledger_claim *c)
{
	struct ledger_claim *head = atomic_load_explicit(&l->claims, memory_order_relaxed);

	do
		c->next = head;
	while (!atomic_compare_exchange_weak(&l->claims, &head, c));
	if (!head && atomic_load(&l->sleeping))
		writer_wake(l);
}

void ledger_claim_done(struct ledger_claim *c)
{
	free((char *)(uintptr_t)c->answer.headers);
	free((char *)(uintptr_t)c->answer.body);
	c->answer.headers = NULL;
	c->answer.body = NULL;
}

void claims_decide(struct ledger *l)
{
	struct ledger_claim *newest, *oldest = NULL;

	if (!atomic_load_explicit(&l->claims, memory_order_relaxed))
		return;
	for (newest = atomic_exchange(&l->claims, NULL); newest;) {
		struct ledger_claim *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct ledger_claim *c = oldest;

		oldest = c->next;
		c->rc = decide(l, c);
		lane_add_claim(l, c);
	}
}

void claims_done(struct ledger *l)
{
	for (unsigned i = 0; i < CLAIM_BUCKETS; i++)
		while (l->claim_table[i]) {
			struct claim_entry *next = l->claim_table[i]->next;

			free(l->claim_table[i]);
			l->claim_table[i] = next;
		}
}
