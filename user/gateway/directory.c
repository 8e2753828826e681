#include "gateway/directory.h"

#include "crypto/keyed.h"
#include "tollgate/abi.h"

#include <stdio.h>
#include <string.h>

#define HASH_MIN 64u

static size_t home(const struct directory *d, const uint8_t *hash)
{
	uint64_t h;

	memcpy(&h, hash, sizeof(h));
	return (size_t)h & d->hash_mask;
}

static int alloc_tables(struct directory *d, uint32_t n_subjects, size_t n_keys, struct err *err)
{
	size_t cap = HASH_MIN;

	while (cap < 2 * n_keys + 2)
		cap *= 2;
	d->by_subject = calloc(n_subjects ? n_subjects : 1, sizeof(*d->by_subject));
	d->by_hash = calloc(cap, sizeof(*d->by_hash));
	if (!d->by_subject || !d->by_hash)
		return err_set(err, ERR_NOMEM, "no memory for the directory of keys");
	d->n_subjects = n_subjects;
	d->hash_mask = cap - 1;
	return 0;
}

static void hash_insert(struct directory *d, struct principal *p)
{
	size_t i = home(d, p->hash);

	while (d->by_hash[i])
		i = (i + 1) & d->hash_mask;
	d->by_hash[i] = p;
}

/* The tables have room. Returns what stood in the slot. */
static struct principal *place(struct directory *d, struct principal *p)
{
	struct principal *old = d->by_subject[p->subject];

	d->by_subject[p->subject] = p;
	if (p->kind == PRINCIPAL_KEY) {
		d->n_keys++;
		hash_insert(d, p);
	} else {
		d->n_tenants++;
	}
	return old;
}

static int check_subject(uint32_t subject, const char *id, struct err *err)
{
	if (subject == TG_SUBJECT_GATEWAY || subject >= TG_SUBJECTS_MAX)
		return err_set(err, ERR_CORRUPT, "%s has slot %u, which is out of range", id, subject);
	return 0;
}

static struct principal *principal_of_tenant(const struct tenant *t)
{
	struct principal *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->kind = PRINCIPAL_TENANT;
	p->subject = t->subject;
	p->incarnation = t->incarnation;
	p->disabled = t->status == TENANT_DISABLED;
	snprintf(p->id, sizeof(p->id), "%s", t->id);
	return p;
}

static struct principal *principal_of_key(const struct api_key *k, const struct principal *tenant)
{
	struct principal *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->kind = PRINCIPAL_KEY;
	p->subject = k->subject;
	p->incarnation = k->incarnation;
	p->disabled = k->status == KEY_DISABLED;
	snprintf(p->id, sizeof(p->id), "%s", k->id);
	memcpy(p->hash, k->hash, sizeof(p->hash));
	p->expires_ms = k->expires_ms;
	p->tenant_subject = tenant->subject;
	p->tenant_incarnation = tenant->incarnation;
	snprintf(p->tenant_id, sizeof(p->tenant_id), "%s", k->tenant_id);
	return p;
}

int directory_new(struct directory **ret, struct err *err)
{
	struct directory *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(err, ERR_NOMEM, "no memory for the directory of keys");
	if (alloc_tables(d, 1, 0, err) < 0) {
		directory_free_version(d);
		return ERR_NOMEM;
	}
	*ret = d;
	return 0;
}

/* Tenants sorted by id, for the look-up of 65,000 keys' tenants at start. */
static int by_id(const void *a, const void *b)
{
	const struct principal *const *pa = a, *const *pb = b;

	return strcmp((*pa)->id, (*pb)->id);
}

static int fill_keys(struct directory *d, struct principal **sorted, size_t n_tenants, const struct api_key *keys,
		     size_t n_keys, struct err *err)
{
	for (size_t i = 0; i < n_keys; i++) {
		struct principal want, *w = &want, **tenant, *p;

		snprintf(want.id, sizeof(want.id), "%s", keys[i].tenant_id);
		tenant = n_tenants ? bsearch(&w, sorted, n_tenants, sizeof(*sorted), by_id) : NULL;
		if (!tenant)
			return err_set(err, ERR_CORRUPT, "key %s belongs to tenant %s, which isn't there", keys[i].id,
				       keys[i].tenant_id);
		p = principal_of_key(&keys[i], *tenant);
		if (!p)
			return err_set(err, ERR_NOMEM, "no memory for the directory of keys");
		free(place(d, p));
	}
	return 0;
}

