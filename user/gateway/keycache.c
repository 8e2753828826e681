#include "gateway/keycache.h"

#include "base/err.h"

#include <string.h>

int keycache_init(struct keycache *c)
{
	c->entries = calloc(KEYCACHE_SETS * KEYCACHE_WAYS, sizeof(*c->entries));
	c->clock = 0;
	return c->entries ? 0 : ERR_NOMEM;
}

void keycache_done(struct keycache *c)
{
	free(c->entries);
	c->entries = NULL;
}

static struct keycache_entry *set_of(struct keycache *c, uint64_t hash)
{
	return &c->entries[(hash & (KEYCACHE_SETS - 1)) * KEYCACHE_WAYS];
}

const struct keycache_entry *keycache_find(struct keycache *c, uint64_t hash, const uint64_t tag[2])
{
	struct keycache_entry *e = set_of(c, hash);

	for (unsigned i = 0; i < KEYCACHE_WAYS; i++, e++) {
		/* One comparison of all 192 bits: no early exit that would tell how much of a guess was right. */
		uint64_t differs = (e->hash ^ hash) | (e->tag[0] ^ tag[0]) | (e->tag[1] ^ tag[1]);

		if (!differs && e->key_subject) {
			e->used = ++c->clock;
			return e;
		}
	}
	return NULL;
}

void keycache_put(struct keycache *c, const struct keycache_entry *n)
{
	struct keycache_entry *e = set_of(c, n->hash), *to = e;

	for (unsigned i = 0; i < KEYCACHE_WAYS; i++) {
		if (e[i].key_subject && e[i].hash == n->hash) {
			to = &e[i];
			break;
		}
		if (e[i].used < to->used)
			to = &e[i];
	}
	*to = *n;
	to->used = ++c->clock;
}

void keycache_forget(struct keycache *c, uint64_t hash)
{
	struct keycache_entry *e = set_of(c, hash);

	for (unsigned i = 0; i < KEYCACHE_WAYS; i++)
		if (e[i].hash == hash)
			memset(&e[i], 0, sizeof(e[i]));
}
