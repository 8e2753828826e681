/* block and allow: add, del, list, import. */
#include "ctl/api.h"
#include "ctl/input.h"
#include "ctl/listfile.h"
#include "ctl/output.h"
#include "ctl/pinned.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX ((size_t)512 << 20)
#define CHUNK_ENTRIES 50000u /* of one request: 1 to 4 MB */
#define PAGE_ENTRIES 10000u
#define LIST_DEFAULT 1000u

static const char *list_name(enum kernel_list list)
{
	return list == KERNEL_LIST_ALLOW ? "allow" : "block";
}

static struct kernel_cidr kernel_cidr_of(const struct policy_list_entry *e)
{
	struct kernel_cidr c = {.v6 = e->v6, .prefix_len = e->prefix_len};

	memcpy(c.addr, e->addr, sizeof(c.addr));
	return c;
}

/* ---- add */

static int put_pinned(struct kernel *k, enum kernel_list list, const struct list_items *l, struct err *err)
{
	_cleanup_(freep) struct kernel_list_entry *entries = calloc(l->n + 1, sizeof(*entries));
	uint64_t now = clock_mono_ns();
	size_t done = 0;
	bool reasons = false;

	if (!entries)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < l->n; i++) {
		uint64_t ttl = l->items[i].ttl_ns;

		entries[i] = (struct kernel_list_entry){
			.cidr = kernel_cidr_of(&l->items[i].cidr),
			.expires_ns = ttl && ttl < TG_LIST_NEVER - now ? now + ttl : TG_LIST_NEVER,
			.source = TG_LIST_OPERATOR,
		};
		reasons |= *l->items[i].reason != '\0';
	}
	if (reasons)
		output_note("reasons are kept by tollgated only, and are lost here");
	return kernel_list_put(k, list, entries, l->n, &done, err);
}

