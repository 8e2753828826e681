/* A worker's memory of keys it has checked by HMAC, so that a hot request costs three SipHashes and no HMAC.
 *
 * Invariants (tests cite them):
 *  C1  An entry is used only when hash and both tags agree: 192 bits under secrets nobody outside knows, so a text that
 *      was never checked by HMAC doesn't pass.
 *  C2  Only accepted keys are kept, in a table of fixed size: unknown keys can't push them out.
 *  C3  An entry speaks for its slots' incarnations only (abi.h A5); callers compare them at each use.
 */
#ifndef GATEWAY_KEYCACHE_H
#define GATEWAY_KEYCACHE_H

#include "base/util.h"

#include <stdint.h>

#define KEYCACHE_SETS 1024u /* a power of two */
#define KEYCACHE_WAYS 4u

struct keycache_entry {
	uint64_t hash; /* kernel_key_hash */
	uint64_t tag[2];
	uint32_t key_subject, key_incarnation;
	uint32_t tenant_subject, tenant_incarnation; /* key_subject 0 = empty */
	int64_t expires_ms;
	uint64_t used;
};

struct keycache {
	struct keycache_entry *entries;
	uint64_t clock;
};

int keycache_init(struct keycache *c) MUST_CHECK; /* ERR_NOMEM */
void keycache_done(struct keycache *c);
/* NULL = not known. Valid until the next put. */
const struct keycache_entry *keycache_find(struct keycache *c, uint64_t hash, const uint64_t tag[2]);
/* Replaces the entry of the same hash, else the least recently used of its set. */
void keycache_put(struct keycache *c, const struct keycache_entry *e);
void keycache_forget(struct keycache *c, uint64_t hash);

#endif
