/* explain. */
#include "ctl/api.h"
#include "ctl/input.h"
#include "ctl/output.h"

#include <arpa/inet.h>
#include <string.h>

static const char *string_at(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* One sentence. */
static void put_verdict(struct buf *out, json_t *verdict, const char *subject)
{
	const char *word = string_at(verdict, "verdict"), *reason = string_at(verdict, "reason");
	const char *where = strcmp(string_at(verdict, "layer"), "nic") == 0 ? "at the NIC" : "by the daemon";

	buf_printf(out, "%s now would ", subject);
	if (strcmp(word, "pass") == 0)
		buf_puts(out, "pass");
	else if (strcmp(word, "drop") == 0)
		buf_printf(out, "be dropped %s", where);
	else
		buf_printf(out, "be refused %s", where);
	if (*reason && strcmp(reason, "none") != 0)
		buf_printf(out, ": %s (%s)", string_at(verdict, "text"), reason);
	buf_putc(out, '\n');
}

/* Rows of one subject, each with its owner's name. */
static void add_dimensions(json_t *all, const char *owner, json_t *dimensions)
{
	json_t *row;
	size_t i;

	json_array_foreach(dimensions, i, row)
	{
		json_t *copy = json_copy(row);

		json_object_set_new(copy, "owner", json_string(owner));
		json_array_append_new(all, copy);
	}
}

static void put_flags(struct buf *out, const char *owner, json_t *flags)
{
	json_t *flag;
	size_t i;

	json_array_foreach(flags, i, flag) buf_printf(out, "the %s is %s\n", owner, json_string_value(flag));
}

static void put_counts(struct buf *out, json_t *nic, int64_t now_ms)
{
	static const struct view_column fields[] = {
		{"answered", "refused at the NIC", VIEW_NUMBER},
		{"shadowed", "would have been refused (shadow)", VIEW_NUMBER},
		{"passed", "handed to the daemon by the NIC", VIEW_NUMBER},
		{NULL, NULL, VIEW_TEXT},
	};

	if (!json_is_object(nic))
		return;
	buf_puts(out, "\nThis key since its slot was given to it:\n");
	view_fields(out, nic, fields, now_ms);
}

/* What would keep a request that is let in from being served. */
static void put_circuits(struct buf *out, json_t *json, int64_t now_ms)
{
	json_t *routes = json_object_get(json, "routes_open"), *unwell = json_object_get(json, "deployments_unwell");
	json_t *bulkhead = json_object_get(json, "tenant_bulkhead"), *row;
	json_int_t most = json_integer_value(json_object_get(bulkhead, "concurrent"));
	size_t i;

	if (most)
		buf_printf(out,
			   "at most %" JSON_INTEGER_FORMAT " calls of its tenant at once, %" JSON_INTEGER_FORMAT
			   " more wait\n",
			   most, json_integer_value(json_object_get(bulkhead, "queue")));
	json_array_foreach(unwell, i, row)
	{
		const char *state = string_at(row, "state");
		json_t *ms = json_object_get(row, "retry_ms"), *cooling = json_object_get(row, "cooling_ms");
		bool cools = json_integer_value(cooling) > json_integer_value(ms);

		buf_printf(out, "deployment %s ", string_at(row, "deployment"));
		if (strcmp(state, "closed") != 0)
			buf_printf(out, "has its circuit %s", strcmp(state, "open") == 0 ? "open" : "half-open");
		else if (cools)
			buf_puts(out, json_is_true(json_object_get(row, "quota_exhausted")) ? "has no quota left"
											    : "cools down");
		else
			buf_puts(out, "is full");
		if (json_is_null(ms)) {
			buf_puts(out, ", forced");
		} else if (json_integer_value(cools ? cooling : ms)) {
			buf_puts(out, " for another ");
			view_value(out, cools ? cooling : ms, VIEW_WAIT_MS, now_ms);
		}
		buf_putc(out, '\n');
	}
	json_array_foreach(routes, i, row)
	{
		buf_printf(out, "no deployment can serve %s: refused for another ", string_at(row, "route"));
		view_value(out, json_object_get(row, "retry_ms"), VIEW_WAIT_MS, now_ms);
		buf_putc(out, '\n');
	}
}

static void view_key(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct {
		const char *field, *owner;
	} owners[] = {{"gateway", "gateway"}, {"tenant_limits", "tenant"}, {"key_limits", "key"}};
	_cleanup_(json_decrefp) json_t *rows = json_array();

	if (*string_at(json, "id"))
		buf_printf(out, "key %s of tenant %s\n", string_at(json, "id"), string_at(json, "tenant"));
	else
		buf_puts(out, "tollgated has no such key\n");
	put_verdict(out, json_object_get(json, "verdict"), "a request with this key");
	if (json_is_false(json_object_get(json, "well_formed")))
		buf_puts(out, "its check part is wrong: a typing error, or not a Tollgate key\n");
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		json_t *subject = json_object_get(json, owners[i].field);

		put_flags(out, owners[i].owner, json_object_get(subject, "flags"));
		add_dimensions(rows, owners[i].owner, json_object_get(subject, "dimensions"));
	}
	if (json_is_false(json_object_get(json, "known_to_kernel")) && *string_at(json, "id"))
		buf_puts(out, "the kernel hasn't seen it yet: its next request goes to the daemon, which teaches it\n");
	put_circuits(out, json, now_ms);
	if (json_array_size(rows)) {
		buf_putc(out, '\n');
		view_limits_table(out, rows, true, now_ms);
	}
	put_counts(out, json_object_get(json_object_get(json, "key_limits"), "nic"), now_ms);
}