static int post_chunk(struct ctl *ctl, enum kernel_list list, const struct list_item *items, size_t n, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	_cleanup_(buf_done) struct buf body = BUF_INIT;
	struct api_request request;

	api_path(&request, "POST", "/admin/v1/lists/%s", list_name(list));
	listfile_encode(items, n, &body, &request.content_type);
	if (body.failed) {
		buf_done(&request.path);
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	request.body = body.data;
	request.body_len = body.len;
	return api_call(ctl, &request, &reply, err);
}

/* *ret_done: how many were added when it fails in the middle of a large import. */
static int post_all(struct ctl *ctl, enum kernel_list list, const struct list_items *l, size_t *ret_done,
		    struct err *err)
{
	for (size_t at = 0; at < l->n; at += CHUNK_ENTRIES) {
		size_t n = l->n - at < CHUNK_ENTRIES ? l->n - at : CHUNK_ENTRIES;
		int rc = post_chunk(ctl, list, l->items + at, n, err);

		if (rc < 0)
			return rc;
		*ret_done = at + n;
	}
	return 0;
}

static void view_added(struct buf *out, json_t *json, int64_t now_ms)
{
	json_int_t n = json_integer_value(json_object_get(json, "added"));

	(void)now_ms;
	buf_printf(out, "%" JSON_INTEGER_FORMAT " %s added to the %s list\n", n, n == 1 ? "entry" : "entries",
		   json_string_value(json_object_get(json, "list")));
}

static int add_items(struct ctl *ctl, enum kernel_list list, const struct list_items *l, struct err *err)
{
	_cleanup_(pinned_closep) struct kernel *k = NULL;
	_cleanup_(json_decrefp) json_t *result = NULL;
	size_t done = 0;
	int rc;

	rc = post_all(ctl, list, l, &done, err);
	if (rc < 0 && done)
		return err_prefix(err, "the first %zu of %zu entries were added; then", done, l->n);
	if (rc < 0) {
		rc = pinned_instead(ctl, rc, &k, err);
		if (rc == 0)
			rc = put_pinned(k, list, l, err);
	}
	if (rc < 0)
		return rc;
	result = json_pack("{s:s, s:I, s:b}", "list", list_name(list), "added", (json_int_t)l->n, "kernel_only",
			   k != NULL);
	return output(ctl, result, view_added, err);
}

static int read_defaults(const struct ctl_args *args, uint64_t *ret_ttl_ns, const char **ret_reason, struct err *err)
{
	const char *reason = ctl_option(args, "reason");
	int rc = ctl_option_duration(args, "ttl", ret_ttl_ns, err);

	if (rc)
		return rc;
	if (ctl_option(args, "ttl") && !*ret_ttl_ns) {
		err_set(err, ERR_INVAL, "--ttl 0s holds for no time; leave it out for entries that hold until removed");
		return CTL_USAGE;
	}
	if (reason && (strlen(reason) > 95 || strpbrk(reason, "\r\n"))) {
		err_set(err, ERR_INVAL, "--reason: one line of at most 95 bytes is right");
		return CTL_USAGE;
	}
	*ret_reason = reason ? reason : "";
	return 0;
}

static int list_add(struct ctl *ctl, enum kernel_list list, const struct ctl_args *args, struct err *err)
{
	_cleanup_(list_items_done) struct list_items l = {0};
	struct list_item item = {.reason = ""};
	int rc;

	rc = read_defaults(args, &item.ttl_ns, &item.reason, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < args->n_positional; i++) {
		const char *text = args->positional[i];

		if (policy_parse_cidr(text, strlen(text), &item.cidr, err) < 0)
			return CTL_USAGE;
		if (list_items_add(&l, &item) < 0)
			return err_set(err, ERR_NOMEM, "out of memory");
	}
	return add_items(ctl, list, &l, err);
}

/* ---- import */

static int report_errors(struct ctl *ctl, const char *path, const struct list_errors *errors, struct err *err)
{
	size_t shown = errors->n < LIST_ERRORS_MAX ? errors->n : LIST_ERRORS_MAX;

	(void)ctl;
	for (size_t i = 0; i < shown; i++)
		fprintf(stderr, "%s:%u: %s\n", path, errors->first[i].line, errors->first[i].msg);
	if (errors->n > shown)
		fprintf(stderr, "%s: and %zu more\n", path, errors->n - shown);
	return err_set(err, ERR_INVAL, "%s: %zu wrong %s, nothing was added", input_name(path), errors->n,
		       errors->n == 1 ? "line" : "lines");
}

static int list_import(struct ctl *ctl, enum kernel_list list, const struct ctl_args *args, struct err *err)
{
	_cleanup_(freep) struct list_errors *errors = calloc(1, sizeof(*errors));
	_cleanup_(list_items_done) struct list_items l = {0};
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	const char *path = args->positional[0], *reason;
	uint64_t ttl_ns = 0;
	int rc;

	rc = read_defaults(args, &ttl_ns, &reason, err);
	if (rc)
		return rc;
	rc = input_read(path, FILE_MAX, &text, err);
	if (rc < 0)
		return rc;
	if (!errors || listfile_parse(text.data, text.len, ttl_ns, reason, &l, errors) < 0)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (errors->n)
		return report_errors(ctl, path, errors, err);
	return add_items(ctl, list, &l, err);
}

/* ---- del */

static int del_one(struct ctl *ctl, enum kernel_list list, const struct policy_list_entry *e, struct kernel **k,
		   struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct kernel_cidr cidr = kernel_cidr_of(e);
	struct api_request request;
	char text[64];
	int rc;

	policy_format_cidr(e, text);
	if (!*k) {
		api_path(&request, "DELETE", "/admin/v1/lists/%s", list_name(list));
		api_query(&request, "cidr", text);
		rc = api_call(ctl, &request, &reply, err);
		if (rc == 0)
			return 0;
		rc = pinned_instead(ctl, rc, k, err);
		if (rc < 0)
			return rc;
	}
	rc = kernel_list_del(*k, list, &cidr, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, rc, "%s is not on the %s list", text, list_name(list));
	return rc;
}

static void view_removed(struct buf *out, json_t *json, int64_t now_ms)
{
	json_int_t n = json_integer_value(json_object_get(json, "removed"));

	(void)now_ms;
	buf_printf(out, "%" JSON_INTEGER_FORMAT " %s removed from the %s list\n", n, n == 1 ? "entry" : "entries",
		   json_string_value(json_object_get(json, "list")));
}

static int list_del(struct ctl *ctl, enum kernel_list list, const struct ctl_args *args, struct err *err)
{
	_cleanup_(pinned_closep) struct kernel *k = NULL;
	_cleanup_(json_decrefp) json_t *result = NULL;
	struct policy_list_entry e;

	for (size_t i = 0; i < args->n_positional; i++)
		if (policy_parse_cidr(args->positional[i], strlen(args->positional[i]), &e, err) < 0)
			return CTL_USAGE;
	for (size_t i = 0; i < args->n_positional; i++) {
		int rc = policy_parse_cidr(args->positional[i], strlen(args->positional[i]), &e, err);

		if (rc == 0)
			rc = del_one(ctl, list, &e, &k, err);
		if (rc < 0)
			return i ? err_prefix(err, "%zu removed; then", i) : rc;
	}
	result = json_pack("{s:s, s:I, s:b}", "list", list_name(list), "removed", (json_int_t)args->n_positional,
			   "kernel_only", k != NULL);
	return output(ctl, result, view_removed, err);
}

/* ---- list */

struct walk {
	json_t *entries;
	uint64_t limit, seen;
	uint64_t now_mono_ns;
	int64_t now_ms;
};

static int append_pinned(enum kernel_list list, const struct kernel_list_entry *e, void *arg)
{
	static const char *const sources[] = {"operator", "risk", "penalty", "policy"};
	struct policy_list_entry as_policy = {.v6 = e->cidr.v6, .prefix_len = e->cidr.prefix_len};
	struct walk *w = arg;
	int64_t expires_ms = 0;
	char cidr[64];

	(void)list;
	if (w->limit && w->seen == w->limit)
		return 1;
	w->seen++;
	if (e->expires_ns && e->expires_ns != TG_LIST_NEVER)
		expires_ms = w->now_ms + ((int64_t)e->expires_ns - (int64_t)w->now_mono_ns) / 1000000;
	memcpy(as_policy.addr, e->cidr.addr, sizeof(as_policy.addr));
	policy_format_cidr(&as_policy, cidr);
	return json_array_append_new(w->entries, json_pack("{s:s, s:s, s:s, s:I}", "cidr", cidr, "reason", "", "source",
							   !e->expires_ns && e->in_policy    ? sources[TG_LIST_POLICY]
							   : e->source < ARRAY_SIZE(sources) ? sources[e->source]
											     : "unknown",
							   "expires_ms", (json_int_t)expires_ms))
		       ? ERR_NOMEM
		       : 0;
}

static int list_pinned(struct kernel *k, enum kernel_list list, uint64_t limit, json_t **ret, struct err *err)
{
	struct walk w = {
		.entries = json_array(), .limit = limit, .now_mono_ns = clock_mono_ns(), .now_ms = clock_wall_ms()};
	int rc = kernel_list_each(k, list, append_pinned, &w, err);

	if (rc < 0) {
		json_decref(w.entries);
		return rc == ERR_NOMEM ? err_set(err, rc, "out of memory") : rc;
	}
	*ret = json_pack("{s:o, s:b}", "entries", w.entries, "kernel_only", 1);
	return 0;
}

static int get_page(struct ctl *ctl, enum kernel_list list, uint64_t limit, const char *after, struct api_reply *reply,
		    struct err *err)
{
	struct api_request request;
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, limit && limit < PAGE_ENTRIES ? limit : PAGE_ENTRIES);
	api_path(&request, "GET", "/admin/v1/lists/%s", list_name(list));
	api_query(&request, "limit", number);
	api_query(&request, "after", after && *after ? after : NULL);
	return api_call(ctl, &request, reply, err);
}

