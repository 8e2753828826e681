/* Who may call: tenants and keys by slot and by hash. One writer (the control thread) makes a new version for each
 * change; readers look at one version between two waits and keep nothing of it.
 *
 * Invariants (tests cite them):
 *  D1  A version never changes: a reader sees all of a change or none.
 *  D2  Principals are shared between versions; what a change replaces is in exactly one list of retired ones, freed
 *      after readers have gone.
 */
#ifndef GATEWAY_DIRECTORY_H
#define GATEWAY_DIRECTORY_H

#include "base/err.h"
#include "model/tenant.h"

enum principal_kind { PRINCIPAL_TENANT, PRINCIPAL_KEY };

struct principal {
	enum principal_kind kind;
	uint32_t subject, incarnation;
	bool disabled;
	char id[TENANT_ID_MAX];
	/* keys only */
	uint8_t hash[KEY_HASH_LEN];
	int64_t expires_ms;
	uint32_t tenant_subject, tenant_incarnation;
	char tenant_id[TENANT_ID_MAX];
};
_Static_assert(KEY_ID_MAX <= TENANT_ID_MAX, "a key's id fits");

struct directory {
	struct principal **by_subject; /* [n_subjects], NULL = free slot */
	uint32_t n_subjects;           /* highest slot in use + 1 */
	struct principal **by_hash;    /* open addressing */
	size_t hash_mask;
	size_t n_keys, n_tenants;
	struct principal *retired; /* what the step to this version replaced; freed by the caller after readers left */
};

int directory_new(struct directory **ret, struct err *err) MUST_CHECK;
/* At start: many at once into a directory no reader has. */
int directory_fill(struct directory *d, const struct tenant *tenants, size_t n_tenants, const struct api_key *keys,
		   size_t n_keys, struct err *err) MUST_CHECK;
/* A version of d with one principal more, or another one in its slot. */
int directory_with_tenant(const struct directory *d, const struct tenant *t, struct directory **ret,
			  struct err *err) MUST_CHECK;
int directory_with_key(const struct directory *d, const struct api_key *k, struct directory **ret,
		       struct err *err) MUST_CHECK;
int directory_without(const struct directory *d, uint32_t subject, struct directory **ret, struct err *err) MUST_CHECK;
/* The version's own memory; not its principals. */
void directory_free_version(struct directory *d);
void directory_free_retired(struct directory *d);
/* Everything. */
void directory_free_all(struct directory *d);

/* By the key's hash, compared in constant time. NULL = no such key. */
const struct principal *directory_find_key(const struct directory *d, const uint8_t hash[KEY_HASH_LEN]);
const struct principal *directory_at(const struct directory *d, uint32_t subject);
/* By id; walks. */
const struct principal *directory_find_id(const struct directory *d, enum principal_kind kind, const char *id);

#endif
