/* The configuration reference, from the schema tables. */
#include "conf/conf.h"
#include "conf/schema.h"

#include <string.h>

static const char *const type_names[] = {
#define X(sym, name) name,
	SCHEMA_TYPES(X)
#undef X
};

static void put_choices(struct buf *out, const struct schema_choice *c)
{
	for (size_t i = 0; c[i].name; i++)
		buf_printf(out, "%s`%s`", i ? ", " : "", c[i].name);
}

static void put_range(struct buf *out, const struct schema_field *f)
{
	char lo[64], hi[64];

	switch (f->type) {
	case SCHEMA_UINT:
	case SCHEMA_COUNT:
	case SCHEMA_SIZE:
	case SCHEMA_SIZE64:
	case SCHEMA_DURATION_S:
	case SCHEMA_DURATION_MS:
	case SCHEMA_DURATION_US:
	case SCHEMA_DURATION_NS:
	case SCHEMA_E4:
	case SCHEMA_MONEY:
	case SCHEMA_TIME:
	case SCHEMA_MODE:
		schema_format(f, f->min, lo);
		schema_format(f, f->max, hi);
		buf_printf(out, "%s to %s", lo, hi);
		if (f->choices) {
			buf_puts(out, ", ");
			put_choices(out, f->choices);
		}
		break;
	case SCHEMA_BOOL:
		buf_puts(out, "`true`, `false`");
		break;
	case SCHEMA_CURRENCY:
		buf_puts(out, "three capital letters");
		break;
	case SCHEMA_CHOICE:
	case SCHEMA_FLAG:
	case SCHEMA_WORD:
	case SCHEMA_TABLE:
		put_choices(out, f->choices);
		break;
	case SCHEMA_LIST:
	case SCHEMA_DICT:
		buf_printf(out, "at most %llu", (unsigned long long)f->max);
		break;
	case SCHEMA_STRING:
	case SCHEMA_NAME:
	case SCHEMA_PATH:
	case SCHEMA_URL:
		buf_printf(out, "at most %llu bytes", (unsigned long long)f->max);
		break;
	default:
		break;
	}
}

static void put_unit(struct buf *out, const struct schema_field *f)
{
	switch (f->type) {
	case SCHEMA_SIZE:
	case SCHEMA_SIZE64:
		buf_puts(out, "bytes, KiB, MiB, GiB, kB, MB, GB");
		break;
	case SCHEMA_DURATION_S:
		buf_puts(out, "s, m, h, d");
		break;
	case SCHEMA_DURATION_US:
		buf_puts(out, "us, ms, s, m, h, d");
		break;
	case SCHEMA_E4:
		buf_puts(out, "4 decimals");
		break;
	case SCHEMA_MONEY:
		buf_puts(out, "9 decimals");
		break;
	case SCHEMA_TIME:
		buf_puts(out, "UTC");
		break;
	case SCHEMA_DURATION_MS:
		buf_puts(out, "ms, s, m, h, d");
		break;
	case SCHEMA_DURATION_NS:
		buf_puts(out, "ns, us, ms, s, m, h, d");
		break;
	case SCHEMA_MODE:
		buf_puts(out, "octal");
		break;
	default:
		break;
	}
}

static void put_default(struct buf *out, const struct schema_field *f)
{
	if (f->required)
		buf_puts(out, "**required**");
	else if (f->def && f->def_text)
		buf_puts(out, f->def_text);
	else if (f->def)
		buf_printf(out, "`%s`", f->def);
	else if (f->def_text)
		buf_puts(out, f->def_text);
}

static void put_row(struct buf *out, const char *path, const struct schema_field *f)
{
	buf_printf(out, "| `%s` | %s | ", path, type_names[f->type]);
	put_unit(out, f);
	buf_puts(out, " | ");
	put_range(out, f);
	buf_puts(out, " | ");
	put_default(out, f);
	buf_printf(out, " | %s |\n", f->help);
}

static void put_schema(struct buf *out, const struct schema *s, const char *prefix)
{
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct schema_field *f = &s->fields[i];
		_cleanup_(buf_done) struct buf path = BUF_INIT;

		buf_printf(&path, "%s%s%s", prefix, *prefix ? "." : "", f->name);
		if (path.failed) {
			out->failed = true;
			return;
		}
		put_row(out, path.data, f);
		if (!f->sub)
			continue;
		if (f->type == SCHEMA_LIST || f->type == SCHEMA_CUSTOM)
			buf_puts(&path, "[]");
		else if (f->type == SCHEMA_DICT || f->type == SCHEMA_TABLE)
			buf_printf(&path, ".%s", f->sub->name_text);
		if (path.failed)
			out->failed = true;
		else
			put_schema(out, f->sub, path.data);
	}
}

