/* Tenants, keys, policy and lists from the store into slots and maps. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

#include <string.h>

struct rows {
	struct tenant *tenants;
	struct api_key *keys;
	size_t n_tenants, n_keys, cap_tenants, cap_keys;
};

static int grow(void **array, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return 0;
	p = reallocarray(*array, want, size);
	if (!p)
		return ERR_NOMEM;
	*array = p;
	*cap = want;
	return 0;
}

static int take_tenant(const struct tenant *t, void *arg)
{
	struct rows *r = arg;

	if (grow((void **)&r->tenants, r->n_tenants, &r->cap_tenants, sizeof(*t)) < 0)
		return ERR_NOMEM;
	r->tenants[r->n_tenants++] = *t;
	return 0;
}

static int take_key(const struct api_key *k, void *arg)
{
	struct rows *r = arg;

	if (grow((void **)&r->keys, r->n_keys, &r->cap_keys, sizeof(*k)) < 0)
		return ERR_NOMEM;
	r->keys[r->n_keys++] = *k;
	return 0;
}

static int load_directory(struct daemon *d, struct err *err)
{
	struct rows r = {0};
	int rc;

	err_set(err, ERR_NOMEM, "no memory for tenants and keys");
	rc = store_tenant_each(d->store, take_tenant, &r, err);
	if (rc == 0)
		rc = store_key_each(d->store, NULL, take_key, &r, err);
	if (rc == 0)
		rc = gateway_directory_load(d->gw, r.tenants, r.n_tenants, r.keys, r.n_keys, err);
	if (rc == 0)
		log_info(NULL, "%zu tenants, %zu keys", r.n_tenants, r.n_keys);
	free(r.tenants);
	free(r.keys);
	return rc;
}

static int said_errors(struct conf_errors *errs, const char *file)
{
	struct buf b = BUF_INIT;

	conf_errors_print(errs, file, &b);
	for (char *line = b.data, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		log_error(NULL, "%s", line);
		if (!next)
			break;
	}
	buf_done(&b);
	return ERR_INVAL;
}

/* First start: the operator's file, else the defaults. */
static int first_policy(struct daemon *d, struct conf_errors *errs, struct err *err)
{
	const char *text = d->policy_text ? d->policy_text : policy_default_text;
	const char *name = d->policy_text ? d->conf->policy_file : "built-in defaults";
	struct admin_apply how = {.actor = "tollgated", .comment = name};
	struct store_policy p;
	uint32_t generation;
	int rc = admin_policy_apply(d->admin, &how, text, strlen(text), &p, &generation, errs, err);

	if (rc < 0 && errs->count)
		said_errors(errs, name);
	if (rc == 0)
		log_info(NULL, "policy: %s, stored as version %lld", name, (long long)p.id);
	return rc;
}

static int set_policy(struct daemon *d, struct err *err)
{
	struct conf_errors errs = {0};
	int rc = admin_policy_restore(d->admin, &errs, err);

	if (rc < 0 && errs.count)
		said_errors(&errs, "policy of the store");
	if (rc == 0)
		rc = first_policy(d, &errs, err);
	conf_errors_done(&errs);
	return rc < 0 ? rc : 0;
}

static int set_lists(struct daemon *d, struct err *err)
{
	size_t adopted = 0, dropped = 0, restored = 0;
	int rc;

	if (d->kernel_fresh) {
		rc = admin_lists_restore(d->admin, &restored, err);
		if (rc == 0 && restored)
			log_info(NULL, "%zu list entries restored from the store", restored);
		return rc;
	}
	rc = admin_lists_adopt(d->admin, &adopted, &dropped, err);
	if (rc == 0 && (adopted || dropped))
		log_info(NULL, "lists were changed while no daemon ran: %zu entries taken over, %zu dropped", adopted,
			 dropped);
	return rc;
}

int policy_setup(struct daemon *d, struct err *err)
{
	int rc = load_directory(d, err);

	if (rc == 0)
		rc = set_policy(d, err);
	if (rc == 0)
		rc = set_lists(d, err);
	return rc ? rc : gateway_answers_install(d->gw, err);
}
