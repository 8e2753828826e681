#include "conf/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- the reader's path and errors */

static void append(char *buf, size_t size, size_t *at, const char *s, size_t len)
{
	if (*at + 1 >= size)
		return;
	if (len > size - 1 - *at)
		len = size - 1 - *at;
	memcpy(buf + *at, s, len);
	*at += len;
	buf[*at] = '\0';
}

static void path_format(const struct reader *rd, const char *field, char *buf, size_t size)
{
	size_t at = 0;
	char index[32];

	buf[0] = '\0';
	for (unsigned i = 0; i < rd->depth; i++) {
		const struct segment *s = &rd->path[i];

		if (!s->name) {
			int n = snprintf(index, sizeof(index), "[%zu]", s->index);

			append(buf, size, &at, index, (size_t)n);
			continue;
		}
		if (at)
			append(buf, size, &at, ".", 1);
		append(buf, size, &at, s->name, s->len);
	}
	if (!field)
		return;
	if (at)
		append(buf, size, &at, ".", 1);
	append(buf, size, &at, field, strlen(field));
}

void reader_error(struct reader *rd, const struct node *n, const char *field, const char *fmt, ...)
{
	char path[160], msg[320];
	va_list ap;

	path_format(rd, field, path, sizeof(path));
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	conf_errors_add(rd->errs, n ? n->line : 0, n ? n->column : 0, path, "%s", msg);
}

bool reader_has_error(const struct reader *rd, const struct node *n)
{
	for (size_t i = 0; n && i < rd->errs->count; i++)
		if (rd->errs->items[i].line == n->line && rd->errs->items[i].column == n->column)
			return true;
	return false;
}

void reader_push(struct reader *rd, const char *name, size_t len, size_t index)
{
	if (rd->depth < ARRAY_SIZE(rd->path))
		rd->path[rd->depth] = (struct segment){name, len, index};
	rd->depth++;
}

void reader_pop(struct reader *rd)
{
	rd->depth--;
}

void *reader_alloc(struct reader *rd, size_t n, size_t size)
{
	size_t bytes;
	void *p = NULL;

	if (!__builtin_mul_overflow(n, size, &bytes))
		p = arena_alloc(rd->arena, bytes ? bytes : 1);
	if (!p)
		rd->nomem = true;
	return p;
}

char *reader_strndup(struct reader *rd, const char *s, size_t len)
{
	char *p = arena_strndup(rd->arena, s, len);

	if (!p)
		rd->nomem = true;
	return p;
}

char *reader_path(struct reader *rd, const char *s, size_t len)
{
	size_t folder_len = rd->folder ? strlen(rd->folder) : 0;
	char *p;

	if (!folder_len || !len || s[0] == '/')
		return reader_strndup(rd, s, len);
	p = reader_alloc(rd, folder_len + len + 2, 1);
	if (!p)
		return NULL;
	memcpy(p, rd->folder, folder_len);
	p[folder_len] = '/';
	memcpy(p + folder_len + 1, s, len);
	return p;
}

const char *reader_scalar(struct reader *rd, const struct node *n, const char *expected)
{
	if (n->type == NODE_SCALAR && !node_is_null(n))
		return n->text;
	if (n->type == NODE_SCALAR)
		reader_error(rd, n, NULL, "has no value; give %s, or leave the line out for the default", expected);
	else if (n->type != NODE_BAD)
		reader_error(rd, n, NULL, "is a %s; give %s", n->type == NODE_MAP ? "mapping" : "list", expected);
	return NULL;
}

/* ---- suggestions */

#define SUGGEST_LEN_MAX 48