static const char head[] =
	"# Configuration reference\n"
	"\n"
	"Generated from the schema tables in `user/conf/` (`tollgated --reference`); change it there.\n"
	"\n"
	"Both files are YAML: one document in UTF-8, without anchors, aliases, merge keys and tags. A key that is "
	"unknown or "
	"given twice is an error. All errors of a file are reported at once as `file:line:column: path: what is wrong, "
	"what "
	"would be right`, and nothing of a file with an error is used.\n"
	"\n"
	"Durations are a whole number with one unit (`500ms`, `60s`, `24h`); sizes are bytes, or a whole number with "
	"one unit "
	"(`64KiB`). Bools may also be written `on`, `off`, `yes`, `no`. Decimals and amounts are exact: digits with a "
	"point, neither "
	"rounded nor with an exponent. Times are UTC: `2026-01-01T00:00:00Z`, or `2026-01-01` for its first moment.\n"
	"\n"
	"## Configuration file\n"
	"\n"
	"`tollgated --config FILE`; `tollgated --check FILE` validates and exits. At most 4 MiB. Relative paths are "
	"relative to "
	"the file's folder. `deploy/tollgated.yaml` is an example.\n"
	"\n"
	"A secret is `env:NAME` (an environment variable in capitals) or `file:PATH` (its text, a line end cut off). A "
	"file that "
	"isn't there, or a variable that isn't set, is an error. The secret itself appears in no message.\n";

static const char policy_head[] =
	"\n"
	"## Policy file\n"
	"\n"
	"`tollctl policy check|diff|apply FILE`. At most 64 MiB. `deploy/policy.yaml` is an example.\n"
	"\n"
	"- **Rates.** `requests` per `period`, and after a pause `burst` of them at once (GCRA). `burst` is `requests` "
	"when "
	"only `requests` is given. `unlimited` takes a limit away. burst x period / requests may be at most 2^47 ns "
	"(39 h).\n"
	"- **Defaults.** A limit that the file leaves out has the default below: `version: 1` alone is the built-in "
	"policy. "
	"`limits.routes`, when given, replaces the default route limit as a whole.\n"
	"- **Overrides** inherit each field they leave out. One exception: an override with `requests` and without "
	"`burst` "
	"has burst = requests where the limit it overrides has so, and else keeps the inherited burst, but at most its "
	"own "
	"`requests`. An override of a route has to be of the kind (tenant, key) that the route's `scope` names.\n"
	"- **Lists.** An entry is a text (`10.0.0.0/8`) or `{cidr, reason}`. Bits below the prefix, an entry given "
	"twice, and an "
	"entry on both lists are errors. Where prefixes overlap, the longest one that matches a source counts within a "
	"list, "
	"and the allow list before the block list.\n"
	"- **Failures.** What `breakers`, `bulkheads` and `retries` leave out has the default below; a tenant of "
	"`bulkheads.tenants` "
	"inherits from `bulkheads.tenant`. A call has to find a place in its tenant's bulkhead and in its "
	"deployment's.\n"
	"- **Prices.** `prices.tiers` and `prices.models`, when given, replace the defaults as a whole. In a pattern "
	"`*` stands for any run of "
	"characters, and `|` separates alternatives; case counts. In `prices.models` the first entry that matches "
	"counts, in `prices.costs` too, and of "
	"entries with the same two patterns the one that took effect last. An entry that another one before it leaves "
	"nothing to is an "
	"error. How a price is made of all this: `docs/pricing.md`.\n";

static const char table_head[] =
	"\n| path | type | unit | range | default | meaning |\n| --- | --- | --- | --- | --- | --- |\n";

int conf_reference(struct buf *out)
{
	buf_puts(out, head);
	buf_puts(out, table_head);
	put_schema(out, &conf_schema, "");
	buf_puts(out, policy_head);
	buf_puts(out, table_head);
	put_schema(out, &policy_schema, "");
	return out->failed ? ERR_NOMEM : 0;
}
