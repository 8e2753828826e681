/* What people read: the overview, one command's help. */
#include "ctl/command.h"

#include <string.h>

#define WIDTH 80u

/* Words wrapped at WIDTH, each line after `indent` blanks. */
static void put_wrapped(struct buf *out, const char *text, unsigned indent)
{
	unsigned at = 0;

	while (*text) {
		unsigned len = (unsigned)strcspn(text, " ");

		if (at && at + 1 + len > WIDTH) {
			buf_putc(out, '\n');
			at = 0;
		}
		if (at)
			buf_putc(out, ' ');
		else
			buf_printf(out, "%*s", indent, "");
		at = (at ? at + 1 : indent) + len;
		buf_append(out, text, len);
		text += len + strspn(text + len, " ");
	}
	buf_putc(out, '\n');
}

static void put_row(struct buf *out, const char *left, const char *right)
{
	buf_printf(out, "  %-28s  ", left);
	/* A long left side gets a line of its own. */
	if (strlen(left) > 28)
		buf_printf(out, "\n%32s", "");
	buf_printf(out, "%s\n", right);
}

void ctl_put_usage(struct buf *out, const struct ctl_command *c)
{
	buf_puts(out, c->words);
	for (const struct ctl_argument *a = c->arguments; a->name; a++)
		buf_printf(out, a->optional ? " [%s]%s" : " %s%s", a->name, a->repeated ? "..." : "");
	for (const struct ctl_option *o = c->options; o->name; o++)
		buf_printf(out, " [--%s%s%s]", o->name, o->value ? " " : "", o->value ? o->value : "");
}

/* Broken before an argument or option where it gets too long. */
static void put_usage_line(struct buf *out, const struct ctl_command *c)
{
	_cleanup_(buf_done) struct buf line = BUF_INIT;
	const char *at;

	buf_puts(&line, "Usage: tollctl ");
	ctl_put_usage(&line, c);
	for (at = line.data ? line.data : ""; strlen(at) > WIDTH;) {
		const char *cut = at + WIDTH;

		while (cut > at && !(cut[0] == ' ' && (cut[1] == '[' || cut[1] == '.')))
			cut--;
		if (cut == at)
			break;
		buf_append(out, at, (size_t)(cut - at));
		buf_puts(out, "\n      ");
		at = cut;
	}
	buf_puts(out, at);
}

static void put_option(struct buf *out, const struct ctl_option *o)
{
	char left[64] = "--";

	strncat(left, o->name, 30);
	if (o->value) {
		strcat(left, " ");
		strncat(left, o->value, 28);
	}
	put_row(out, left, o->help);
}

static void put_globals(struct buf *out)
{
	buf_puts(out, "\nEverywhere:\n");
	for (const struct ctl_option *o = ctl_globals; o->name; o++)
		put_option(out, o);
}

static void put_commands(struct buf *out, const char *prefix)
{
	size_t len = strlen(prefix);

	for (const struct ctl_command *c = ctl_commands; c->words; c++)
		if (strncmp(c->words, prefix, len) == 0)
			put_row(out, c->words, c->summary);
}

void ctl_put_overview(struct buf *out)
{
	buf_puts(out,
		 "tollctl: operate a Tollgate gateway\n\nUsage: tollctl COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands:\n");
	put_commands(out, "");
	put_globals(out);
	buf_puts(out, "\n`tollctl help COMMAND` explains one. Exit: 0 done, 1 failed, 2 wrong usage.\n");
}

void ctl_put_group(struct buf *out, const char *group)
{
	buf_printf(out, "Usage: tollctl %s COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands:\n", group);
	put_commands(out, group);
	buf_printf(out, "\n`tollctl help %s COMMAND` explains one.\n", group);
}

void ctl_put_help(struct buf *out, const struct ctl_command *c)
{
	put_usage_line(out, c);
	buf_printf(out, "\n\n%s\n", c->summary);
	if (c->details) {
		buf_putc(out, '\n');
		put_wrapped(out, c->details, 0);
	}
	if (c->arguments[0].name)
		buf_puts(out, "\nArguments:\n");
	for (const struct ctl_argument *a = c->arguments; a->name; a++)
		put_row(out, a->name, a->help);
	if (c->options[0].name)
		buf_puts(out, "\nOptions:\n");
	for (const struct ctl_option *o = c->options; o->name; o++)
		put_option(out, o);
	put_globals(out);
	if (c->example)
		buf_printf(out, "\nExample:\n  tollctl %s\n", c->example);
}
