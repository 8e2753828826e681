/* What changes from one policy to another, in lines for people. */
#include "conf/policy_diff.h"

#include "base/num.h"
#include "conf/policy_faults.h"
#include "conf/policy_lists.h"
#include "conf/policy_prices.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const route_names[] = {
#define X(sym, name) name,
	TG_ROUTES(X)
#undef X
};
static const char *const scope_names[] = {"none", "gateway", "tenant", "key"};

static const char *on_off(bool b)
{
	return b ? "on" : "off";
}

static void diff_text(struct buf *out, const char *path, const char *field, const char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		buf_printf(out, "%s%s: %s -> %s\n", path, field, a, b);
}

static void diff_bool(struct buf *out, const char *path, const char *field, bool a, bool b)
{
	diff_text(out, path, field, on_off(a), on_off(b));
}

void diff_format(enum schema_type type, uint64_t value, char buf[64])
{
	const struct schema_field f = {.type = type};

	schema_format(&f, value, buf);
}

void diff_values(struct buf *out, const char *path, const struct diff_value *v, size_t n)
{
	char from[64], to[64];

	for (size_t i = 0; i < n; i++) {
		if (v[i].from == v[i].to)
			continue;
		diff_format(v[i].type, v[i].from, from);
		diff_format(v[i].type, v[i].to, to);
		buf_printf(out, "%s%s: %s -> %s\n", path, v[i].name, from, to);
	}
}

static void format_units(uint64_t units, char buf[32])
{
	if (units)
		snprintf(buf, 32, "%" PRIu64, units);
	else
		snprintf(buf, 32, "unlimited");
}

static void diff_rate(struct buf *out, const char *path, const char *unit, const struct policy_rate *a,
		      const struct policy_rate *b)
{
	char from[32], to[32], field[32];

	format_units(a->units, from);
	format_units(b->units, to);
	snprintf(field, sizeof(field), ".%s", unit);
	diff_text(out, path, field, from, to);
	/* Without a number the others mean nothing. */
	if (!b->units)
		return;
	num_format_duration(a->period_ns, from);
	num_format_duration(b->period_ns, to);
	diff_text(out, path, ".period", a->units ? from : "none", to);
	snprintf(from, sizeof(from), "%" PRIu64, a->burst);
	snprintf(to, sizeof(to), "%" PRIu64, b->burst);
	diff_text(out, path, ".burst", a->units ? from : "none", to);
	diff_bool(out, path, ".shadow", a->units && a->shadow, b->shadow);
}

static void diff_routes(struct buf *out, const struct policy *a, const struct policy *b)
{
	for (size_t i = 0; i < TG_ROUTE_COUNT; i++) {
		char path[80];

		snprintf(path, sizeof(path), "limits.routes.%s", route_names[i]);
		diff_rate(out, path, "requests", &a->routes[i].requests, &b->routes[i].requests);
		diff_text(out, path, ".scope", scope_names[a->routes[i].scope], scope_names[b->routes[i].scope]);
	}
}

/* An override's rate: what isn't set is inherited, and changes where it is inherited from. */
static void diff_override_rate(struct buf *out, const char *path, const char *unit, const struct policy_rate *a,
			       const struct policy_rate *b)
{
	char units[32];

	if (a->set && b->set) {
		diff_rate(out, path, unit, a, b);
	} else if (a->set || b->set) {
		format_units(a->set ? a->units : b->units, units);
		if (a->set)
			buf_printf(out, "%s.%s: %s -> inherited\n", path, unit, units);
		else
			buf_printf(out, "%s.%s: inherited -> %s\n", path, unit, units);
		if (b->set && b->units) {
			num_format_duration(b->period_ns, units);
			buf_printf(out, "%s: per %s, burst %" PRIu64 ", shadow %s\n", path, units, b->burst,
				   on_off(b->shadow));
		}
	}
}

static void diff_override(struct buf *out, const char *kind, const char *subject, const struct policy_limits *a,
			  const struct policy_limits *b)
{
	char path[200];

	snprintf(path, sizeof(path), "overrides.%s.%s", kind, subject);
	diff_override_rate(out, path, "requests", &a->requests, &b->requests);
	snprintf(path, sizeof(path), "overrides.%s.%s.tokens", kind, subject);
	diff_override_rate(out, path, "tokens", &a->tokens, &b->tokens);
	for (size_t i = 0; i < TG_ROUTE_COUNT; i++) {
		snprintf(path, sizeof(path), "overrides.%s.%s.routes.%s", kind, subject, route_names[i]);
		diff_override_rate(out, path, "requests", &a->routes[i], &b->routes[i]);
	}
}

struct tally {
	size_t added, removed, changed, shown;
};

