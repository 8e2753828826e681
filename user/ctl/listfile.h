/* List entries as people write them: on the command line, or one a line in a file. */
#ifndef CTL_LISTFILE_H
#define CTL_LISTFILE_H

#include "base/buf.h"
#include "conf/policy.h"

struct list_item {
	struct policy_list_entry cidr; /* its `reason` isn't used */
	uint64_t ttl_ns;               /* 0 = never ends */
	const char *reason;            /* borrowed; "" = none */
};

struct list_items {
	struct list_item *items;
	size_t n, cap;
};
void list_items_done(struct list_items *l);
int list_items_add(struct list_items *l, const struct list_item *item) MUST_CHECK;

struct list_error {
	unsigned line;
	char msg[200];
};
/* Bounded: past LIST_ERRORS_MAX errors are only counted. */
#define LIST_ERRORS_MAX 50
struct list_errors {
	struct list_error first[LIST_ERRORS_MAX];
	size_t n;
};

/* "CIDR [TTL|- [REASON...]]" a line, # starts a comment. Lines without TTL or reason get `ttl_ns` and `reason`. The
 * text is cut up in place and has to outlive the items. Wrong lines go to *errors; the result is 0 or ERR_NOMEM. */
int listfile_parse(char *text, size_t len, uint64_t ttl_ns, const char *reason, struct list_items *ret,
		   struct list_errors *errors) MUST_CHECK;

/* Items as a request's body. Text when it can say all of them, else JSON; *ret_type is the Content-Type. */
void listfile_encode(const struct list_item *items, size_t n, struct buf *out, const char **ret_type);

#endif
