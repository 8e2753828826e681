/* From argv to a row of the table and its values. Pure. */
#include "ctl/command.h"

#include "base/num.h"
#include "model/money.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static size_t count_words(const char *words)
{
	size_t n = 1;

	for (; *words; words++)
		n += *words == ' ';
	return n;
}

/* Do the first n of `given` spell the first n words of `words`? */
static bool words_start(const char *words, const char *const *given, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(words, " ");

		if (!len || strlen(given[i]) != len || memcmp(words, given[i], len) != 0)
			return false;
		words += len + (words[len] == ' ');
	}
	return true;
}

const struct ctl_command *ctl_find(const char *const *words, size_t n)
{
	for (const struct ctl_command *c = ctl_commands; c->words; c++)
		if (count_words(c->words) == n && words_start(c->words, words, n))
			return c;
	return NULL;
}

bool ctl_is_group(const char *words)
{
	size_t len = strlen(words);

	for (const struct ctl_command *c = ctl_commands; c->words; c++)
		if (strncmp(c->words, words, len) == 0 && c->words[len] == ' ')
			return true;
	return false;
}

/* ---- "did you mean" */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance; texts over 40 bytes are as far as can be. */
static size_t distance(const char *a, const char *b)
{
	size_t row[41], la = strlen(a), lb = strlen(b);

	if (la > 40 || lb > 40)
		return 40;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t up = row[j];

			row[j] = min3(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = up;
		}
	}
	return row[lb];
}

static int unknown_command(const char *const *given, size_t n, struct err *err)
{
	const char *best = NULL;
	size_t best_distance = 4;
	char text[128];

	snprintf(text, sizeof(text), "%.40s%s%.40s", given[0], n > 1 ? " " : "", n > 1 ? given[1] : "");
	for (const struct ctl_command *c = ctl_commands; c->words; c++) {
		size_t d = distance(count_words(c->words) == 1 ? given[0] : text, c->words);

		if (d < best_distance) {
			best_distance = d;
			best = c->words;
		}
	}
	if (best)
		err_set(err, ERR_INVAL, "unknown command '%s'; did you mean '%s'?", text, best);
	else
		err_set(err, ERR_INVAL, "unknown command '%s'; `tollctl help` lists them", text);
	return CTL_USAGE;
}

static int incomplete(const char *group, struct err *err)
{
	char list[256] = "";
	size_t len = strlen(group), used = 0;

	for (const struct ctl_command *c = ctl_commands; c->words; c++)
		if (strncmp(c->words, group, len) == 0 && c->words[len] == ' ' && used < sizeof(list) - 32)
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
						 c->words + len + 1);
	err_set(err, ERR_INVAL, "%s what? One of: %s", group, list);
	return CTL_USAGE;
}

/* ---- options */

struct parser {
	int argc, at;
	char **argv;
	struct ctl_args *args;
	struct err *err;
};

static bool one_of(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (const char *p = choices; *p; p += strcspn(p, "|"), p += *p == '|')
		if (strcspn(p, "|") == len && memcmp(p, value, len) == 0)
			return true;
	return false;
}

/* The option's value, from "--name=value" or the next word. */
static int take_value(struct parser *p, const struct ctl_option *o, const char *inline_value, const char **ret)
{
	const char *value = inline_value;

	if (!o->value && value) {
		err_set(p->err, ERR_INVAL, "--%s takes no value", o->name);
		return CTL_USAGE;
	}
	if (!o->value) {
		*ret = "";
		return 0;
	}
	if (!value && p->at + 1 < p->argc)
		value = p->argv[++p->at];
	if (!value) {
		err_set(p->err, ERR_INVAL, "--%s needs a value: --%s %s", o->name, o->name, o->value);
		return CTL_USAGE;
	}
	if (o->choices && !one_of(o->choices, value)) {
		err_set(p->err, ERR_INVAL, "--%s %s: one of %s is right", o->name, value, o->choices);
		return CTL_USAGE;
	}
	*ret = value;
	return 0;
}

