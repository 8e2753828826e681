/* What a file may hold, as tables: the reader, the checks and the reference page are driven by them. Private to the
 * room.
 *
 * Invariants (tests cite them):
 *  T1  A default is written in the table as a person would write it, and is read by the same code as a value of
 *      the file: the reference can't name another default than the one in force.
 *  T2  A value that breaks a rule is an error with its place, and reading goes on: all errors of a file are found.
 *  T3  A secret's text is in no error.
 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include "conf/tree.h"

#include <stdint.h>

/* Text for people, and the destination at `offset`. */
#define SCHEMA_TYPES(X)                                                                                                \
	X(BOOL, "bool")            /* bool */                                                                          \
	X(UINT, "integer")         /* unsigned */                                                                      \
	X(COUNT, "integer")        /* uint64_t */                                                                      \
	X(SIZE, "size")            /* unsigned */                                                                      \
	X(SIZE64, "size")          /* uint64_t */                                                                      \
	X(DURATION_S, "duration")  /* unsigned */                                                                      \
	X(DURATION_MS, "duration") /* unsigned */                                                                      \
	X(DURATION_US, "duration") /* unsigned */                                                                      \
	X(DURATION_NS, "duration") /* uint64_t */                                                                      \
	X(E4, "decimal")           /* uint32_t: ten-thousandths */                                                     \
	X(MONEY, "amount")         /* int64_t: nano-units */                                                           \
	X(TIME, "time")            /* int64_t: Unix milliseconds */                                                    \
	X(CURRENCY, "currency")    /* char[CURRENCY_MAX] */                                                            \
	X(MODE, "file mode")       /* unsigned */                                                                      \
	X(CHOICE, "one of")        /* unsigned: its value */                                                           \
	X(FLAG, "one of")          /* bool: its value */                                                               \
	X(WORD, "one of")          /* char *: its name */                                                              \
	X(STRING, "text")          /* char * */                                                                        \
	X(NAME, "name")            /* char[max + 1] */                                                                 \
	X(PATH, "path")            /* char * */                                                                        \
	X(FILE, "file")            /* char *, must be readable */                                                      \
	X(URL, "URL")              /* char * */                                                                        \
	X(SECRET, "secret")        /* char * */                                                                        \
	X(ADDRESS, "address")      /* struct conf_listen */                                                            \
	X(REF, "reference")        /* by `read` */                                                                     \
	X(MAP, "section")          /* `sub`, in place */                                                               \
	X(LIST, "list")            /* array of `sub` */                                                                \
	X(DICT, "map by name")     /* array of `sub`, the name at sub->name_offset */                                  \
	X(TABLE, "map by choice")  /* `sub`[value of the choice], in place */                                          \
	X(CUSTOM, "list")          /* by `read` */

enum schema_type {
#define X(sym, name) SCHEMA_##sym,
	SCHEMA_TYPES(X)
#undef X
		SCHEMA_TYPE_COUNT,
};

struct schema_choice {
	const char *name; /* NULL ends a table */
	unsigned value;
};

struct reader;

struct schema_field {
	const char *name;
	enum schema_type type;
	size_t offset;
	size_t count_offset;  /* LIST, DICT: where the number of elements goes (size_t) */
	uint64_t min, max;    /* of the value; characters of text; elements of LIST and DICT (max 0 = no bound) */
	const char *def;      /* T1; NULL = none */
	const char *def_text; /* for the reference where `def` can't say it */
	bool required;
	const struct schema_choice *choices; /* COUNT and SIZE64: words that stand for a number */
	const struct schema *sub;
	/* REF, CUSTOM: n is NULL when absent. */
	void (*read)(struct reader *rd, const struct schema_field *f, const struct node *n, void *base);
	const char *help;
};

struct schema {
	const struct schema_field *fields;
	size_t n_fields; /* at most 64 */
	size_t size;     /* of an element of LIST, DICT, TABLE */
	size_t name_offset;
	const char *name_text; /* how the reference calls the name: "NAME" */
	/* DICT: the rule that a name breaks, or NULL. */
	const char *(*name_rule)(const char *name, size_t len);
	/* Before the fields of an element are read; `which` is the element's ordinal or choice. */
	void (*init)(struct reader *rd, void *base, const struct node *n, unsigned which);
	/* After: what no single field can say. `given` has bit i set when fields[i] was in the file. */
	void (*check)(struct reader *rd, void *base, const struct node *n, uint64_t given);
};

struct segment {
	const char *name; /* NULL: a list's index */
	size_t len;
	size_t index;
};

struct reader {
	struct conf_errors *errs;
	struct arena *arena; /* of the result */
	const char *folder;  /* relative paths are meant from here; NULL = as they are */
	void *root;          /* struct conf or struct policy: for hooks */
	struct segment path[TREE_DEPTH_MAX + 2];
	unsigned depth;
	bool nomem;
};

/* Reads a whole file's tree (NULL = nothing but defaults) into base. Look at rd->nomem and rd->errs afterwards. */
void schema_read(struct reader *rd, const struct schema *s, const struct node *n, void *base);

/* For hooks. Errors carry the reader's path; `field` (may be NULL) is appended to it. */
void reader_error(struct reader *rd, const struct node *n, const char *field, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* An error was reported at this very node: its value is not to be looked at. */
bool reader_has_error(const struct reader *rd, const struct node *n);
void reader_push(struct reader *rd, const char *name, size_t len, size_t index);
void reader_pop(struct reader *rd);
/* Into the arena; NULL sets rd->nomem. */
void *reader_alloc(struct reader *rd, size_t n, size_t size);
char *reader_strndup(struct reader *rd, const char *s, size_t len);
/* An absolute or folder-relative path's text in the arena. */
char *reader_path(struct reader *rd, const char *s, size_t len);
/* The scalar's text, or NULL after an error that says what is expected. */
const char *reader_scalar(struct reader *rd, const struct node *n, const char *expected);
/* ", did you mean \"x\"?" for the nearest of the choices or fields, else a list of all. */
void schema_suggest_field(const struct schema *s, const char *word, size_t len, char *buf, size_t size);
void schema_suggest_choice(const struct schema_choice *c, const char *word, size_t len, char *buf, size_t size);
void schema_suggest_add(const char *candidate, const char *word, size_t len, const char **best, size_t *best_cost);

/* One value of a scalar type (schema_value.c). */
void schema_read_value(struct reader *rd, const struct schema_field *f, const struct node *n, void *base);
/* The number v that was read with rc is within the field's range, else an error says which that is. */
bool schema_in_range(struct reader *rd, const struct schema_field *f, const struct node *n, int rc, uint64_t v);
/* Decimals, amounts, times, currencies (schema_exact.c). */
void schema_read_exact(struct reader *rd, const struct schema_field *f, const struct node *n, void *base);
void schema_format_exact(enum schema_type type, uint64_t value, char buf[64]);
/* A value's text as a person would write it, for ranges, the reference and differences. buf[64]. */
void schema_format(const struct schema_field *f, uint64_t value, char buf[64]);

extern const struct schema conf_schema, policy_schema;

#endif
