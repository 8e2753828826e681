/* bash completion, from the same tables. The script is static but for ids, which it asks tollctl for. */
#include "ctl/command.h"

#include <string.h>

/* The words that may follow `prefix` ("" or "policy "), each once. */
static void put_next_words(struct buf *out, const char *prefix)
{
	size_t len = strlen(prefix);
	const char *last = "";
	size_t last_len = 0;

	for (const struct ctl_command *c = ctl_commands; c->words; c++) {
		const char *word = c->words + len;
		size_t n;

		if (strncmp(c->words, prefix, len) != 0)
			continue;
		n = strcspn(word, " ");
		/* Commands of a group stand together in the table. */
		if (n == last_len && memcmp(word, last, n) == 0)
			continue;
		buf_append(out, word, n);
		buf_putc(out, ' ');
		last = word;
		last_len = n;
	}
}

static const char *candidates(enum ctl_complete kind)
{
	switch (kind) {
	case CTL_COMPLETE_FILE:
		return "COMPREPLY=($(compgen -f -- \"$cur\"))";
	case CTL_COMPLETE_INTERFACE:
		return "COMPREPLY=($(compgen -W \"$(ls /sys/class/net 2>/dev/null)\" -- \"$cur\"))";
	case CTL_COMPLETE_TENANT:
		return "COMPREPLY=($(compgen -W \"$(_tollctl_ids tenant id)\" -- \"$cur\"))";
	case CTL_COMPLETE_KEY:
		return "COMPREPLY=($(compgen -W \"$(_tollctl_ids key id)\" -- \"$cur\"))";
	case CTL_COMPLETE_DEPLOYMENT:
		return "COMPREPLY=($(compgen -W \"$(_tollctl_ids breaker deployment)\" -- \"$cur\"))";
	case CTL_COMPLETE_NONE:
		break;
	}
	return NULL;
}

static void put_choices(struct buf *out, const char *choices)
{
	buf_puts(out, "COMPREPLY=($(compgen -W \"");
	for (; *choices; choices++)
		buf_putc(out, *choices == '|' ? ' ' : *choices);
	buf_puts(out, "\" -- \"$cur\"))");
}

/* One arm of a `case`: what the value of an option, or an argument, may be. */
static void put_arm(struct buf *out, const char *words, const char *what, enum ctl_complete kind, const char *choices)
{
	if (!candidates(kind) && !choices)
		return;
	buf_printf(out, "\t\"%s%s\") ", words, what);
	if (choices)
		put_choices(out, choices);
	else
		buf_puts(out, candidates(kind));
	buf_puts(out, "; return ;;\n");
}

static void put_values(struct buf *out)
{
	buf_puts(out, "\tcase \"$cmd $prev\" in\n");
	for (const struct ctl_option *o = ctl_globals; o->name; o++) {
		if (!candidates(o->complete))
			continue;
		buf_printf(out, "\t*\" --%s\") %s; return ;;\n", o->name, candidates(o->complete));
	}
	for (const struct ctl_command *c = ctl_commands; c->words; c++)
		for (const struct ctl_option *o = c->options; o->name; o++) {
			char what[64] = " --";

			put_arm(out, c->words, strncat(what, o->name, 40), o->complete, o->choices);
		}
	buf_puts(out, "\tesac\n");
}

/* A value that can't be guessed: offer nothing rather than something wrong. */
static void put_free_values(struct buf *out)
{
	buf_puts(out, "\tcase \"$prev\" in\n\t--socket|--pin-dir|--timeout");
	for (const struct ctl_command *c = ctl_commands; c->words; c++)
		for (const struct ctl_option *o = c->options; o->name; o++)
			if (o->value)
				buf_printf(out, "|--%s", o->name);
	buf_puts(out, ") return ;;\n\tesac\n");
}

static void put_flags(struct buf *out)
{
	buf_puts(out, "\tif [[ $cur == -* ]]; then\n\t\tlocal opts=\"");
	for (const struct ctl_option *o = ctl_globals; o->name; o++)
		buf_printf(out, "--%s ", o->name);
	buf_puts(out, "\"\n\t\tcase \"$cmd\" in\n");
	for (const struct ctl_command *c = ctl_commands; c->words; c++) {
		if (!c->options[0].name)
			continue;
		buf_printf(out, "\t\t\"%s\") opts+=\"", c->words);
		for (const struct ctl_option *o = c->options; o->name; o++)
			buf_printf(out, "--%s ", o->name);
		buf_puts(out, "\" ;;\n");
	}
	buf_puts(out, "\t\tesac\n\t\tCOMPREPLY=($(compgen -W \"$opts\" -- \"$cur\"))\n\t\treturn\n\tfi\n");
}

static void put_words(struct buf *out)
{
	buf_puts(out, "\tcase \"${cmd#help }\" in\n\t\"\"|help) COMPREPLY=($(compgen -W \"");
	put_next_words(out, "");
	buf_puts(out, "\" -- \"$cur\")); return ;;\n");
	for (const struct ctl_command *c = ctl_commands, *before = NULL; c->words; before = c++) {
		size_t n = strcspn(c->words, " ");
		char prefix[40];

		if (!c->words[n] || (before && strncmp(before->words, c->words, n + 1) == 0))
			continue;
		memcpy(prefix, c->words, n + 1);
		prefix[n + 1] = '\0';
		buf_printf(out, "\t\"%.*s\") COMPREPLY=($(compgen -W \"", (int)n, c->words);
		put_next_words(out, prefix);
		buf_puts(out, "\" -- \"$cur\")); return ;;\n");
	}
	buf_puts(out, "\tesac\n\tcase \"$cmd\" in\n");
	for (const struct ctl_command *c = ctl_commands; c->words; c++)
		if (c->arguments[0].name)
			put_arm(out, c->words, "", c->arguments[0].complete, c->arguments[0].choices);
	buf_puts(out, "\tesac\n");
}

/* The command's words among what was typed: options and their values left out, cut to a row of the table. */
static void put_command_finder(struct buf *out)
{
	buf_puts(out, "\tlocal known=\"");
	for (const struct ctl_command *c = ctl_commands; c->words; c++)
		buf_printf(out, "|%s", c->words);
	buf_puts(out, "|\"\n"
		      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		      "\t\tcase \"${COMP_WORDS[i]}\" in\n"
		      "\t\t--socket|--pin-dir|--timeout) ((i++)) ;;\n"
		      "\t\t-*) ;;\n"
		      "\t\t*)\n"
		      "\t\t\tif [[ $cmd != help* && $known == *\"|$cmd|\"* ]]; then break; fi\n"
		      "\t\t\tcmd+=\"${cmd:+ }${COMP_WORDS[i]}\"\n"
		      "\t\t\t;;\n"
		      "\t\tesac\n"
		      "\tdone\n");
}

void ctl_put_bash(struct buf *out)
{
	buf_puts(out,
		 "# bash completion for tollctl; generated by `tollctl completion bash` from its table of commands.\n"
		 "_tollctl_ids() {\n"
		 "\t\"${COMP_WORDS[0]}\" \"$1\" list --json 2>/dev/null | sed -n 's/.*\"'\"$2\"'\": "
		 "*\"\\([^\"]*\\)\".*/\\1/p'\n"
		 "}\n"
		 "_tollctl() {\n"
		 "\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" cmd=\"\" i\n"
		 "\tCOMPREPLY=()\n");
	put_command_finder(out);
	put_values(out);
	put_free_values(out);
	put_flags(out);
	put_words(out);
	buf_puts(out, "}\ncomplete -o filenames -F _tollctl tollctl\n");
}
