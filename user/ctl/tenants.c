/* tenant and key. */
#include "ctl/call.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- tenants */

static const struct view_column tenant_columns[] = {
	{"id", "TENANT", VIEW_TEXT},     {"name", "NAME", VIEW_TEXT},       {"tier", "TIER", VIEW_TEXT},
	{"status", "STATUS", VIEW_TEXT}, {"subject", "SUBJECT", VIEW_TEXT}, {"created_ms", "CREATED (UTC)", VIEW_WHEN},
	{NULL, NULL, VIEW_TEXT},
};

static void view_tenants(struct buf *out, json_t *json, int64_t now_ms)
{
	json_t *rows = json_object_get(json, "tenants");

	if (!json_array_size(rows))
		buf_puts(out, "no tenants yet: tollctl tenant create ID\n");
	else
		view_table(out, rows, tenant_columns, now_ms);
}

static void view_tenant(struct buf *out, json_t *json, int64_t now_ms)
{
	view_fields(out, json, tenant_columns, now_ms);
}

int ctl_run_tenant_create(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *id = args->positional[0], *name = ctl_option(args, "name"), *tier = ctl_option(args, "tier");

	return call_json(ctl, "POST", "/admin/v1/tenants", NULL,
			 json_pack("{s:s, s:s, s:s*}", "id", id, "name", name ? name : id, "tier", tier), view_tenant,
			 err);
}

int ctl_run_tenant_tier(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_json(ctl, "POST", "/admin/v1/tenants/%s/tier", args->positional[0],
			 json_pack("{s:s}", "tier", args->positional[1]), view_tenant, err);
}

int ctl_run_tenant_list(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	(void)args;
	return call_simple(ctl, "GET", "/admin/v1/tenants", NULL, view_tenants, err);
}

int ctl_run_tenant_enable(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_simple(ctl, "POST", "/admin/v1/tenants/%s/enable", args->positional[0], call_view_done, err);
}

int ctl_run_tenant_disable(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_simple(ctl, "POST", "/admin/v1/tenants/%s/disable", args->positional[0], call_view_done, err);
}

/* ---- keys */

static const struct view_column key_columns[] = {
	{"id", "KEY", VIEW_TEXT},
	{"tenant", "TENANT", VIEW_TEXT},
	{"name", "NAME", VIEW_TEXT},
	{"hint", "HINT", VIEW_TEXT},
	{"status", "STATUS", VIEW_TEXT},
	{"subject", "SUBJECT", VIEW_TEXT},
	{"created_ms", "CREATED (UTC)", VIEW_WHEN},
	{"expires_ms", "EXPIRES", VIEW_EXPIRES},
	{NULL, NULL, VIEW_TEXT},
};

static void view_keys(struct buf *out, json_t *json, int64_t now_ms)
{
	json_t *rows = json_object_get(json, "keys");

	if (!json_array_size(rows))
		buf_puts(out, "no keys: tollctl key create TENANT\n");
	else
		view_table(out, rows, key_columns, now_ms);
}

static void view_new_key(struct buf *out, json_t *json, int64_t now_ms)
{
	view_fields(out, json, key_columns, now_ms);
	buf_printf(out, "\n%s\n\nThis is the only time the key is shown; only a hash of it is stored.\n",
		   json_string_value(json_object_get(json, "key")));
}

int ctl_run_key_create(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *name = ctl_option(args, "name");
	uint64_t expires_ns = 0;
	json_t *body;
	int rc;

	rc = ctl_option_duration(args, "expires", &expires_ns, err);
	if (rc)
		return rc;
	body = json_pack("{s:s, s:s}", "tenant", args->positional[0], "name", name ? name : "default");
	if (body && ctl_option(args, "expires"))
		json_object_set_new(body, "expires_ms",
				    json_integer(clock_wall_ms() + (json_int_t)(expires_ns / 1000000u)));
	return call_json(ctl, "POST", "/admin/v1/keys", NULL, body, view_new_key, err);
}

int ctl_run_key_list(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	struct api_request request;

	api_path(&request, "GET", "/admin/v1/keys", NULL);
	api_query(&request, "tenant", ctl_option(args, "tenant"));
	return call_request(ctl, &request, view_keys, err);
}

int ctl_run_key_enable(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_simple(ctl, "POST", "/admin/v1/keys/%s/enable", args->positional[0], call_view_done, err);
}

int ctl_run_key_disable(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_simple(ctl, "POST", "/admin/v1/keys/%s/disable", args->positional[0], call_view_done, err);
}

int ctl_run_key_delete(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_simple(ctl, "DELETE", "/admin/v1/keys/%s", args->positional[0], call_view_done, err);
}
