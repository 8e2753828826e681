#include "conf/tree.h"

#include "base/num.h"
#include "conf/utf8.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* A map's key whose value comes next. */
struct key {
	const char *text;
	size_t len;
	unsigned line, column;
};

struct frame {
	struct node *node;
	struct node *last; /* child */
	struct key key;
	bool skip_value; /* map: the key was no scalar; its value is not wanted either */
};

struct builder {
	struct arena *arena;
	char *chunk; /* nodes and texts are cut from it: the arena's blocks are too small for a large file */
	size_t chunk_left;
	struct conf_errors *errs;
	size_t nodes_left;
	struct frame stack[TREE_DEPTH_MAX];
	unsigned depth;
	unsigned skip; /* > 0: inside a key that is no scalar */
	struct node *root;
	unsigned documents;
};

#define CHUNK 65536u

static void *cut(struct builder *b, size_t size, size_t align)
{
	size_t pad = (size_t)(-(uintptr_t)b->chunk & (align - 1));
	char *p;

	if (size > CHUNK / 4)
		return arena_alloc(b->arena, size);
	if (!b->chunk || size + pad > b->chunk_left) {
		b->chunk = arena_alloc(b->arena, CHUNK);
		if (!b->chunk)
			return NULL;
		b->chunk_left = CHUNK;
		pad = 0;
	}
	p = b->chunk + pad;
	b->chunk += pad + size;
	b->chunk_left -= pad + size;
	return p;
}

static char *cut_text(struct builder *b, const yaml_event_t *ev)
{
	size_t len = ev->data.scalar.length;
	char *p = cut(b, len + 1, 1);

	if (p)
		memcpy(p, ev->data.scalar.value, len);
	return p;
}

static unsigned place(size_t mark)
{
	return mark >= UINT32_MAX ? UINT32_MAX : (unsigned)mark + 1;
}

/* The builder's place in the file, as the schema's reader would call it. */
static void path_format(const struct builder *b, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < b->depth && at < size; i++) {
		const struct frame *f = &b->stack[i];
		int n = 0;

		if (f->node->type == NODE_LIST)
			n = snprintf(buf + at, size - at, "[%zu]", f->node->n - (i + 1 < b->depth));
		else if (f->key.text)
			n = snprintf(buf + at, size - at, "%s%s", at ? "." : "", f->key.text);
		at += n > 0 ? (size_t)n : 0;
	}
}

static void error_at(struct builder *b, const yaml_mark_t *m, const char *msg)
{
	char path[160];

	path_format(b, path, sizeof(path));
	conf_errors_add(b->errs, place(m->line), place(m->column), path, "%s", msg);
}

static int stop_at(struct builder *b, const yaml_mark_t *m, const char *msg)
{
	error_at(b, m, msg);
	return ERR_INVAL;
}

static int node_new(struct builder *b, const yaml_event_t *ev, enum node_type type, struct node **ret)
{
	struct node *n;

	if (!b->nodes_left)
		return stop_at(b, &ev->start_mark, "too many values in one file");
	b->nodes_left--;
	n = cut(b, sizeof(*n), alignof(struct node));
	if (!n)
		return ERR_NOMEM;
	n->type = type;
	n->line = place(ev->start_mark.line);
	n->column = place(ev->start_mark.column);
	*ret = n;
	return 0;
}

/* Puts a finished or just opened node into its parent. */
static void attach(struct builder *b, struct node *n)
{
	struct frame *f;

	if (!b->depth) {
		b->root = n;
		return;
	}
	f = &b->stack[b->depth - 1];
	if (f->node->type == NODE_MAP) {
		if (f->skip_value) {
			f->skip_value = false;
			return;
		}
		n->key = f->key.text;
		n->key_len = f->key.len;
		n->key_line = f->key.line;
		n->key_column = f->key.column;
	}
	if (f->last)
		f->last->next = n;
	else
		f->node->first = n;
	f->last = n;
	f->node->n++;
}

/* After a value that opened nothing, or after one that closed. */
static void value_done(struct builder *b)
{
	if (b->depth)
		b->stack[b->depth - 1].key.text = NULL;
}

/* The next node is a map's key. */
static bool wants_key(const struct builder *b)
{
	const struct frame *f = b->depth ? &b->stack[b->depth - 1] : NULL;

	return f && f->node->type == NODE_MAP && !f->key.text && !f->skip_value;
}

