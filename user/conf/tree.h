/* A YAML file as a tree whose nodes know their place. Private to the room.
 *
 * Invariants (tests cite them):
 *  Y1  Memory and time are linear in the text: no aliases (so no expansion), bounded bytes, nodes and depth.
 *  Y2  Every node has line and column from 1, columns in characters.
 *  Y3  A mapping's keys are distinct, or there is an error.
 */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include "base/arena.h"
#include "conf/errors.h"

#include <stdbool.h>

#define TREE_DEPTH_MAX 24

enum node_type {
	NODE_SCALAR,
	NODE_MAP,
	NODE_LIST,
	NODE_BAD, /* an error about it has been reported: nobody needs to look at it */
};

struct node {
	enum node_type type;
	bool plain; /* scalar without quotes */
	unsigned line, column;
	struct node *next; /* sibling */
	union {
		struct node *first; /* of a map or list */
		const char *text;   /* of a scalar: NUL-terminated, without NUL inside */
	};
	union {
		size_t n;   /* children */
		size_t len; /* of text */
	};
	const char *key; /* of a map's child; NULL in a list */
	size_t key_len;
	unsigned key_line, key_column;
};

struct tree_bounds {
	size_t bytes_max, nodes_max;
};

/* The nodes live in the arena. Errors that leave a tree to look at (a tag, an alias, a duplicate key) are added to
 * errs and 0 is returned; *ret is NULL for an empty file. ERR_INVAL: there is no tree, errs says why. ERR_NOMEM. */
int tree_parse(const char *text, size_t len, const struct tree_bounds *bounds, struct arena *arena, struct node **ret,
	       struct conf_errors *errs) MUST_CHECK;

/* Absent value: empty, ~ or null. */
bool node_is_null(const struct node *n);
/* A map's child or NULL. Linear. */
const struct node *node_get(const struct node *map, const char *key);

#endif