static const struct view_column list_columns[] = {
	{"cidr", "ENTRY", VIEW_TEXT},    {"expires_ms", "EXPIRES", VIEW_EXPIRES},
	{"source", "SOURCE", VIEW_TEXT}, {"reason", "REASON", VIEW_TEXT},
	{NULL, NULL, VIEW_TEXT},
};

struct listing {
	uint64_t limit; /* 0 = all */
	const char *after;
	uint64_t n;      /* entries so far */
	json_t *entries; /* with --json: all of them */
	json_t *next;    /* where the next page starts; NULL = the list is at its end */
	struct view_pages pages;
};

static void listing_done(struct listing *l)
{
	json_decref(l->entries);
	json_decref(l->next);
}

/* For people a page goes out as it comes: a list of a million entries needs no memory of its own. */
static int take_page(struct ctl *ctl, struct listing *l, json_t *page, struct err *err)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	json_t *entries = json_object_get(page, "entries"), *next = json_object_get(page, "next");
	size_t n = json_array_size(entries);

	l->n += n;
	json_decref(l->next);
	/* An empty page ends the list, whatever it says of a next one. */
	l->next = n && json_is_string(next) && *json_string_value(next) ? json_incref(next) : NULL;
	if (ctl->json)
		return json_array_extend(l->entries, entries) ? err_set(err, ERR_NOMEM, "out of memory") : 0;
	view_table_page(&out, entries, list_columns, &l->pages, clock_wall_ms());
	if (l->next && l->limit && l->n >= l->limit)
		buf_printf(&out, "(more: --after %s, or --limit 0 for all)\n", json_string_value(l->next));
	return output_text(&out, err);
}