static void refuse_extras(struct builder *b, const yaml_event_t *ev, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		error_at(b, &ev->start_mark, "anchors (&name) are not supported; write the value out where it is used");
	if (tag)
		error_at(b, &ev->start_mark, "tags (!type) are not supported; leave the tag out");
}

static int on_key(struct builder *b, const yaml_event_t *ev)
{
	char *text = cut_text(b, ev);

	if (!text)
		return ERR_NOMEM;
	refuse_extras(b, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
	if (memchr(text, '\0', ev->data.scalar.length))
		error_at(b, &ev->start_mark, "a key holds a NUL character (\\0), which none here may");
	b->stack[b->depth - 1].key = (struct key){.text = text,
						  .len = strlen(text),
						  .line = place(ev->start_mark.line),
						  .column = place(ev->start_mark.column)};
	return 0;
}

static int on_scalar(struct builder *b, const yaml_event_t *ev)
{
	struct node *n;
	int rc;

	if (wants_key(b))
		return on_key(b, ev);
	refuse_extras(b, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
	rc = node_new(b, ev, ev->data.scalar.anchor || ev->data.scalar.tag ? NODE_BAD : NODE_SCALAR, &n);
	if (rc < 0)
		return rc;
	n->len = ev->data.scalar.length;
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = cut_text(b, ev);
	if (!n->text)
		return ERR_NOMEM;
	if (memchr(n->text, '\0', n->len)) {
		error_at(b, &ev->start_mark, "holds a NUL character (\\0), which no value here may");
		n->type = NODE_BAD;
	}
	attach(b, n);
	value_done(b);
	return 0;
}

static int on_alias(struct builder *b, const yaml_event_t *ev)
{
	struct node *n;
	int rc;

	error_at(b, &ev->start_mark, "aliases (*name) are not supported; write the value out");
	if (wants_key(b)) {
		b->stack[b->depth - 1].skip_value = true;
		return 0;
	}
	rc = node_new(b, ev, NODE_BAD, &n);
	if (rc < 0)
		return rc;
	attach(b, n);
	value_done(b);
	return 0;
}

static int on_open(struct builder *b, const yaml_event_t *ev)
{
	bool map = ev->type == YAML_MAPPING_START_EVENT;
	struct node *n;
	int rc;

	if (wants_key(b)) {
		error_at(b, &ev->start_mark, "a key must be a plain word, not a list or mapping");
		b->stack[b->depth - 1].skip_value = true;
		b->skip = 1;
		return 0;
	}
	if (b->depth == TREE_DEPTH_MAX)
		return stop_at(b, &ev->start_mark, "nested too deep; nothing here needs more than a few levels");
	refuse_extras(b, ev, map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor,
		      map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag);
	rc = node_new(b, ev, map ? NODE_MAP : NODE_LIST, &n);
	if (rc < 0)
		return rc;
	attach(b, n);
	b->stack[b->depth++] = (struct frame){.node = n};
	return 0;
}

static int key_compare(const struct node *a, const struct node *b)
{
	size_t least = a->key_len < b->key_len ? a->key_len : b->key_len;
	int c = memcmp(a->key, b->key, least);

	return c ? c : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

/* By key, then by place. */
static int child_compare(const void *pa, const void *pb)
{
	const struct node *a = *(const struct node *const *)pa, *b = *(const struct node *const *)pb;
	int c = key_compare(a, b);

	if (c)
		return c;
	if (a->key_line != b->key_line)
		return a->key_line < b->key_line ? -1 : 1;
	return (a->key_column > b->key_column) - (a->key_column < b->key_column);
}

/* Y3 */
static int check_distinct(struct builder *b, const struct node *map)
{
	_cleanup_(freep) const struct node **sorted = NULL;
	const struct node *first = NULL;
	char path[160];
	size_t i = 0;

	if (map->n < 2)
		return 0;
	sorted = malloc(map->n * sizeof(*sorted));
	if (!sorted)
		return ERR_NOMEM;
	for (const struct node *c = map->first; c; c = c->next)
		sorted[i++] = c;
	qsort(sorted, map->n, sizeof(*sorted), child_compare);
	for (i = 0; i < map->n; i++) {
		const struct node *c = sorted[i];

		if (!first || key_compare(first, c) != 0) {
			first = c;
			continue;
		}
		path_format(b, path, sizeof(path));
		conf_errors_add(b->errs, c->key_line, c->key_column, path,
				"\"%.60s\" is given twice, first on line %u; keep one", c->key, first->key_line);
	}
	return 0;
}

static int on_close(struct builder *b)
{
	const struct node *n = b->stack[--b->depth].node;
	int rc = n->type == NODE_MAP ? check_distinct(b, n) : 0;

	value_done(b);
	return rc;
}

static int on_event(struct builder *b, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->documents++)
			return stop_at(b, &ev->start_mark, "a second document starts here; a file holds one");
		return 0;
	case YAML_SCALAR_EVENT:
		return b->skip ? 0 : on_scalar(b, ev);
	case YAML_ALIAS_EVENT:
		return b->skip ? 0 : on_alias(b, ev);
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		if (!b->skip)
			return on_open(b, ev);
		if (++b->skip > TREE_DEPTH_MAX)
			return stop_at(b, &ev->start_mark,
				       "nested too deep; nothing here needs more than a few levels");
		return 0;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		if (b->skip) {
			b->skip--;
			return 0;
		}
		return on_close(b);
	default:
		return 0;
	}
}

/* libyaml's own words, in our form. */
static int syntax_error(struct builder *b, const yaml_parser_t *p, const char *text, size_t len)
{
	const yaml_mark_t *m = &p->problem_mark;

	if (p->error == YAML_MEMORY_ERROR)
		return ERR_NOMEM;
	if (p->error == YAML_READER_ERROR) {
		struct utf8_place at = utf8_place_of(text, p->problem_offset < len ? p->problem_offset : len);

		conf_errors_add(b->errs, at.line, at.column, "", "not valid YAML: %s", p->problem);
		return ERR_INVAL;
	}
	if (m->index < len && utf8_is_ascii(text, len) && text[m->index] == '\t')
		return stop_at(b, m, "not valid YAML: a tab; indent with blanks");
	if (p->context)
		conf_errors_add(b->errs, place(m->line), place(m->column), "", "not valid YAML: %s %s (from line %u)",
				p->problem, p->context, place(p->context_mark.line));
	else
		conf_errors_add(b->errs, place(m->line), place(m->column), "", "not valid YAML: %s", p->problem);
	return ERR_INVAL;
}

static int run(struct builder *b, yaml_parser_t *p, const char *text, size_t len)
{
	for (;;) {
		yaml_event_t ev;
		bool end;
		int rc;

		if (!yaml_parser_parse(p, &ev))
			return syntax_error(b, p, text, len);
		end = ev.type == YAML_STREAM_END_EVENT;
		rc = on_event(b, &ev);
		yaml_event_delete(&ev);
		if (rc < 0 || end)
			return rc;
	}
}

/* What libyaml would refuse without a place, or not at all. */
static int check_text(const char *text, size_t len, const struct tree_bounds *bounds, struct conf_errors *errs)
{
	struct utf8_place at;
	size_t bad;

	if (len > bounds->bytes_max) {
		conf_errors_add(errs, 0, 0, "", "%zu bytes are too many; at most %zu", len, bounds->bytes_max);
		return ERR_INVAL;
	}
	bad = utf8_check(text, len);
	if (bad == len)
		return 0;
	at = utf8_place_of(text, bad);
	conf_errors_add(errs, at.line, at.column, "", "byte 0x%02x is not text in UTF-8", (unsigned char)text[bad]);
	return ERR_INVAL;
}

int tree_parse(const char *text, size_t len, const struct tree_bounds *bounds, struct arena *arena, struct node **ret,
	       struct conf_errors *errs)
{
	struct builder b = {.arena = arena, .errs = errs, .nodes_left = bounds->nodes_max};
	yaml_parser_t parser;
	int rc = check_text(text, len, bounds, errs);

	if (rc < 0)
		return rc;
	if (!yaml_parser_initialize(&parser))
		return ERR_NOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	rc = run(&b, &parser, text, len);
	yaml_parser_delete(&parser);
	if (rc < 0)
		return rc;
	*ret = b.root && node_is_null(b.root) ? NULL : b.root;
	return 0;
}

bool node_is_null(const struct node *n)
{
	return n->type == NODE_SCALAR && n->plain && (!n->len || !strcmp(n->text, "~") || !strcmp(n->text, "null"));
}

const struct node *node_get(const struct node *map, const char *key)
{
	size_t len = strlen(key);

	if (!map || map->type != NODE_MAP)
		return NULL;
	for (const struct node *c = map->first; c; c = c->next)
		if (c->key_len == len && !memcmp(c->key, key, len))
			return c;
	return NULL;
}
