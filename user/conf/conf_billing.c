#include "conf/conf_billing.h"

#include <string.h>

#define AT(member) .offset = offsetof(struct conf, billing.member)
#define MS(s) ((s)*1000u)
#define DAY_S 86400u

static const struct schema_field billing_fields[] = {
	{.name = "enabled",
	 .type = SCHEMA_BOOL,
	 AT(enabled),
	 .def = "true",
	 .help = "Price, hold and charge calls. Off: a plain proxy without books."},
	{.name = "path",
	 .type = SCHEMA_PATH,
	 AT(path),
	 .max = 4000,
	 .def_text = "books.db in state_dir",
	 .help = "SQLite file of accounts, transfers and usage. Not the file of `store`."},
	{.name = "currency",
	 .type = SCHEMA_CURRENCY,
	 AT(currency),
	 .def = "USD",
	 .help = "Of all accounts; fixed by the first start. `prices.currency` of a policy must be the same."},
	{.name = "gather_window",
	 .type = SCHEMA_DURATION_US,
	 AT(gather_us),
	 .max = 100000,
	 .def = "1ms",
	 .help = "How long charges are gathered before one commit for all; the last bytes of their answers wait so "
		 "long."},
	{.name = "holds_max",
	 .type = SCHEMA_UINT,
	 AT(holds_max),
	 .min = 1,
	 .max = 1u << 20,
	 .def = "65536",
	 .help = "Calls under way at a time; one more is 503."},
	{.name = "holds_sync",
	 .type = SCHEMA_DURATION_MS,
	 AT(holds_sync_ms),
	 .max = MS(60),
	 .def = "1s",
	 .help = "How often open holds go to disk, for a power failure (a crash loses none); 0s = when the system "
		 "does."},
	{.name = "hold_bytes_per_token",
	 .type = SCHEMA_UINT,
	 AT(hold_bytes_per_token),
	 .min = 1,
	 .max = 16,
	 .def = "1",
	 .help = "A prompt is held as if each token had so many bytes: 1 is the worst case, English has about 4. Above "
		 "1 a prompt may cost more than its hold; that is posted as overage."},
	{.name = "drain_timeout",
	 .type = SCHEMA_DURATION_MS,
	 AT(drain_timeout_ms),
	 .max = MS(3600),
	 .def = "30s",
	 .help = "After a client hung up, the provider's answer is read on for its usage so long; then it is "
		 "estimated."},
	{.name = "drain_bytes",
	 .type = SCHEMA_SIZE,
	 AT(drain_bytes_max),
	 .max = 1u << 30,
	 .def = "4MiB",
	 .help = "And at most so much of it."},
	{.name = "commit_timeout",
	 .type = SCHEMA_DURATION_MS,
	 AT(commit_timeout_ms),
	 .min = 100,
	 .max = MS(3600),
	 .def = "30s",
	 .help = "How long an answer's last bytes wait for the commit of its charge; then the client is cut off."},
	{.name = "idempotency_ttl",
	 .type = SCHEMA_DURATION_S,
	 AT(idempotency_ttl_s),
	 .min = 1,
	 .max = 30 * DAY_S,
	 .def = "24h",
	 .help = "How long the answer to an Idempotency-Key is kept."},
	{.name = "idempotency_bytes",
	 .type = SCHEMA_SIZE,
	 AT(idempotency_bytes_max),
	 .min = 1024,
	 .max = 64u << 20,
	 .def = "1MiB",
	 .help = "Of an answer that is kept."},
	{.name = "reconcile_interval",
	 .type = SCHEMA_DURATION_S,
	 AT(reconcile_interval_s),
	 .max = 7 * DAY_S,
	 .def = "1h",
	 .help = "How often the books are checked against themselves; 0s = only by `tollctl bill reconcile`."},
};

const struct schema conf_billing_schema = {.fields = billing_fields, .n_fields = ARRAY_SIZE(billing_fields)};

void conf_billing_check(struct reader *rd, const struct conf *c, const struct node *root)
{
	const struct node *billing = node_get(root, "billing"), *store = node_get(root, "store");
	const struct node *at = node_get(billing, "path");
	const char *field = "billing.path";

	if (!c->billing.path || !c->store_path || strcmp(c->billing.path, c->store_path) != 0)
		return;
	if (!at) {
		at = node_get(store, "path");
		field = "store.path";
	}
	reader_error(rd, at, field, "%.200s is the file of both store and billing; give the books a file of their own",
		     c->store_path);
}
