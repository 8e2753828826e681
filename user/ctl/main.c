/* tollctl: parse, run the row, say how it went. */
#include "ctl/command.h"
#include "ctl/output.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/tollgate/control.sock"
#define DEFAULT_PIN_DIR "/sys/fs/bpf/tollgate"

/* ---- commands about the commands */

int ctl_run_completion(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;

	(void)ctl;
	(void)args;
	ctl_put_bash(&out);
	return output_text(&out, err);
}

int ctl_run_man(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;

	(void)ctl;
	(void)args;
	ctl_put_man(&out);
	return output_text(&out, err);
}

int ctl_run_help(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const struct ctl_command *c = ctl_find(args->positional, args->n_positional);
	_cleanup_(buf_done) struct buf out = BUF_INIT;

	(void)ctl;
	if (c) {
		ctl_put_help(&out, c);
	} else if (!args->n_positional) {
		ctl_put_overview(&out);
	} else if (args->n_positional == 1 && ctl_is_group(args->positional[0])) {
		ctl_put_group(&out, args->positional[0]);
	} else {
		err_set(err, ERR_INVAL, "no such command; `tollctl help` lists them");
		return CTL_USAGE;
	}
	return output_text(&out, err);
}

/* ---- how it went */

/* With --json the error is the value that was promised on standard output. */
static void report(const struct ctl_args *args, const struct err *err)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;

	if (!err->msg[0])
		return;
	output_note("%s", err->msg);
	if (!args->json)
		return;
	buf_printf(&out, "{\"error\": {\"code\": \"%s\", \"message\": ", err_name(err->code));
	buf_put_json_string(&out, err->msg, strlen(err->msg));
	buf_puts(&out, "}}\n");
	if (output_text(&out, NULL) < 0)
		return; /* standard error has it */
}

static void report_usage(const struct ctl_args *args, const struct err *err)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;

	report(args, err);
	if (!args->command)
		return;
	buf_puts(&out, "usage: tollctl ");
	ctl_put_usage(&out, args->command);
	fprintf(stderr, "%s\n", out.data ? out.data : "");
}

/* ---- */

static int set_up(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *socket = getenv("TOLLGATE_SOCKET");
	uint64_t timeout_ns = 60000000000u;

	if (args->timeout && (num_parse_duration_ns(args->timeout, strlen(args->timeout), &timeout_ns) < 0 ||
			      timeout_ns < 1000000u || timeout_ns > 86400000000000u)) {
		err_set(err, ERR_INVAL, "--timeout %s: 1ms to 24h is right", args->timeout);
		return CTL_USAGE;
	}
	*ctl = (struct ctl){
		.socket = args->socket        ? args->socket
			  : socket && *socket ? socket
					      : DEFAULT_SOCKET,
		.pin_dir = args->pin_dir ? args->pin_dir : DEFAULT_PIN_DIR,
		.timeout_ms = (unsigned)(timeout_ns / 1000000u),
		.timeout_given = args->timeout != NULL,
		.json = args->json,
	};
	return 0;
}

/* --help, --version, and the bare name. */
static int without_command(const struct ctl_args *args, struct err *err)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;

	if (args->version && !args->help)
		buf_puts(&out, "tollctl " TOLLGATE_VERSION "\n");
	else if (args->command)
		ctl_put_help(&out, args->command);
	else if (args->group)
		ctl_put_group(&out, args->group);
	else
		ctl_put_overview(&out);
	if (args->help || args->version)
		return output_text(&out, err);
	fputs(out.data ? out.data : "", stderr);
	return CTL_USAGE;
}

int main(int argc, char **argv)
{
	_cleanup_(ctl_args_done) struct ctl_args args = {0};
	struct err err = {0};
	struct ctl ctl;
	int rc;

	rc = ctl_parse(argc, argv, &args, &err);
	if (rc == 0 && (!args.command || args.help || args.version))
		rc = without_command(&args, &err);
	else if (rc == 0)
		rc = set_up(&ctl, &args, &err);
	else
		args.help = false;
	if (rc == 0 && args.command && !args.help && !args.version)
		rc = args.command->run(&ctl, &args, &err);
	if (rc == CTL_USAGE) {
		report_usage(&args, &err);
		return 2;
	}
	if (rc < 0)
		report(&args, &err);
	return rc < 0 ? 1 : 0;
}