static const struct ctl_option *find_option(const struct ctl_option *options, const char *name, size_t len)
{
	for (size_t i = 0; options[i].name; i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

static int set_global(struct parser *p, const struct ctl_option *o, const char *value)
{
	struct ctl_args *a = p->args;

	if (strcmp(o->name, "socket") == 0)
		a->socket = value;
	else if (strcmp(o->name, "pin-dir") == 0)
		a->pin_dir = value;
	else if (strcmp(o->name, "timeout") == 0)
		a->timeout = value;
	else if (strcmp(o->name, "json") == 0)
		a->json = true;
	else if (strcmp(o->name, "help") == 0)
		a->help = true;
	else
		a->version = true;
	return 0;
}

/* Words so far make out the command: the longest row that they start with. */
static const struct ctl_command *command_of(const struct ctl_args *a)
{
	const struct ctl_command *best = NULL;

	for (const struct ctl_command *c = ctl_commands; c->words; c++) {
		size_t n = count_words(c->words);

		if (n <= a->n_positional && words_start(c->words, a->positional, n) &&
		    (!best || n > count_words(best->words)))
			best = c;
	}
	return best;
}

static int take_option(struct parser *p, const char *text)
{
	size_t len = strcspn(text, "=");
	const char *value = NULL, *inline_value = text[len] ? text + len + 1 : NULL;
	const struct ctl_option *o = find_option(ctl_globals, text, len);
	const struct ctl_command *c = command_of(p->args);
	int rc;

	if (o) {
		rc = take_value(p, o, inline_value, &value);
		return rc ? rc : set_global(p, o, value);
	}
	o = c ? find_option(c->options, text, len) : NULL;
	if (!o) {
		if (c)
			err_set(p->err, ERR_INVAL, "`%s` has no option --%.*s", c->words, (int)len, text);
		else
			err_set(p->err, ERR_INVAL, "--%.*s: put a command's options after its words", (int)len, text);
		return CTL_USAGE;
	}
	rc = take_value(p, o, inline_value, &value);
	if (rc)
		return rc;
	if (p->args->options[o - c->options]) {
		err_set(p->err, ERR_INVAL, "--%s is there twice", o->name);
		return CTL_USAGE;
	}
	p->args->options[o - c->options] = value;
	return 0;
}

/* ---- arguments */

static int check_arguments(const struct ctl_args *a, struct err *err)
{
	const struct ctl_argument *arg = a->command->arguments;
	size_t given = a->n_positional, at = 0;

	for (; arg->name; arg++) {
		if (at == given && arg->optional)
			return 0;
		if (at == given) {
			err_set(err, ERR_INVAL, "`%s` needs %s: %s", a->command->words, arg->name, arg->help);
			return CTL_USAGE;
		}
		if (arg->choices && !one_of(arg->choices, a->positional[at])) {
			err_set(err, ERR_INVAL, "%s '%s': one of %s is right", arg->name, a->positional[at],
				arg->choices);
			return CTL_USAGE;
		}
		at = arg->repeated ? given : at + 1;
	}
	if (at < given) {
		err_set(err, ERR_INVAL, "`%s` doesn't take '%s'", a->command->words, a->positional[at]);
		return CTL_USAGE;
	}
	return 0;
}

static int resolve(struct ctl_args *a, struct err *err)
{
	a->command = command_of(a);
	if (!a->command) {
		if (a->n_positional == 1 && ctl_is_group(a->positional[0])) {
			a->group = a->positional[0];
			return a->help ? 0 : incomplete(a->group, err);
		}
		return a->n_positional ? unknown_command(a->positional, a->n_positional, err) : 0;
	}
	a->n_positional -= count_words(a->command->words);
	memmove(a->positional, a->positional + count_words(a->command->words),
		a->n_positional * sizeof(*a->positional));
	return a->help ? 0 : check_arguments(a, err);
}

static int parse_words(struct parser *p)
{
	bool only_words = false;

	for (p->at = 1; p->at < p->argc; p->at++) {
		const char *word = p->argv[p->at];
		int rc = 0;

		/* A negative amount is a word. */
		if (only_words || word[0] != '-' || !word[1] || (word[1] >= '0' && word[1] <= '9'))
			p->args->positional[p->args->n_positional++] = word;
		else if (strcmp(word, "--") == 0)
			only_words = true;
		else if (strcmp(word, "-h") == 0)
			p->args->help = true;
		else if (word[1] == '-')
			rc = take_option(p, word + 2);
		else
			rc = CTL_USAGE, err_set(p->err, ERR_INVAL, "unknown option %s", word);
		if (rc)
			return rc;
	}
	return 0;
}

int ctl_parse(int argc, char **argv, struct ctl_args *ret, struct err *err)
{
	struct ctl_args a = {.positional = calloc((size_t)argc + 1, sizeof(char *))};
	struct parser p = {.argc = argc, .argv = argv, .args = &a, .err = err};
	int rc;

	if (!a.positional)
		return err_set(err, ERR_NOMEM, "out of memory");
	rc = parse_words(&p);
	if (rc == 0)
		rc = resolve(&a, err);
	/* Also on failure: the caller wants to know whether --json was asked for, and which command it was. */
	*ret = a;
	return rc;
}

void ctl_args_done(struct ctl_args *a)
{
	free(a->positional);
}

const char *ctl_option(const struct ctl_args *a, const char *name)
{
	for (size_t i = 0; i < CTL_OPTIONS_MAX && a->command->options[i].name; i++)
		if (strcmp(a->command->options[i].name, name) == 0)
			return a->options[i];
	assert(false); /* the option isn't in the command's row */
	return NULL;
}

int ctl_option_duration(const struct ctl_args *a, const char *name, uint64_t *ret_ns, struct err *err)
{
	const char *text = ctl_option(a, name);

	if (!text || num_parse_duration_ns(text, strlen(text), ret_ns) == 0)
		return 0;
	err_set(err, ERR_INVAL, "--%s %s: a number with one unit is right, such as 90s, 5m, 24h or 7d", name, text);
	return CTL_USAGE;
}

int ctl_option_number(const struct ctl_args *a, const char *name, uint64_t *ret, struct err *err)
{
	const char *text = ctl_option(a, name);

	if (!text || num_parse_u64(text, strlen(text), ret) == 0)
		return 0;
	err_set(err, ERR_INVAL, "--%s %s: a whole number is right", name, text);
	return CTL_USAGE;
}

int ctl_check_amount(const char *what, const char *text, bool negative, struct err *err)
{
	struct err why;
	int64_t nano;

	if (!text)
		return 0;
	if (money_parse(text, strlen(text), &nano, &why) < 0)
		err_set(err, ERR_INVAL, "%s %s: %s", what, text, why.msg);
	else if (nano < 0 && !negative)
		err_set(err, ERR_INVAL, "%s %s: it can't be negative", what, text);
	else
		return 0;
	return CTL_USAGE;
}

int ctl_required(const struct ctl_args *a, const char *name, const char **ret, struct err *err)
{
	*ret = ctl_option(a, name);
	if (*ret)
		return 0;
	err_set(err, ERR_INVAL, "`%s` needs --%s", a->command->words, name);
	return CTL_USAGE;
}
