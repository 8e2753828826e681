/* The commands. Order is the order of the help and the man page. */
#include "ctl/command.h"

/* name, value, help */
#define OPT(n, v, h)                                                                                                   \
	{                                                                                                              \
		.name = n, .value = v, .help = h                                                                       \
	}
#define OPT_OF(n, v, h, c)                                                                                             \
	{                                                                                                              \
		.name = n, .value = v, .help = h, .complete = c                                                        \
	}
#define OPT_TTL OPT("ttl", "DURATION", "how long the entries hold, such as 1h; without it until removed")
#define OPT_REASON OPT("reason", "TEXT", "why, for people; shown in lists")
#define OPT_LIMIT OPT("limit", "N", "show at most N entries (default 1000, 0 = all)")
#define OPT_AFTER OPT("after", "CIDR", "start after this entry, as the hint below a cut list says")
#define ARG_CIDRS                                                                                                      \
	{                                                                                                              \
		.name = "CIDR", .help = "address or prefix, such as 192.0.2.7 or 2001:db8::/32", .repeated = true      \
	}
#define ARG_LIST_FILE                                                                                                  \
	{                                                                                                              \
		.name = "FILE",                                                                                        \
		.help = "one 'CIDR [TTL|- [REASON]]' a line, # starts a comment; - reads standard input",              \
		.complete = CTL_COMPLETE_FILE                                                                          \
	}
#define ARG_POLICY_FILE                                                                                                \
	{                                                                                                              \
		.name = "FILE", .help = "policy in YAML; - reads standard input", .complete = CTL_COMPLETE_FILE        \
	}
#define ARG_TENANT                                                                                                     \
	{                                                                                                              \
		.name = "TENANT", .help = "tenant's id", .complete = CTL_COMPLETE_TENANT                               \
	}
#define ARG_DEPLOYMENT                                                                                                 \
	{                                                                                                              \
		.name = "DEPLOYMENT", .help = "PROVIDER/MODEL, as `tollctl breaker list` names it",                    \
		.complete = CTL_COMPLETE_DEPLOYMENT                                                                    \
	}
#define OPT_PAGE                                                                                                       \
	OPT("limit", "N", "at most N rows (default 100, at most 1000)"), OPT("before", "ID", "older than this one")
#define OPT_PERIOD OPT("period", "PERIOD", "a month (2026-11) or a day (2026-11-24), UTC; required")
#define OPT_REF OPT("ref", "TEXT", "your own number for it; the same again posts nothing")
#define OPT_NOTE OPT("note", "TEXT", "why, for people; stays with the transfer")
#define ARG_REQUEST                                                                                                    \
	{                                                                                                              \
		.name = "REQUEST", .help = "the call's x-request-id (req_...)"                                         \
	}
#define ARG_AMOUNT                                                                                                     \
	{                                                                                                              \
		.name = "AMOUNT", .help = "such as 100 or 12.50, at most nine decimals"                                \
	}
#define ARG_KEY                                                                                                        \
	{                                                                                                              \
		.name = "KEY-ID", .help = "key's id (key_...), not its text", .complete = CTL_COMPLETE_KEY             \
	}

const struct ctl_option ctl_globals[] = {
	OPT_OF("socket", "PATH", "control socket (default /run/tollgate/control.sock, or $TOLLGATE_SOCKET)",
	       CTL_COMPLETE_FILE),
	OPT_OF("pin-dir", "PATH", "where the kernel program's maps are pinned (default /sys/fs/bpf/tollgate)",
	       CTL_COMPLETE_FILE),
	OPT("timeout", "DURATION", "give up on the daemon's answer after this (default 60s)"),
	OPT("json", NULL, "print JSON instead of tables"),
	OPT("help", NULL, "explain the command (also -h)"),
	OPT("version", NULL, "print the version"),
	{.name = NULL},
};