static int list_pages(struct ctl *ctl, enum kernel_list list, struct listing *l, struct err *err)
{
	do {
		_cleanup_(api_reply_done) struct api_reply reply = {0};
		int rc = get_page(ctl, list, l->limit ? l->limit - l->n : 0,
				  l->next ? json_string_value(l->next) : l->after, &reply, err);

		if (rc == 0)
			rc = take_page(ctl, l, reply.json, err);
		if (rc < 0)
			return rc;
	} while (l->next && (!l->limit || l->n < l->limit));
	return 0;
}

static void view_list(struct buf *out, json_t *json, int64_t now_ms)
{
	view_table(out, json_object_get(json, "entries"), list_columns, now_ms);
}

static int list_instead(struct ctl *ctl, enum kernel_list list, const struct listing *l, int rc, struct err *err)
{
	_cleanup_(pinned_closep) struct kernel *k = NULL;
	_cleanup_(json_decrefp) json_t *result = NULL;

	rc = pinned_instead(ctl, rc, &k, err);
	if (rc < 0)
		return rc;
	if (l->after)
		return err_set(err, ERR_UNSUPPORTED,
			       "the kernel's lists have no order, so that --after needs tollgated");
	rc = list_pinned(k, list, l->limit, &result, err);
	if (rc < 0)
		return rc;
	if (l->limit && json_array_size(json_object_get(result, "entries")) == l->limit)
		output_note("there may be more than these %" PRIu64 " entries; --limit 0 shows all", l->limit);
	return output(ctl, result, view_list, err);
}

static int list_list(struct ctl *ctl, enum kernel_list list, const struct ctl_args *args, struct err *err)
{
	_cleanup_(listing_done) struct listing l = {.limit = LIST_DEFAULT, .entries = json_array()};
	_cleanup_(json_decrefp) json_t *result = NULL;
	int rc;

	l.after = ctl_option(args, "after");
	rc = ctl_option_number(args, "limit", &l.limit, err);
	if (rc)
		return rc;
	rc = list_pages(ctl, list, &l, err);
	if (rc < 0)
		return l.n ? rc : list_instead(ctl, list, &l, rc, err);
	if (!ctl->json)
		return 0;
	result = json_pack("{s:O, s:O?}", "entries", l.entries, "next", l.next);
	return output(ctl, result, NULL, err);
}

/* ---- rows of the table */

#define LIST_COMMAND(verb)                                                                                             \
	int ctl_run_block_##verb(struct ctl *ctl, const struct ctl_args *args, struct err *err)                        \
	{                                                                                                              \
		return list_##verb(ctl, KERNEL_LIST_BLOCK, args, err);                                                 \
	}                                                                                                              \
	int ctl_run_allow_##verb(struct ctl *ctl, const struct ctl_args *args, struct err *err)                        \
	{                                                                                                              \
		return list_##verb(ctl, KERNEL_LIST_ALLOW, args, err);                                                 \
	}
LIST_COMMAND(add)
LIST_COMMAND(del)
LIST_COMMAND(list)
LIST_COMMAND(import)