/* Both are sorted by subject. */
static void diff_overrides(struct buf *out, const char *kind, const struct policy_override *a, size_t n_a,
			   const struct policy_override *b, size_t n_b)
{
	static const struct policy_limits nothing;
	struct tally t = {0};
	size_t i = 0, j = 0, hidden;

	while (i < n_a || j < n_b) {
		int c = i == n_a ? 1 : j == n_b ? -1 : strcmp(a[i].subject, b[j].subject);
		size_t before = out->len;

		diff_override(out, kind, c <= 0 ? a[i].subject : b[j].subject, c <= 0 ? &a[i].limits : &nothing,
			      c >= 0 ? &b[j].limits : &nothing);
		if (out->len > before) {
			*(c < 0 ? &t.removed : c > 0 ? &t.added : &t.changed) += 1;
			if (++t.shown > DIFF_SHOWN_MAX)
				out->len = before;
		}
		i += c <= 0;
		j += c >= 0;
	}
	hidden = t.shown > DIFF_SHOWN_MAX ? t.shown - DIFF_SHOWN_MAX : 0;
	if (out->data)
		out->data[out->len] = '\0';
	if (hidden)
		buf_printf(out, "overrides.%s: %zu added, %zu removed, %zu changed in all (%zu not shown)\n", kind,
			   t.added, t.removed, t.changed, hidden);
}

static bool same_reason(const struct policy_list_entry *a, const struct policy_list_entry *b)
{
	return !strcmp(a->reason ? a->reason : "", b->reason ? b->reason : "");
}

static void show_entry(struct buf *out, const char *list, char sign, const struct policy_list_entry *e)
{
	char text[64];

	policy_format_cidr(e, text);
	buf_printf(out, "lists.%s: %c %s%s%s\n", list, sign, text, e->reason ? " " : "", e->reason ? e->reason : "");
}

/* Both are sorted (PL1): a merge. */
static void diff_list(struct buf *out, const char *list, const struct policy_list_entry *a, size_t n_a,
		      const struct policy_list_entry *b, size_t n_b)
{
	struct tally t = {0};
	size_t i = 0, j = 0;

	while (i < n_a || j < n_b) {
		int c = i == n_a ? 1 : j == n_b ? -1 : policy_entry_compare(&a[i], &b[j]);

		if (c != 0 || !same_reason(&a[i], &b[j])) {
			*(c < 0 ? &t.removed : c > 0 ? &t.added : &t.changed) += 1;
			if (t.shown++ < DIFF_SHOWN_MAX)
				show_entry(out, list, c < 0 ? '-' : c > 0 ? '+' : '~', c < 0 ? &a[i] : &b[j]);
		}
		i += c <= 0;
		j += c >= 0;
	}
	if (t.shown)
		buf_printf(out, "lists.%s: %zu -> %zu entries: %zu added, %zu removed, %zu with another reason%s\n",
			   list, n_a, n_b, t.added, t.removed, t.changed,
			   t.shown > DIFF_SHOWN_MAX ? " (not all shown)" : "");
}

static void diff_network(struct buf *out, const struct policy *a, const struct policy *b)
{
	static const char *const dims[] = {"packets", "bytes", "connections"};
	static const char *const scopes[] = {"source", "aggregate", "all"};

	diff_text(out, "network", ".scope", a->network.scope_all ? "all" : "ports",
		  b->network.scope_all ? "all" : "ports");
	diff_text(out, "network", ".map_full", a->network.map_full_closed ? "closed" : "open",
		  b->network.map_full_closed ? "closed" : "open");
	for (size_t d = 0; d < TG_NET_DIM_COUNT; d++)
		for (size_t s = 0; s < TG_NET_SCOPE_COUNT; s++) {
			char path[64];

			snprintf(path, sizeof(path), "network.%s.%s", dims[d], scopes[s]);
			diff_rate(out, path, dims[d], &a->network.rate[s][d], &b->network.rate[s][d]);
		}
}

int policy_diff(const struct policy *a, const struct policy *b, struct buf *out)
{
	char from[32], to[32];

	diff_bool(out, "", "shadow", a->shadow, b->shadow);
	diff_rate(out, "limits.global", "requests", &a->global.requests, &b->global.requests);
	diff_rate(out, "limits.tenant", "requests", &a->tenant.requests, &b->tenant.requests);
	diff_rate(out, "limits.key", "requests", &a->key.requests, &b->key.requests);
	diff_rate(out, "limits.key.tokens", "tokens", &a->key.tokens, &b->key.tokens);
	diff_routes(out, a, b);
	diff_overrides(out, "tenants", a->tenants, a->n_tenants, b->tenants, b->n_tenants);
	diff_overrides(out, "keys", a->keys, a->n_keys, b->keys, b->n_keys);
	diff_network(out, a, b);
	diff_bool(out, "nic", ".answer", a->nic.answer, b->nic.answer);
	diff_bool(out, "nic", ".answer_established", a->nic.answer_established, b->nic.answer_established);
	snprintf(from, sizeof(from), "%u", a->nic.events_per_second);
	snprintf(to, sizeof(to), "%u", b->nic.events_per_second);
	diff_text(out, "nic", ".events_per_second", from, to);
	policy_diff_faults(out, &a->faults, &b->faults);
	policy_diff_prices(out, &a->prices, &b->prices);
	diff_list(out, "allow", a->allow, a->n_allow, b->allow, b->n_allow);
	diff_list(out, "block", a->block, a->n_block, b->block, b->n_block);
	return out->failed ? ERR_NOMEM : 0;
}
