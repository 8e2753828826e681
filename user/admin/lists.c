/* Allow and block lists by hand.
 *
 * Order of a change: the kernel, then the store. While pinned maps live they are what holds, also when `tollctl`
 * changed them with the daemon down; the store is the copy for the day after a reboot. */
#include "admin/lists.h"

#include "base/clock.h"
#include "base/num.h"

#include <stdio.h>
#include <string.h>

#define CHUNK 20000u
#define ERRORS_MAX 200u
#define ENTRIES_MAX 2000000u

void list_cidr_of(const struct policy_list_entry *e, struct kernel_cidr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->v6 = e->v6;
	ret->prefix_len = e->prefix_len;
	memcpy(ret->addr, e->addr, sizeof(ret->addr));
}

void list_cidr_text(const struct kernel_cidr *c, char buf[64])
{
	struct policy_list_entry e = {.v6 = c->v6, .prefix_len = c->prefix_len};

	memcpy(e.addr, c->addr, sizeof(e.addr));
	policy_format_cidr(&e, buf);
}

static const char *source_name(unsigned source)
{
	static const char *const names[TG_LIST_SOURCE_COUNT] = {"operator", "risk", "penalty", "policy"};

	return source < TG_LIST_SOURCE_COUNT ? names[source] : "operator";
}

static bool list_of(struct admin_call *c, enum kernel_list *ret)
{
	if (!strcmp(c->part, "allow")) {
		*ret = KERNEL_LIST_ALLOW;
	} else if (!strcmp(c->part, "block")) {
		*ret = KERNEL_LIST_BLOCK;
	} else {
		reply_error(c, 404, "not_found", "there are two lists: allow and block");
		return false;
	}
	return true;
}

enum store_list list_store_of(enum kernel_list list)
{
	return list == KERNEL_LIST_ALLOW ? STORE_LIST_ALLOW : STORE_LIST_BLOCK;
}

static int64_t wall_of(uint64_t expires_ns)
{
	uint64_t now = clock_mono_ns();

	if (expires_ns == TG_LIST_NEVER)
		return 0;
	return clock_wall_ms() + (expires_ns > now ? (int64_t)((expires_ns - now) / 1000000) : 0);
}

/* ---- reading a body */

