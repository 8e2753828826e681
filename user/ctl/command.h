/* One command = one row of ctl_commands: the parser, --help, the completion and the man page all read it.
 *
 * Invariants (tests cite them):
 *  T1  A command line that doesn't fit its row exits 2 and does nothing.
 *  T2  With --json, standard output holds one JSON value (one per sample with --watch), also on failure.
 *  T3  Without the daemon, what can be done on the pinned maps is done there, and standard error says so.
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum ctl_complete {
	CTL_COMPLETE_NONE,
	CTL_COMPLETE_FILE,
	CTL_COMPLETE_INTERFACE,
	CTL_COMPLETE_TENANT,
	CTL_COMPLETE_KEY,
	CTL_COMPLETE_DEPLOYMENT,
};

struct ctl_argument {
	const char *name; /* NULL ends the row's arguments */
	const char *help;
	enum ctl_complete complete;
	const char *choices; /* "bash|zsh": one of these; NULL = any */
	bool optional;
	bool repeated; /* only the last one */
};

struct ctl_option {
	const char *name;  /* without the dashes; NULL ends the row's options */
	const char *value; /* what to call its value, NULL = a flag */
	const char *help;
	enum ctl_complete complete;
	const char *choices;
};

struct ctl;
struct ctl_args;

#define CTL_ARGUMENTS_MAX 3
#define CTL_OPTIONS_MAX 8
struct ctl_command {
	const char *words; /* "tenant create" */
	struct ctl_argument arguments[CTL_ARGUMENTS_MAX];
	struct ctl_option options[CTL_OPTIONS_MAX];
	const char *summary; /* one line */
	const char *details; /* sentences, wrapped when shown; may be NULL */
	const char *example; /* arguments after "tollctl"; may be NULL */
	/* 0, a negative code (exit 1) or CTL_USAGE (exit 2), with the message in *err. */
	int (*run)(struct ctl *ctl, const struct ctl_args *args, struct err *err);
};
#define CTL_USAGE 2

extern const struct ctl_command ctl_commands[]; /* ends with words == NULL */
extern const struct ctl_option ctl_globals[];   /* ends with name == NULL */

/* What the parser made of a command line; points into argv. */
struct ctl_args {
	const struct ctl_command *command; /* NULL: only --help or --version was given */
	const char **positional;
	size_t n_positional;
	const char *options[CTL_OPTIONS_MAX];   /* by the row's order; a flag's value is "" */
	const char *socket, *pin_dir, *timeout; /* global ones; NULL = not given */
	bool json, help, version;
	const char *group; /* with help: the words that lead to several commands; NULL else */
};

/* What every command works with. */
struct ctl {
	const char *socket;
	const char *pin_dir;
	unsigned timeout_ms;
	bool timeout_given;
	bool json;
};
/* Commands that may read the whole books wait longer, unless --timeout says how long. */
#define CTL_LONG_TIMEOUT_MS 3600000u

/* ---- parse.c */
/* CTL_USAGE with a message that says what would be right. */
int ctl_parse(int argc, char **argv, struct ctl_args *ret, struct err *err) MUST_CHECK;
void ctl_args_done(struct ctl_args *a);
/* The option's value; NULL = not given. The name must be in the command's row. */
const char *ctl_option(const struct ctl_args *a, const char *name);
/* 0 or CTL_USAGE; *ret is untouched when the option isn't given. */
int ctl_option_duration(const struct ctl_args *a, const char *name, uint64_t *ret_ns, struct err *err) MUST_CHECK;
int ctl_option_number(const struct ctl_args *a, const char *name, uint64_t *ret, struct err *err) MUST_CHECK;
/* CTL_USAGE when the option isn't given. */
int ctl_required(const struct ctl_args *a, const char *name, const char **ret, struct err *err) MUST_CHECK;
/* 0, or CTL_USAGE unless `text` is an amount (NULL passes); `what` is its argument or option. */
int ctl_check_amount(const char *what, const char *text, bool negative, struct err *err) MUST_CHECK;

/* ---- help.c, man.c, complete.c: text from the tables */
void ctl_put_usage(struct buf *out, const struct ctl_command *c);
void ctl_put_overview(struct buf *out);
void ctl_put_group(struct buf *out, const char *group);
void ctl_put_help(struct buf *out, const struct ctl_command *c);
void ctl_put_man(struct buf *out);
void ctl_put_bash(struct buf *out);
/* The row of exactly these words, or NULL. */
const struct ctl_command *ctl_find(const char *const *words, size_t n);
/* Do these words lead to more than one command? */
bool ctl_is_group(const char *words);

/* ---- the commands */
int ctl_run_status(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_health(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_tenant_create(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_tenant_list(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_tenant_enable(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_tenant_disable(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_key_create(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_key_list(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_key_enable(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_key_disable(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_key_delete(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_block_add(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_block_del(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_block_list(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_block_import(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_allow_add(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_allow_del(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_allow_list(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_allow_import(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_policy_check(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_policy_diff(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_policy_apply(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_policy_show(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_policy_versions(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_policy_confirm(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_policy_rollback(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_limits_show(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_stats(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_tenant_tier(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_account_list(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_account_show(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_account_deposit(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_account_adjust(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_account_refund(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_account_credit_line(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_account_transfers(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_usage_list(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_price_list(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_price_quote(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_explain(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_holds(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_recoveries(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_reconcile(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_discrepancies(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_close(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_settle(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_settlements(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_statement(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_bill_invoice(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_backup(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_breaker_list(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_breaker_open(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_breaker_close(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_breaker_auto(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_event_list(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_attach(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_detach(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_explain(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_completion(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_man(struct ctl *ctl, const struct ctl_args *args, struct err *err);
int ctl_run_help(struct ctl *ctl, const struct ctl_args *args, struct err *err);

#endif
