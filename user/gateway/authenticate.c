/* Who is calling.
 *
 * At a key's first sight on a worker: HMAC under the installation's pepper, directory, and the kernel is taught. Later:
 * the worker's cache (keycache.h C1). Status is never cached: flags in tg_subjects are looked at each time, and so are
 * incarnations (abi.h A5). */
#include "gateway/call.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/keyed.h"
#include "gateway/enforce.h"
#include "gateway/refuse.h"
#include "tollgate/siphash.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum key_found { KEY_NONE, KEY_ONE, KEY_CONFLICT };

/* "Bearer KEY", the scheme in any case; NULL for other schemes. */
static const char *bearer(const char *value)
{
	if (strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	value += 7;
	return value + strspn(value, " ");
}

/* The same key twice is one key (some SDKs do that); two different ones could be read either way. */
static enum key_found find_key(const struct http_exchange *x, const char **ret)
{
	static const char *const names[] = {"authorization", "x-api-key", "api-key", "x-goog-api-key"};
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unsigned count = 0;
		const char *v = http_request_header(x, names[i], &count);

		if (count > 1)
			return KEY_CONFLICT;
		if (v && i == 0)
			v = bearer(v);
		if (!v || !*v)
			continue;
		if (found && strcmp(found, v) != 0)
			return KEY_CONFLICT;
		found = v;
	}
	*ret = found;
	return found ? KEY_ONE : KEY_NONE;
}

static enum call_step refuse(struct call *c, enum tg_reason reason)
{
	meters_verdict(c, TG_VERDICT_ANSWER, reason);
	call_refuse(c, reason, NULL);
	return CALL_DONE;
}

/* Teaches kernel and cache. The kernel's refusal (map full) costs only the NIC's help. */
static void learn(struct call *c, const struct keycache_entry *e)
{
	struct tg_key_entry k = {
		.key_subject = e->key_subject,
		.tenant_subject = e->tenant_subject,
		.key_incarnation = e->key_incarnation,
		.tenant_incarnation = e->tenant_incarnation,
	};
	struct err err;

	keycache_put(&c->w->keys, e);
	if (enforce_key_learned(c->w->gw->kernel, e->hash, &k, &err) < 0) {
		meters_learn_failed(c);
		call_log(c, LOG_WARN, "the kernel could not be taught a key: %s", err.msg);
	}
}

/* By HMAC. False: no such key. */
static bool look_up(struct call *c, const char *text, size_t len, uint64_t hash, const uint64_t tag[2],
		    struct keycache_entry *ret)
{
	const struct gateway *gw = c->w->gw;
	const struct principal *p;
	uint8_t mac[KEY_HASH_LEN];
	struct err err;

	if (crypto_key_hash(gw->pepper, text, len, mac, &err) < 0) {
		call_log(c, LOG_ERROR, "%s", err.msg);
		return false;
	}
	p = directory_find_key(atomic_load_explicit(&gw->directory, memory_order_acquire), mac);
	if (!p)
		return false;
	*ret = (struct keycache_entry){
		.hash = hash,
		.tag = {tag[0], tag[1]},
		.key_subject = p->subject,
		.key_incarnation = p->incarnation,
		.tenant_subject = p->tenant_subject,
		.tenant_incarnation = p->tenant_incarnation,
		.expires_ms = p->expires_ms,
	};
	learn(c, ret);
	return true;
}

static bool is_current(const struct gateway *gw, const struct keycache_entry *e)
{
	return TG_READ_ONCE(gw->subjects[e->key_subject].incarnation) == e->key_incarnation &&
	       TG_READ_ONCE(gw->subjects[e->tenant_subject].incarnation) == e->tenant_incarnation;
}

static bool identify(struct call *c, const char *text, struct keycache_entry *ret)
{
	struct gateway_worker *w = c->w;
	const uint64_t *k = w->gw->tag_key;
	size_t len = strlen(text);
	const struct keycache_entry *hit;
	uint64_t hash, tag[2];

	if (len >= KEY_TEXT_MAX)
		return false;
	hash = kernel_key_hash(w->gw->kernel, text, len);
	tag[0] = tg_sip13(k[0], k[1], text, len);
	tag[1] = tg_sip13(k[2], k[3], text, len);
	hit = keycache_find(&w->keys, hash, tag);
	if (hit && is_current(w->gw, hit)) {
		*ret = *hit;
		return true;
	}
	if (hit)
		keycache_forget(&w->keys, hash);
	/* The check part tells typing errors and scanners' guesses apart without an HMAC. */
	return crypto_key_well_formed(text, len) && look_up(c, text, len, hash, tag, ret) && is_current(w->gw, ret);
}

enum call_step call_authenticate(struct call *c)
{
	const struct tg_subject *subjects = c->w->gw->subjects;
	struct keycache_entry who;
	const char *text = NULL;
	uint32_t key_flags, tenant_flags;

	switch (find_key(c->x, &text)) {
	case KEY_NONE:
		return refuse(c, TG_REASON_NO_KEY);
	case KEY_CONFLICT:
		meters_verdict(c, TG_VERDICT_ANSWER, TG_REASON_HEAD_AMBIGUOUS);
		http_close_after(c->x);
		call_error(c, 400, "invalid_request_error", "conflicting_api_keys", NULL,
			   "The request carries more than one API key.");
		return CALL_DONE;
	case KEY_ONE:
		break;
	}
	if (!identify(c, text, &who))
		return refuse(c, TG_REASON_UNKNOWN_KEY);
	key_flags = TG_READ_ONCE(subjects[who.key_subject].flags);
	tenant_flags = TG_READ_ONCE(subjects[who.tenant_subject].flags);
	if ((key_flags | tenant_flags) & TG_SUBJECT_BLOCKED)
		return refuse(c, TG_REASON_KEY_BLOCKED);
	if (key_flags & TG_SUBJECT_DISABLED)
		return refuse(c, TG_REASON_KEY_DISABLED);
	if (tenant_flags & TG_SUBJECT_DISABLED)
		return refuse(c, TG_REASON_TENANT_DISABLED);
	if (who.expires_ms && who.expires_ms <= clock_wall_ms()) {
		meters_verdict(c, TG_VERDICT_ANSWER, TG_REASON_UNKNOWN_KEY);
		call_refuse(c, TG_REASON_UNKNOWN_KEY, "This API key has expired.");
		return CALL_DONE;
	}
	c->key_subject = who.key_subject;
	c->tenant_subject = who.tenant_subject;
	return CALL_NEXT;
}