/* Edit distance with neighbours' swaps; SIZE_MAX when either is too long to bother. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[3][SUGGEST_LEN_MAX + 1];

	if (a_len > SUGGEST_LEN_MAX || b_len > SUGGEST_LEN_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *now = row[i % 3], *before = row[(i - 1) % 3], *two = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);

			if (before[j] + 1 < best)
				best = before[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[a_len % 3][b_len];
}

void schema_suggest_add(const char *candidate, const char *word, size_t len, const char **best, size_t *best_cost)
{
	size_t cand_len = strlen(candidate), cost = distance(word, len, candidate, cand_len);
	size_t bound = cand_len < 4 ? 1 : cand_len < 8 ? 2 : 3;

	if (cost <= bound && cost < *best_cost) {
		*best = candidate;
		*best_cost = cost;
	}
}

void schema_suggest_field(const struct schema *s, const char *word, size_t len, char *buf, size_t size)
{
	const char *best = NULL;
	size_t cost = SIZE_MAX, at = 0;

	for (size_t i = 0; i < s->n_fields; i++)
		schema_suggest_add(s->fields[i].name, word, len, &best, &cost);
	if (best) {
		snprintf(buf, size, "did you mean \"%s\"?", best);
		return;
	}
	append(buf, size, &at, "known here: ", 12);
	for (size_t i = 0; i < s->n_fields; i++) {
		if (i)
			append(buf, size, &at, ", ", 2);
		append(buf, size, &at, s->fields[i].name, strlen(s->fields[i].name));
	}
}

void schema_suggest_choice(const struct schema_choice *c, const char *word, size_t len, char *buf, size_t size)
{
	const char *best = NULL;
	size_t cost = SIZE_MAX, at = 0;

	for (size_t i = 0; c[i].name; i++)
		schema_suggest_add(c[i].name, word, len, &best, &cost);
	append(buf, size, &at, "one of ", 7);
	for (size_t i = 0; c[i].name; i++) {
		if (i)
			append(buf, size, &at, ", ", 2);
		append(buf, size, &at, c[i].name, strlen(c[i].name));
	}
	if (best) {
		append(buf, size, &at, "; did you mean \"", 16);
		append(buf, size, &at, best, strlen(best));
		append(buf, size, &at, "\"?", 2);
	}
}

/* ---- sections, lists, maps */

static void read_fields(struct reader *rd, const struct schema *s, const struct node *n, void *base);
static void read_field(struct reader *rd, const struct schema_field *f, const struct node *n, void *base);

/* A section whose lines are all commented out reads as null: that's an empty one. */
static bool is_empty(const struct node *n)
{
	return !n || n->type == NODE_SCALAR || n->type == NODE_BAD || !n->n;
}

static bool expect(struct reader *rd, const struct node *n, enum node_type type, const char *expected)
{
	if (n && n->type == NODE_BAD)
		return false;
	if (!n || node_is_null(n) || n->type == type)
		return true;
	reader_error(rd, n, NULL, "is %s; give %s",
		     n->type == NODE_SCALAR ? "a single value"
		     : n->type == NODE_MAP  ? "a mapping"
					    : "a list",
		     expected);
	return false;
}

/* Room for the items of a list or mapping; NULL when there are too many, which is said, or no memory. */
static char *items_alloc(struct reader *rd, const struct schema_field *f, const struct node *n)
{
	if (f->max && n->n > f->max) {
		reader_error(rd, n, NULL, "has %zu entries; at most %llu", n->n, (unsigned long long)f->max);
		return NULL;
	}
	return reader_alloc(rd, n->n, f->sub->size);
}

static void read_list(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	size_t i = 0;
	char *items;

	if (!expect(rd, n, NODE_LIST, "a list (lines that start with \"- \")") || is_empty(n))
		return;
	items = items_alloc(rd, f, n);
	if (!items)
		return;
	for (const struct node *c = n->first; c; c = c->next, i++) {
		void *item = items + i * f->sub->size;

		reader_push(rd, NULL, 0, i);
		if (expect(rd, c, NODE_MAP, "a mapping such as {name: value}")) {
			if (f->sub->init)
				f->sub->init(rd, item, c, (unsigned)i);
			read_fields(rd, f->sub, c, item);
		}
		reader_pop(rd);
	}
	*(char **)(void *)((char *)base + f->offset) = items;
	*(size_t *)(void *)((char *)base + f->count_offset) = n->n;
}

static void read_dict_item(struct reader *rd, const struct schema *s, const struct node *c, void *item, unsigned which)
{
	const char *broken = s->name_rule ? s->name_rule(c->key, c->key_len) : NULL;
	char *name;

	if (broken) {
		struct node at = {.line = c->key_line, .column = c->key_column};

		reader_error(rd, &at, NULL, "%s", broken);
	}
	name = reader_strndup(rd, c->key, c->key_len);
	memcpy((char *)item + s->name_offset, &name, sizeof(name));
	if (!expect(rd, c, NODE_MAP, "a mapping such as {name: value}"))
		return;
	if (s->init)
		s->init(rd, item, c, which);
	read_fields(rd, s, c, item);
}

static void read_dict(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	size_t i = 0;
	char *items;

	if (!expect(rd, n, NODE_MAP, "a mapping by name") || is_empty(n))
		return;
	items = items_alloc(rd, f, n);
	if (!items)
		return;
	for (const struct node *c = n->first; c; c = c->next, i++) {
		reader_push(rd, c->key, c->key_len, 0);
		read_dict_item(rd, f->sub, c, items + i * f->sub->size, (unsigned)i);
		reader_pop(rd);
	}
	*(char **)(void *)((char *)base + f->offset) = items;
	*(size_t *)(void *)((char *)base + f->count_offset) = n->n;
}