static void bad(struct list_batch *b, size_t line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void bad(struct list_batch *b, size_t line, const char *fmt, ...)
{
	char message[ERR_MSG_MAX];
	va_list ap;

	if (json_array_size(b->errors) >= ERRORS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	json_array_append_new(b->errors, json_pack("{s:I,s:s}", "line", (json_int_t)line, "message", message));
}

int list_batch_room(struct list_batch *b, size_t line)
{
	size_t cap = b->cap ? b->cap * 2 : 256;
	struct kernel_list_entry *e;

	if (b->n < b->cap)
		return 0;
	e = b->n < ENTRIES_MAX ? realloc(b->e, cap * sizeof(*e)) : NULL;
	if (!e) {
		bad(b, line, "at most %u entries at once, and memory for them", ENTRIES_MAX);
		return ERR_FULL;
	}
	b->e = e;
	b->cap = cap;
	return 0;
}

/* ttl_ns 0 = for good. */
static int batch_add(struct list_batch *b, size_t line, const char *cidr, size_t len, uint64_t ttl_ns,
		     const char *reason)
{
	struct policy_list_entry parsed;
	struct kernel_list_entry *e;
	struct err err;

	if (policy_parse_cidr(cidr, len, &parsed, &err) < 0) {
		bad(b, line, "%s", err.msg);
		return 0;
	}
	if (list_batch_room(b, line) < 0)
		return ERR_FULL;
	e = &b->e[b->n++];
	memset(e, 0, sizeof(*e));
	list_cidr_of(&parsed, &e->cidr);
	e->expires_ns = ttl_ns ? b->now_ns + ttl_ns : TG_LIST_NEVER;
	e->source = TG_LIST_OPERATOR;
	e->reason = b->a->o.ops.reason_of(b->a->o.ops.arg, reason);
	return 0;
}

/* "CIDR [ttl [reason...]]" */
static int text_line(struct list_batch *b, size_t line, char *s)
{
	char *save, *cidr, *ttl, *reason;
	uint64_t ttl_ns = 0;

	s[strcspn(s, "#")] = '\0';
	cidr = strtok_r(s, " \t\r", &save);
	if (!cidr)
		return 0;
	ttl = strtok_r(NULL, " \t\r", &save);
	reason = strtok_r(NULL, "\r", &save);
	if (ttl && strcmp(ttl, "-") != 0 &&
	    (num_parse_duration_ns(ttl, strlen(ttl), &ttl_ns) < 0 || !ttl_ns || ttl_ns > 1ull << 62)) {
		bad(b, line, "'%.40s' is no time to live: a duration such as 90s, 10m, 24h, or - for none", ttl);
		return 0;
	}
	if (reason)
		reason += strspn(reason, " \t");
	return batch_add(b, line, cidr, strlen(cidr), ttl_ns, reason);
}

static void read_text(struct list_batch *b, const char *body, size_t len)
{
	const char *end = body + len;
	char line[512];
	size_t number = 0;

	while (body < end) {
		const char *eol = memchr(body, '\n', (size_t)(end - body));
		size_t n = (size_t)((eol ? eol : end) - body);

		number++;
		if (n >= sizeof(line)) {
			bad(b, number, "the line is too long");
		} else {
			memcpy(line, body, n);
			line[n] = '\0';
			if (strlen(line) != n)
				bad(b, number, "the line has a zero byte");
			else if (text_line(b, number, line) < 0)
				return;
		}
		body += n + (eol ? 1 : 0);
	}
}

static int read_object(struct list_batch *b, size_t number, const json_t *o)
{
	const json_t *ttl = json_object_get(o, "ttl_s"), *reason = json_object_get(o, "reason");
	const char *cidr = json_string_value(json_object_get(o, "cidr"));

	if (!cidr) {
		bad(b, number, "cidr is missing or no string");
	} else if (ttl &&
		   !(json_is_integer(ttl) && json_integer_value(ttl) >= 0 && json_integer_value(ttl) <= 1000000000)) {
		bad(b, number, "ttl_s must be a number of seconds from 0 (for good) to 1000000000");
	} else if (reason && !json_is_string(reason) && !json_is_null(reason)) {
		bad(b, number, "reason must be a string");
	} else {
		return batch_add(b, number, cidr, strlen(cidr), (uint64_t)json_integer_value(ttl) * 1000000000u,
				 json_string_value(reason));
	}
	return 0;
}

static bool read_json(struct admin_call *c, struct list_batch *b)
{
	json_t *o = body_object(c), *list;
	size_t i;
	json_t *v;

	if (!o)
		return false;
	list = json_object_get(o, "entries");
	if (!json_is_array(list)) {
		reply_error(c, 400, "invalid", "entries must be an array");
		json_decref(o);
		return false;
	}
	json_array_foreach(list, i, v) if (read_object(b, i + 1, v) < 0) break;
	json_decref(o);
	return true;
}

/* ---- applying */

static void to_store(struct admin *a, const struct kernel_list_entry *e, struct store_list_entry *ret)
{
	memset(ret, 0, sizeof(*ret));
	list_cidr_text(&e->cidr, ret->cidr);
	snprintf(ret->reason, sizeof(ret->reason), "%s", a->o.ops.reason_text(a->o.ops.arg, e->reason));
	ret->source = e->source;
	ret->expires_ms = wall_of(e->expires_ns);
}

int list_store_entries(struct admin *a, const char *actor, enum kernel_list list, const struct kernel_list_entry *e,
		       size_t n, struct err *err)
{
	_cleanup_(freep) struct store_list_entry *rows = calloc(n < CHUNK ? n + 1 : CHUNK, sizeof(*rows));

	if (!rows)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (size_t at = 0; at < n; at += CHUNK) {
		size_t count = n - at < CHUNK ? n - at : CHUNK;
		int rc;

		for (size_t i = 0; i < count; i++)
			to_store(a, &e[at + i], &rows[i]);
		rc = store_list_put(a->o.store, actor, list_store_of(list), rows, count, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* M2: when the kernel takes only some, what went in comes out again and the store's state goes back in. */
static int apply(struct admin_call *c, enum kernel_list list, const struct list_batch *b, struct err *err)
{
	struct kernel *k = c->a->o.kernel;
	struct err ignored;
	size_t done = 0;
	int rc = kernel_list_put(k, list, b->e, b->n, &done, err);

	if (rc < 0) {
		for (size_t i = 0; i < done; i++)
			(void)!kernel_list_del(k, list, &b->e[i].cidr, &ignored);
		(void)!admin_lists_restore(c->a, &done, &ignored);
		return rc;
	}
	rc = list_store_entries(c->a, c->actor, list, b->e, b->n, err);
	if (rc < 0)
		err_prefix(err, "in force, but not stored, so lost at the next reboot");
	return rc;
}

void handle_list_add(struct admin_call *c)
{
	const char *type = http_request_header(c->x, "content-type", NULL);
	struct list_batch b = {.a = c->a, .errors = json_array(), .now_ns = clock_mono_ns()};
	enum kernel_list list;
	struct err err;

	if (!list_of(c, &list)) {
		json_decref(b.errors);
		return;
	}
	if (kernel_is_memory(c->a->o.kernel)) {
		reply_error(c, 501, "unsupported",
			    "lists are enforced by the kernel program, and this daemon runs without it (--no-kernel)");
	} else if (type && !strncmp(type, "text/plain", 10)) {
		read_text(&b, c->body, c->body_len);
	} else if (!read_json(c, &b)) {
		json_decref(b.errors);
		free(b.e);
		return;
	}
	if (kernel_is_memory(c->a->o.kernel))
		; /* answered */
	else if (json_array_size(b.errors))
		reply_json(c, 400,
			   json_pack("{s:{s:s,s:s},s:O}", "error", "code", "invalid", "message",
				     "some entries are wrong; nothing was changed", "errors", b.errors));
	else if (apply(c, list, &b, &err) < 0)
		reply_err(c, &err);
	else
		reply_json(c, 200, json_pack("{s:I}", "added", (json_int_t)b.n));
	json_decref(b.errors);
	free(b.e);
}

static bool policy_lists(const struct policy *p, enum kernel_list list, const struct policy_list_entry *want)
{
	const struct policy_list_entry *e = p ? (list == KERNEL_LIST_ALLOW ? p->allow : p->block) : NULL;
	size_t n = p ? (list == KERNEL_LIST_ALLOW ? p->n_allow : p->n_block) : 0;

	for (size_t i = 0; i < n; i++)
		if (e[i].v6 == want->v6 && e[i].prefix_len == want->prefix_len &&
		    !memcmp(e[i].addr, want->addr, sizeof(e[i].addr)))
			return true;
	return false;
}

void handle_list_del(struct admin_call *c)
{
	char text[96], canonical[64];
	const char *one = canonical;
	struct policy_list_entry e;
	struct kernel_cidr cidr;
	enum kernel_list list;
	struct err err = {0}, serr = {0};
	int rc, src;

	if (!list_of(c, &list))
		return;
	if (!query_get(c, "cidr", text, sizeof(text)))
		err_set(&err, ERR_INVAL, "which? give cidr=");
	else
		(void)!policy_parse_cidr(text, strlen(text), &e, &err);
	if (err.code) {
		reply_err(c, &err);
		return;
	}
	list_cidr_of(&e, &cidr);
	policy_format_cidr(&e, canonical);
	rc = kernel_is_memory(c->a->o.kernel) ? ERR_NOT_FOUND : kernel_list_del(c->a->o.kernel, list, &cidr, &err);
	src = store_list_del(c->a->o.store, c->actor, list_store_of(list), &one, 1, &serr);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		reply_err(c, &err);
	else if (src < 0 && src != ERR_NOT_FOUND)
		reply_err(c, &serr);
	else if (rc == 0 || src == 0)
		reply_json(c, 200, json_pack("{s:s}", "deleted", canonical));
	else if (policy_lists(c->a->o.ops.policy_current(c->a->o.ops.arg), list, &e))
		reply_error(c, 409, "in_policy", "%s is listed by the policy: take it out there and apply it",
			    canonical);
	else
		reply_error(c, 404, "not_found", "%s is not on the %s list", canonical, c->part);
}

/* ---- showing */

struct page {
	json_t *list;
	char last[64];
	size_t n;
};

static int add_row(enum store_list list, const struct store_list_entry *e, void *arg)
{
	struct page *p = arg;

	(void)list;
	p->n++;
	snprintf(p->last, sizeof(p->last), "%s", e->cidr);
	return json_array_append_new(p->list,
				     json_pack("{s:s,s:s,s:s,s:I}", "cidr", e->cidr, "reason", e->reason, "source",
					       source_name(e->source), "expires_ms", (json_int_t)e->expires_ms)) < 0
		       ? ERR_NOMEM
		       : 0;
}

/* The policy's own entries stand before the first page: they are few, and changed elsewhere. */
static void add_policy_entries(const struct policy *p, enum kernel_list list, json_t *to)
{
	const struct policy_list_entry *e = p ? (list == KERNEL_LIST_ALLOW ? p->allow : p->block) : NULL;
	size_t n = p ? (list == KERNEL_LIST_ALLOW ? p->n_allow : p->n_block) : 0;
	char text[64];

	for (size_t i = 0; i < n; i++) {
		policy_format_cidr(&e[i], text);
		json_array_append_new(to, json_pack("{s:s,s:s,s:s,s:I}", "cidr", text, "reason",
						    e[i].reason ? e[i].reason : "", "source", "policy", "expires_ms",
						    (json_int_t)0));
	}
}

void handle_list_show(struct admin_call *c)
{
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};
	char after[64] = "";
	enum kernel_list list;
	struct page p = {0};
	uint64_t limit;
	json_t *o;

	if (!list_of(c, &list))
		return;
	if (query_number(c, "limit", &limit, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	if (!limit || limit > 10000)
		limit = limit ? 10000 : 1000;
	p.list = json_array();
	if (!query_get(c, "after", after, sizeof(after)))
		add_policy_entries(c->a->o.ops.policy_current(c->a->o.ops.arg), list, p.list);
	if (store_list_page(c->a->o.store, list_store_of(list), after, (size_t)limit, add_row, &p, &err) < 0) {
		json_decref(p.list);
		reply_err(c, &err);
		return;
	}
	o = json_pack("{s:o}", "entries", p.list);
	json_object_set_new(o, "next", p.n == limit ? json_string(p.last) : json_null());
	reply_json(c, 200, o);
}