int directory_fill(struct directory *d, const struct tenant *tenants, size_t n_tenants, const struct api_key *keys,
		   size_t n_keys, struct err *err)
{
	_cleanup_(freep) struct principal **sorted = calloc(n_tenants + 1, sizeof(*sorted));
	uint32_t top = 0;

	if (!sorted)
		return err_set(err, ERR_NOMEM, "no memory for the directory of keys");
	for (size_t i = 0; i < n_tenants + n_keys; i++) {
		uint32_t s = i < n_tenants ? tenants[i].subject : keys[i - n_tenants].subject;

		if (check_subject(s, i < n_tenants ? tenants[i].id : keys[i - n_tenants].id, err) < 0)
			return ERR_CORRUPT;
		top = s > top ? s : top;
	}
	free(d->by_subject);
	free(d->by_hash);
	if (alloc_tables(d, top + 1, n_keys, err) < 0)
		return ERR_NOMEM;
	for (size_t i = 0; i < n_tenants; i++) {
		sorted[i] = principal_of_tenant(&tenants[i]);
		if (!sorted[i])
			return err_set(err, ERR_NOMEM, "no memory for the directory of keys");
		free(place(d, sorted[i]));
	}
	qsort(sorted, n_tenants, sizeof(*sorted), by_id);
	return fill_keys(d, sorted, n_tenants, keys, n_keys, err);
}

/* A version that shares d's principals, without the one at `except`, with room for one more. */
static int clone(const struct directory *d, uint32_t except, uint32_t subject_room, struct directory **ret,
		 struct err *err)
{
	struct directory *n = calloc(1, sizeof(*n));

	if (!n)
		return err_set(err, ERR_NOMEM, "no memory for the directory of keys");
	if (alloc_tables(n, subject_room > d->n_subjects ? subject_room : d->n_subjects, d->n_keys + 1, err) < 0) {
		directory_free_version(n);
		return ERR_NOMEM;
	}
	for (uint32_t s = 0; s < d->n_subjects; s++)
		if (d->by_subject[s] && s != except)
			place(n, d->by_subject[s]);
	if (except < d->n_subjects)
		n->retired = d->by_subject[except];
	*ret = n;
	return 0;
}

static int with(const struct directory *d, struct principal *p, struct directory **ret, struct err *err)
{
	struct directory *n;

	if (!p)
		return err_set(err, ERR_NOMEM, "no memory for the directory of keys");
	if (check_subject(p->subject, p->id, err) < 0 || clone(d, p->subject, p->subject + 1, &n, err) < 0) {
		free(p);
		return err ? err->code : ERR_NOMEM;
	}
	place(n, p);
	*ret = n;
	return 0;
}

int directory_with_tenant(const struct directory *d, const struct tenant *t, struct directory **ret, struct err *err)
{
	return with(d, principal_of_tenant(t), ret, err);
}

int directory_with_key(const struct directory *d, const struct api_key *k, struct directory **ret, struct err *err)
{
	const struct principal *tenant = directory_find_id(d, PRINCIPAL_TENANT, k->tenant_id);

	if (!tenant)
		return err_set(err, ERR_NOT_FOUND, "no tenant %s", k->tenant_id);
	return with(d, principal_of_key(k, tenant), ret, err);
}

int directory_without(const struct directory *d, uint32_t subject, struct directory **ret, struct err *err)
{
	return clone(d, subject, 0, ret, err);
}

void directory_free_version(struct directory *d)
{
	if (!d)
		return;
	free(d->by_subject);
	free(d->by_hash);
	free(d);
}

void directory_free_retired(struct directory *d)
{
	free(d->retired);
	d->retired = NULL;
}

void directory_free_all(struct directory *d)
{
	if (!d)
		return;
	for (uint32_t s = 0; s < d->n_subjects; s++)
		free(d->by_subject[s]);
	free(d->retired);
	directory_free_version(d);
}

const struct principal *directory_find_key(const struct directory *d, const uint8_t hash[KEY_HASH_LEN])
{
	for (size_t i = home(d, hash); d->by_hash[i]; i = (i + 1) & d->hash_mask)
		if (crypto_equal(d->by_hash[i]->hash, hash, KEY_HASH_LEN))
			return d->by_hash[i];
	return NULL;
}

const struct principal *directory_at(const struct directory *d, uint32_t subject)
{
	return subject < d->n_subjects ? d->by_subject[subject] : NULL;
}

const struct principal *directory_find_id(const struct directory *d, enum principal_kind kind, const char *id)
{
	for (uint32_t s = 0; s < d->n_subjects; s++)
		if (d->by_subject[s] && d->by_subject[s]->kind == kind && !strcmp(d->by_subject[s]->id, id))
			return d->by_subject[s];
	return NULL;
}