const struct ctl_command ctl_commands[] = {
	{.words = "status",
	 .summary = "what runs, where, and under which policy",
	 .details = "Without the daemon it shows what is pinned in the kernel, and exits 1.",
	 .run = ctl_run_status},
	{.words = "health", .summary = "exit 0 when the daemon is alive and ready to serve", .run = ctl_run_health},
	{.words = "stats",
	 .options = {OPT("watch", NULL, "repeat, with rates since the sample before"),
		     OPT("interval", "DURATION", "time between samples (default 1s)"),
		     OPT("count", "N", "end after N samples (default: until interrupted)")},
	 .summary = "verdicts by layer and reason, fill of the kernel's maps",
	 .details = "Without the daemon it shows the kernel's side from the pinned maps.",
	 .example = "stats --watch --interval 2s",
	 .run = ctl_run_stats},
	{.words = "explain",
	 .arguments = {{.name = "KEY|ADDRESS",
			.help = "API key (its id, or its text; - reads it from standard input), or a source address"}},
	 .summary = "what would happen to a request now, dimension by dimension",
	 .details = "A key's text on the command line is visible to other users of this machine while the command "
		    "runs; the id, or - and standard input, is not.",
	 .example = "explain key_7mzcz4bdbsnr4jmf",
	 .run = ctl_run_explain},
	{.words = "limits show",
	 .options = {OPT_OF("tenant", "TENANT", "of this tenant", CTL_COMPLETE_TENANT),
		     OPT_OF("key", "KEY-ID", "of this key", CTL_COMPLETE_KEY)},
	 .summary = "limits and what is left of them (default: the gateway's)",
	 .example = "limits show --tenant acme",
	 .run = ctl_run_limits_show},

	{.words = "tenant create",
	 .arguments = {{.name = "ID", .help = "1 to 63 of a-z, 0-9, _ and -, first a letter or digit"}},
	 .options = {OPT("name", "TEXT", "name for people (default: the id)"),
		     OPT("tier", "TIER", "price tier of the policy (default free)")},
	 .summary = "make a tenant",
	 .example = "tenant create acme --name 'Acme Ltd' --tier growth",
	 .run = ctl_run_tenant_create},
	{.words = "tenant list", .summary = "list the tenants", .run = ctl_run_tenant_list},
	{.words = "tenant enable",
	 .arguments = {ARG_TENANT},
	 .summary = "let a disabled tenant's requests in again",
	 .run = ctl_run_tenant_enable},
	{.words = "tenant disable",
	 .arguments = {ARG_TENANT},
	 .summary = "refuse all requests of a tenant, at once",
	 .run = ctl_run_tenant_disable},
	{.words = "tenant tier",
	 .arguments = {ARG_TENANT, {.name = "TIER", .help = "a name of the policy's prices.tiers"}},
	 .summary = "change a tenant's price tier, from the next call on",
	 .example = "tenant tier acme enterprise",
	 .run = ctl_run_tenant_tier},

	{.words = "key create",
	 .arguments = {ARG_TENANT},
	 .options = {OPT("name", "TEXT", "name for people (default: default)"),
		     OPT("expires", "DURATION", "the key stops working after this; without it never")},
	 .summary = "make an API key; its text is shown this once",
	 .example = "key create acme --name production --expires 90d",
	 .run = ctl_run_key_create},
	{.words = "key list",
	 .options = {OPT_OF("tenant", "TENANT", "only this tenant's", CTL_COMPLETE_TENANT)},
	 .summary = "list API keys",
	 .run = ctl_run_key_list},
	{.words = "key enable",
	 .arguments = {ARG_KEY},
	 .summary = "let a disabled key's requests in again",
	 .run = ctl_run_key_enable},
	{.words = "key disable",
	 .arguments = {ARG_KEY},
	 .summary = "refuse all requests of a key, at once",
	 .run = ctl_run_key_disable},
	{.words = "key delete", .arguments = {ARG_KEY}, .summary = "delete a key for good", .run = ctl_run_key_delete},

	{.words = "account list",
	 .summary = "what each tenant has, holds and may still spend",
	 .details = "Available is balance and credit line less what calls under way hold.",
	 .run = ctl_run_account_list},
	{.words = "account show",
	 .arguments = {ARG_TENANT},
	 .summary = "one tenant's balance",
	 .run = ctl_run_account_show},
	{.words = "account deposit",
	 .arguments = {ARG_TENANT, ARG_AMOUNT},
	 .options = {OPT_REF, OPT_NOTE, OPT("currency", "CODE", "refused unless it is the books' own")},
	 .summary = "book a payment of a tenant",
	 .details =
		 "With --ref it is safe to repeat: the same ref with the same amount posts nothing more, with another "
		 "amount it is refused.",
	 .example = "account deposit acme 500.00 --ref INV-2026-117",
	 .run = ctl_run_account_deposit},
	{.words = "account adjust",
	 .arguments = {ARG_TENANT, ARG_AMOUNT},
	 .options = {OPT_NOTE, OPT_REF},
	 .summary = "correct a balance, up or down",
	 .details = "AMOUNT may be negative; --note is required. Nothing in the books is ever changed: a correction is "
		    "another transfer.",
	 .example = "account adjust acme -12.50 --note 'booked twice'",
	 .run = ctl_run_account_adjust},
	{.words = "account refund",
	 .arguments = {ARG_TENANT, ARG_REQUEST},
	 .options = {OPT("amount", "AMOUNT", "part of the price (default: all that is left of it)"), OPT_NOTE, OPT_REF},
	 .summary = "give back one call's price, or part of it",
	 .example = "account refund acme req_019ab1f0c2d4a1b2c3d4e5f6 --note 'ticket 117'",
	 .run = ctl_run_account_refund},
	{.words = "account credit-line",
	 .arguments = {ARG_TENANT, ARG_AMOUNT},
	 .summary = "how far below zero a tenant's balance may go",
	 .example = "account credit-line acme 1000",
	 .run = ctl_run_account_credit_line},
	{.words = "account transfers",
	 .arguments = {ARG_TENANT},
	 .options = {OPT_PAGE},
	 .summary = "what was posted to a tenant's account, newest first",
	 .run = ctl_run_account_transfers},
	{.words = "usage list",
	 .options = {OPT_OF("tenant", "TENANT", "only this tenant's", CTL_COMPLETE_TENANT), OPT_PAGE},
	 .summary = "calls with their tokens, cost and price, newest first",
	 .run = ctl_run_usage_list},
	{.words = "price list",
	 .options = {OPT("model", "MODEL", "only this model's"), OPT("tier", "TIER", "only this tier's")},
	 .summary = "prices in force, per million tokens, with margin and supply",
	 .run = ctl_run_price_list},
	{.words = "price quote",
	 .arguments = {{.name = "MODEL", .help = "public name of a model"}},
	 .options = {OPT("tier", "TIER", "price tier (default free)"),
		     OPT_OF("tenant", "TENANT", "the tier of this tenant", CTL_COMPLETE_TENANT),
		     OPT("input", "N", "all input tokens"),
		     OPT("cached-input", "N", "of them: read from a cache"),
		     OPT("cache-write", "N", "of them: written to one"),
		     OPT("output", "N", "output tokens"),
		     {.name = "supply",
		      .value = "STATE",
		      .help = "as if supply were so (default: as it is now)",
		      .choices = "surplus|balanced|scarce"}},
	 .summary = "what a call would cost, step by step",
	 .details = "Without any count of tokens: a million of input and a million of output.",
	 .example = "price quote gpt-4o-mini --tier growth --input 1000 --output 500",
	 .run = ctl_run_price_quote},
	{.words = "bill explain",
	 .arguments = {ARG_REQUEST},
	 .summary = "how one call's price came to be, recomputed from its frozen rule",
	 .details = "Exits 1 when the recomputed charge is not the stored one.",
	 .example = "bill explain req_019ab1f0c2d4a1b2c3d4e5f6",
	 .run = ctl_run_bill_explain},
	{.words = "bill holds", .summary = "calls under way and what they hold", .run = ctl_run_bill_holds},
	{.words = "bill recoveries",
	 .options = {OPT_PAGE},
	 .summary = "calls that a crash cut off, and how they were settled",
	 .run = ctl_run_bill_recoveries},
	{.words = "bill reconcile",
	 .options = {OPT("full", NULL, "every record, not only those since the last time")},
	 .summary = "check that balances, transfers and records agree",
	 .details = "Exits 1 when they don't; what was found is kept as discrepancies.",
	 .run = ctl_run_bill_reconcile},
	{.words = "bill discrepancies",
	 .options = {OPT("all", NULL, "also those that were closed"), OPT_PAGE},
	 .summary = "what reconciliation found and nobody has explained yet",
	 .run = ctl_run_bill_discrepancies},
	{.words = "bill close",
	 .arguments = {{.name = "ID", .help = "number from `tollctl bill discrepancies`"}},
	 .options = {OPT("note", "TEXT", "what explains it; required")},
	 .summary = "close an explained discrepancy",
	 .example = "bill close 7 --note 'credit note 2026-88 of the provider'",
	 .run = ctl_run_bill_close},
	{.words = "bill settle",
	 .options = {OPT_PERIOD},
	 .summary = "settle a period that is over: statements, payables, margin",
	 .details = "A period is settled once and never changes afterwards.",
	 .example = "bill settle --period 2026-10",
	 .run = ctl_run_bill_settle},
	{.words = "bill settlements", .summary = "list the settled periods", .run = ctl_run_bill_settlements},
	{.words = "bill statement",
	 .arguments = {{.name = "TENANT",
			.help = "tenant's id; without it the period as a whole, with payables and margin",
			.complete = CTL_COMPLETE_TENANT,
			.optional = true}},
	 .options = {OPT_PERIOD,
		     {.name = "format",
		      .value = "FORMAT",
		      .help = "text (default), csv or json",
		      .choices = "text|csv|json"},
		     OPT("draft", NULL, "of a period that isn't settled yet, as of now")},
	 .summary = "print a statement of a period",
	 .example = "bill statement acme --period 2026-10 --format csv",
	 .run = ctl_run_bill_statement},
	{.words = "bill invoice",
	 .arguments = {{.name = "PROVIDER", .help = "provider's name in the configuration"},
		       {.name = "FILE",
			.help = "its lines as CSV; - reads standard input",
			.complete = CTL_COMPLETE_FILE,
			.optional = true}},
	 .options = {OPT_PERIOD, OPT("tolerance", "AMOUNT", "differences up to this don't count (default 0.01)")},
	 .summary = "compare a provider's invoice with our records",
	 .details = "With FILE it is imported, in place of an earlier one of that provider and period; without, the "
		    "imported "
		    "one is compared again. The CSV has a header: model,amount and, as far as the invoice says, "
		    "calls,input_tokens,cached_input_tokens,output_tokens. Exits 1 when there are differences; they "
		    "are kept as discrepancies.",
	 .example = "bill invoice openai invoice.csv --period 2026-10",
	 .run = ctl_run_bill_invoice},

	{.words = "block add",
	 .arguments = {ARG_CIDRS},
	 .options = {OPT_TTL, OPT_REASON},
	 .summary = "drop packets of these sources at the NIC, at once",
	 .details = "All entries are added, or none. Without the daemon they go straight to the kernel, without their "
		    "reason.",
	 .example = "block add 198.51.100.0/24 --ttl 1h --reason scraping",
	 .run = ctl_run_block_add},
	{.words = "block del",
	 .arguments = {ARG_CIDRS},
	 .summary = "take entries off the block list",
	 .run = ctl_run_block_del},
	{.words = "block list",
	 .options = {OPT_LIMIT, OPT_AFTER},
	 .summary = "show the block list",
	 .run = ctl_run_block_list},
	{.words = "block import",
	 .arguments = {ARG_LIST_FILE},
	 .options = {OPT_TTL, OPT_REASON},
	 .summary = "add a file of entries to the block list",
	 .details = "Every line is checked first; with one bad line nothing is added, and all bad lines are named.",
	 .example = "block import drop.txt --ttl 24h --reason spamhaus",
	 .run = ctl_run_block_import},
	{.words = "allow add",
	 .arguments = {ARG_CIDRS},
	 .options = {OPT_TTL, OPT_REASON},
	 .summary = "always let packets of these sources pass",
	 .run = ctl_run_allow_add},
	{.words = "allow del",
	 .arguments = {ARG_CIDRS},
	 .summary = "take entries off the allow list",
	 .run = ctl_run_allow_del},
	{.words = "allow list",
	 .options = {OPT_LIMIT, OPT_AFTER},
	 .summary = "show the allow list",
	 .run = ctl_run_allow_list},
	{.words = "allow import",
	 .arguments = {ARG_LIST_FILE},
	 .options = {OPT_TTL, OPT_REASON},
	 .summary = "add a file of entries to the allow list",
	 .run = ctl_run_allow_import},

	{.words = "policy check",
	 .arguments = {ARG_POLICY_FILE},
	 .summary = "find every error in a policy file; needs no daemon",
	 .run = ctl_run_policy_check},
	{.words = "policy diff",
	 .arguments = {ARG_POLICY_FILE},
	 .summary = "what would change against the policy in force",
	 .run = ctl_run_policy_diff},
	{.words = "policy apply",
	 .arguments = {ARG_POLICY_FILE},
	 .options = {OPT("confirm", "DURATION", "roll back by itself unless confirmed within this"),
		     OPT("comment", "TEXT", "kept with the version")},
	 .summary = "put a policy in force: at once, as a whole, or not at all",
	 .details = "With --confirm, `tollctl policy confirm` has to follow in time: who has locked himself out gets "
		    "back in by waiting.",
	 .example = "policy apply new.yaml --confirm 60s",
	 .run = ctl_run_policy_apply},
	{.words = "policy show",
	 .arguments = {{.name = "ID", .help = "version (default: the one in force)", .optional = true}},
	 .summary = "print a policy's text",
	 .run = ctl_run_policy_show},
	{.words = "policy versions", .summary = "list the applied versions", .run = ctl_run_policy_versions},
	{.words = "policy confirm",
	 .arguments = {{.name = "ID", .help = "version (default: the one in force)", .optional = true}},
	 .summary = "keep a policy that was applied with --confirm",
	 .run = ctl_run_policy_confirm},
	{.words = "policy rollback",
	 .arguments = {{.name = "ID", .help = "version to go back to (default: the one before)", .optional = true}},
	 .summary = "put an earlier policy in force again",
	 .run = ctl_run_policy_rollback},

	{.words = "breaker list",
	 .summary = "deployments with their circuit breakers: state, why, when they are tried again, calls in flight",
	 .details = "A deployment that cools down because its provider said so (429, quota) isn't open: it counts no "
		    "failure and is left alone for that time.",
	 .run = ctl_run_breaker_list},
	{.words = "breaker open",
	 .arguments = {ARG_DEPLOYMENT},
	 .summary = "send a deployment no calls until it is freed",
	 .details = "Calls go to the model's other deployments. When every deployment behind a route is open, its "
		    "requests are refused at the NIC. Holds over restarts, until `tollctl breaker auto`.",
	 .example = "breaker open openai/gpt-4o-2024-08-06",
	 .run = ctl_run_breaker_open},
	{.words = "breaker close",
	 .arguments = {ARG_DEPLOYMENT},
	 .summary = "send a deployment calls whatever becomes of them, until it is freed",
	 .details = "Failures are counted and open nothing. Holds over restarts, until `tollctl breaker auto`.",
	 .run = ctl_run_breaker_close},
	{.words = "breaker auto",
	 .arguments = {ARG_DEPLOYMENT},
	 .summary = "let a deployment's breaker decide for itself again",
	 .run = ctl_run_breaker_auto},
	{.words = "event list",
	 .options = {OPT_PAGE},
	 .summary = "what happened to deployments, newest first: opened, probed, closed, quota exhausted",
	 .run = ctl_run_event_list},

	{.words = "attach",
	 .arguments = {{.name = "INTERFACE", .help = "network interface", .complete = CTL_COMPLETE_INTERFACE}},
	 .options = {{.name = "mode",
		      .value = "MODE",
		      .help = "auto (native, else generic), native, generic (XDP) or tc",
		      .choices = "auto|native|generic|tc"}},
	 .summary = "attach the kernel program to an interface (root)",
	 .details = "Works on the kernel itself, with or without the daemon; lists and limits hold there at once. A "
		    "program that is there already is "
		    "replaced without a gap.",
	 .example = "attach eth0 --mode native",
	 .run = ctl_run_attach},
	{.words = "detach",
	 .arguments = {{.name = "INTERFACE",
			.help = "only from this interface",
			.complete = CTL_COMPLETE_INTERFACE,
			.optional = true}},
	 .options = {OPT("all", NULL, "from all interfaces, and remove everything pinned (the default)")},
	 .summary = "take the kernel program off (root)",
	 .details = "Works on the kernel itself, with or without the daemon, and on maps of another version.",
	 .run = ctl_run_detach},

	{.words = "backup",
	 .arguments = {{.name = "DIR",
			.help = "folder to make; tollgated's user must be able to",
			.complete = CTL_COMPLETE_FILE}},
	 .summary = "copy the databases while the gateway serves, and verify the copies",
	 .details = "Says how to restore them.",
	 .example = "backup /var/backups/tollgate-2026-11-24",
	 .run = ctl_run_backup},

	{.words = "completion",
	 .arguments = {{.name = "SHELL", .help = "bash", .choices = "bash"}},
	 .summary = "print the shell's completion script",
	 .example = "completion bash >/usr/share/bash-completion/completions/tollctl",
	 .run = ctl_run_completion},
	{.words = "man", .summary = "print the man page (troff)", .example = "man | man -l -", .run = ctl_run_man},
	{.words = "help",
	 .arguments = {{.name = "COMMAND", .help = "its words", .optional = true, .repeated = true}},
	 .summary = "explain a command, or list them all",
	 .run = ctl_run_help},
	{.words = NULL},
};