static void put_match(struct buf *out, const char *list, json_t *match)
{
	const char *reason = string_at(match, "reason");

	if (!json_is_object(match))
		return;
	buf_printf(out, "on the %s list by %s%s%s%s\n", list, string_at(match, "cidr"),
		   json_is_true(json_object_get(match, "in_policy")) ? " (of the policy)" : "", *reason ? ": " : "",
		   reason);
}

static void view_address(struct buf *out, json_t *json, int64_t now_ms)
{
	json_t *network = json_object_get(json, "network");

	buf_printf(out, "address %s\n", string_at(json, "address"));
	put_verdict(out, json_object_get(json, "verdict"), "a packet from it");
	put_match(out, "allow", json_object_get(json, "allow"));
	put_match(out, "block", json_object_get(json, "block"));
	if (json_array_size(network)) {
		buf_putc(out, '\n');
		view_limits_table(out, network, false, now_ms);
	}
}

static void view_explain(struct buf *out, json_t *json, int64_t now_ms)
{
	const char *kind = string_at(json, "kind");

	if (strcmp(kind, "key") == 0)
		view_key(out, json, now_ms);
	else if (strcmp(kind, "address") == 0)
		view_address(out, json, now_ms);
	else
		view_any(out, json, 0, now_ms);
}

/* ---- */

static bool is_address(const char *text)
{
	unsigned char binary[16];

	return inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1;
}

int ctl_run_explain(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	_cleanup_(buf_done) struct buf typed = BUF_INIT;
	const char *what = args->positional[0];
	struct api_request request;
	int rc;

	if (strcmp(what, "-") == 0) {
		rc = input_read("-", 4096, &typed, err);
		if (rc < 0)
			return rc;
		typed.data[strcspn(typed.data, " \t\r\n")] = '\0';
		what = typed.data;
	}
	if (!*what) {
		err_set(err, ERR_INVAL, "explain needs a key or an address");
		return CTL_USAGE;
	}
	api_path(&request, "GET", "/admin/v1/explain", NULL);
	api_query(&request, is_address(what) ? "address" : "key", what);
	rc = api_call(ctl, &request, &reply, err);
	return rc < 0 ? rc : output(ctl, reply.json, view_explain, err);
}