static const struct schema_choice *choice_find(const struct schema_choice *c, const char *name, size_t len)
{
	for (; c->name; c++)
		if (strlen(c->name) == len && !memcmp(c->name, name, len))
			return c;
	return NULL;
}

static void read_table(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	if (!expect(rd, n, NODE_MAP, "a mapping by name") || is_empty(n))
		return;
	for (const struct node *c = n->first; c; c = c->next) {
		const struct schema_choice *choice = choice_find(f->choices, c->key, c->key_len);
		char *item = (char *)base + f->offset;
		char hint[240];

		reader_push(rd, c->key, c->key_len, 0);
		if (!choice) {
			struct node at = {.line = c->key_line, .column = c->key_column};

			schema_suggest_choice(f->choices, c->key, c->key_len, hint, sizeof(hint));
			reader_error(rd, &at, NULL, "is not known here; %s", hint);
		} else if (expect(rd, c, NODE_MAP, "a mapping such as {name: value}")) {
			item += choice->value * f->sub->size;
			if (f->sub->init)
				f->sub->init(rd, item, c, choice->value);
			read_fields(rd, f->sub, c, item);
		}
		reader_pop(rd);
	}
}

static void unknown_key(struct reader *rd, const struct schema *s, const struct node *c)
{
	struct node at = {.line = c->key_line, .column = c->key_column};
	char hint[240];

	reader_push(rd, c->key, c->key_len, 0);
	if (c->key_len == 2 && !memcmp(c->key, "<<", 2)) {
		reader_error(rd, &at, NULL, "merge keys are not supported; write the values out");
	} else {
		schema_suggest_field(s, c->key, c->key_len, hint, sizeof(hint));
		reader_error(rd, &at, NULL, "is not known here; %s", hint);
	}
	reader_pop(rd);
}

/* Which child goes to which field; the first of duplicates (an error already) counts. */
static uint64_t match_fields(struct reader *rd, const struct schema *s, const struct node *n,
			     const struct node *found[64])
{
	uint64_t given = 0;

	for (const struct node *c = n->first; c; c = c->next) {
		size_t i = 0;

		while (i < s->n_fields &&
		       (strlen(s->fields[i].name) != c->key_len || memcmp(s->fields[i].name, c->key, c->key_len) != 0))
			i++;
		if (i == s->n_fields) {
			unknown_key(rd, s, c);
		} else if (!(given & 1ull << i)) {
			given |= 1ull << i;
			found[i] = c;
		}
	}
	return given;
}

static void read_fields(struct reader *rd, const struct schema *s, const struct node *n, void *base)
{
	const struct node *found[64];
	uint64_t given = n && n->type == NODE_MAP ? match_fields(rd, s, n, found) : 0;

	for (size_t i = 0; i < s->n_fields; i++) {
		const struct schema_field *f = &s->fields[i];

		if (!(given & 1ull << i) && f->required) {
			reader_error(rd, n, f->name, "is missing: %s", f->help);
			continue;
		}
		reader_push(rd, f->name, strlen(f->name), 0);
		read_field(rd, f, given & 1ull << i ? found[i] : NULL, base);
		reader_pop(rd);
	}
	if (s->check)
		s->check(rd, base, n && n->type == NODE_MAP ? n : NULL, given);
}

static void read_default(struct reader *rd, const struct schema_field *f, void *base)
{
	struct node n = {.type = NODE_SCALAR, .plain = true, .text = f->def};

	if (!f->def)
		return;
	n.len = strlen(f->def);
	schema_read_value(rd, f, &n, base);
}

static void read_field(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	switch (f->type) {
	case SCHEMA_MAP:
		if (!expect(rd, n, NODE_MAP, "a section with its own lines"))
			n = NULL;
		read_fields(rd, f->sub, n, (char *)base + f->offset);
		break;
	case SCHEMA_LIST:
		read_list(rd, f, n, base);
		break;
	case SCHEMA_DICT:
		read_dict(rd, f, n, base);
		break;
	case SCHEMA_TABLE:
		read_table(rd, f, n, base);
		break;
	case SCHEMA_REF:
	case SCHEMA_CUSTOM:
		f->read(rd, f, n, base);
		break;
	default:
		if (n && n->type != NODE_BAD)
			schema_read_value(rd, f, n, base);
		else if (!n)
			read_default(rd, f, base);
		break;
	}
}

void schema_read(struct reader *rd, const struct schema *s, const struct node *n, void *base)
{
	if (expect(rd, n, NODE_MAP, "a mapping: lines such as \"name: value\""))
		read_fields(rd, s, n, base);
}
