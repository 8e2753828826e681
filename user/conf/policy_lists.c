/* Addresses and prefixes: text, order, and the lists of a policy.
 *
 * Invariants (tests cite them):
 *  PL1  The lists of a parsed policy are sorted by policy_entry_compare and hold no entry twice.
 *  PL2  No entry is in both lists: the allow list would win, and the other would do nothing.
 */
#include "conf/policy_lists.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define REASON_MAX 95 /* as the store and the kernel's table of reasons have it */

/* ---- text */

static uint32_t word_mask(unsigned prefix_len, unsigned word)
{
	unsigned from = word * 32;

	if (prefix_len <= from)
		return 0;
	if (prefix_len >= from + 32)
		return UINT32_MAX;
	return htonl(UINT32_MAX << (32 - (prefix_len - from)));
}

/* Clears the bits below the prefix; false when there were none. */
static bool mask_host_bits(struct policy_list_entry *e)
{
	bool had = false;

	for (unsigned i = 0; i < (e->v6 ? 4u : 1u); i++) {
		uint32_t mask = word_mask(e->prefix_len, i);

		had |= (e->addr[i] & ~mask) != 0;
		e->addr[i] &= mask;
	}
	return had;
}

void policy_format_cidr(const struct policy_list_entry *e, char buf[64])
{
	char addr[INET6_ADDRSTRLEN] = "?";

	inet_ntop(e->v6 ? AF_INET6 : AF_INET, e->addr, addr, sizeof(addr));
	snprintf(buf, 64, "%s/%u", addr, e->prefix_len);
}

static bool is_mapped(const struct policy_list_entry *e)
{
	return e->v6 && !e->addr[0] && !e->addr[1] && e->addr[2] == htonl(0xffff);
}

int policy_parse_cidr(const char *s, size_t len, struct policy_list_entry *ret, struct err *err)
{
	struct policy_list_entry e = {0};
	const char *slash = memchr(s, '/', len);
	size_t addr_len = slash ? (size_t)(slash - s) : len;
	char addr[INET6_ADDRSTRLEN + 1], network[64];
	uint64_t prefix;

	if (!addr_len || addr_len >= sizeof(addr) || memchr(s, '\0', len))
		return err_set(err, ERR_INVAL, "\"%.*s\" is no address; write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32",
			       len > 60 ? 60 : (int)len, s);
	memcpy(addr, s, addr_len);
	addr[addr_len] = '\0';
	e.v6 = memchr(addr, ':', addr_len) != NULL;
	if (inet_pton(e.v6 ? AF_INET6 : AF_INET, addr, e.addr) != 1)
		return err_set(err, ERR_INVAL, "\"%.*s\" is no address; write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32",
			       len > 60 ? 60 : (int)len, s);
	prefix = e.v6 ? 128 : 32;
	if (slash && (num_parse_u64(slash + 1, len - addr_len - 1, &prefix) < 0 || prefix > (e.v6 ? 128 : 32)))
		return err_set(err, ERR_INVAL, "\"%.*s\" has a bad prefix length; from 0 to %d",
			       len > 60 ? 60 : (int)len, s, e.v6 ? 128 : 32);
	e.prefix_len = (uint8_t)prefix;
	if (mask_host_bits(&e)) {
		policy_format_cidr(&e, network);
		return err_set(err, ERR_INVAL,
			       "%.*s has bits set below its prefix; the network is %s, the one address %s",
			       len > 60 ? 60 : (int)len, s, network, addr);
	}
	/* Packets never carry such a source; the entry would match nothing. */
	if (is_mapped(&e) && e.prefix_len >= 96) {
		inet_ntop(AF_INET, &e.addr[3], network, sizeof(network));
		return err_set(err, ERR_INVAL, "%s is an IPv4 address in IPv6 form; write %s/%u", addr, network,
			       e.prefix_len - 96u);
	}
	*ret = e;
	return 0;
}

int policy_entry_compare(const struct policy_list_entry *a, const struct policy_list_entry *b)
{
	if (a->v6 != b->v6)
		return a->v6 ? 1 : -1;
	for (unsigned i = 0; i < (a->v6 ? 4u : 1u); i++)
		if (a->addr[i] != b->addr[i])
			return ntohl(a->addr[i]) < ntohl(b->addr[i]) ? -1 : 1;
	return (a->prefix_len > b->prefix_len) - (a->prefix_len < b->prefix_len);
}

/* ---- reading */

/* While both lists are read: where each entry stands. */
struct placed {
	struct policy_list_entry e;
	const struct node *n;
};

static void read_cidr(struct reader *rd, const struct node *n, struct placed *p)
{
	struct err err;

	if (!reader_scalar(rd, n, "an address or network such as 10.0.0.0/8"))
		return;
	if (policy_parse_cidr(n->text, n->len, &p->e, &err) < 0) {
		reader_error(rd, n, NULL, "%.300s", err.msg);
		return;
	}
	p->n = n;
}

static void read_cidr_field(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	(void)f;
	if (n)
		read_cidr(rd, n, base);
}

static const struct schema_field entry_fields[] = {
	{.name = "cidr",
	 .type = SCHEMA_REF,
	 .read = read_cidr_field,
	 .required = true,
	 .help = "Address or network, IPv4 or IPv6, host bits zero. An entry may be this text alone."},
	{.name = "reason",
	 .type = SCHEMA_STRING,
	 .offset = offsetof(struct placed, e.reason),
	 .max = REASON_MAX,
	 .def_text = "none",
	 .help = "Shown with refusals, in lists and by `explain`."},
};
static const struct schema entry_schema = {
	.fields = entry_fields, .n_fields = ARRAY_SIZE(entry_fields), .size = sizeof(struct placed)};

static int placed_compare(const void *pa, const void *pb)
{
	const struct placed *a = pa, *b = pb;
	int c = policy_entry_compare(&a->e, &b->e);

	if (c)
		return c;
	if (a->n->line != b->n->line)
		return a->n->line < b->n->line ? -1 : 1;
	return (a->n->column > b->n->column) - (a->n->column < b->n->column);
}

static size_t read_entries(struct reader *rd, const struct node *list, struct placed *to)
{
	size_t n = 0, i = 0;

	for (const struct node *c = list->first; c; c = c->next, i++) {
		struct placed *p = &to[n];

		reader_push(rd, NULL, 0, i);
		*p = (struct placed){0};
		if (c->type == NODE_MAP)
			schema_read(rd, &entry_schema, c, p);
		else
			read_cidr(rd, c, p);
		n += p->n != NULL;
		reader_pop(rd);
	}
	return n;
}

/* PL1 */
static size_t sort_entries(struct reader *rd, struct placed *p, size_t n)
{
	size_t kept = 0;
	char text[64];

	qsort(p, n, sizeof(*p), placed_compare);
	for (size_t i = 0; i < n; i++) {
		if (!kept || policy_entry_compare(&p[kept - 1].e, &p[i].e) != 0) {
			p[kept++] = p[i];
			continue;
		}
		policy_format_cidr(&p[i].e, text);
		reader_error(rd, p[i].n, NULL, "%s is listed twice, first on line %u; keep one", text,
			     p[kept - 1].n->line);
	}
	return kept;
}

/* PL2; `rd` stands at lists.block. */
static void check_both(struct reader *rd, const struct policy *p, const struct placed *block, size_t n)
{
	size_t a = 0;
	char text[64];

	for (size_t i = 0; i < n; i++) {
		while (a < p->n_allow && policy_entry_compare(&p->allow[a], &block[i].e) < 0)
			a++;
		if (a == p->n_allow)
			return;
		if (policy_entry_compare(&p->allow[a], &block[i].e) != 0)
			continue;
		policy_format_cidr(&block[i].e, text);
		reader_error(rd, block[i].n, NULL, "%s is on the allow list too, which wins; keep it in one of them",
			     text);
	}
}

static void read_list(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	struct policy *p = base;
	bool allow = f->offset == offsetof(struct policy, allow);
	struct policy_list_entry *entries;
	_cleanup_(freep) struct placed *placed = NULL;
	size_t count;

	if (!n || n->type == NODE_BAD || node_is_null(n))
		return;
	if (n->type != NODE_LIST) {
		reader_error(rd, n, NULL, "is %s; give a list (lines that start with \"- \")",
			     n->type == NODE_MAP ? "a mapping" : "a single value");
		return;
	}
	if (!n->n)
		return;
	placed = malloc(n->n * sizeof(*placed));
	entries = reader_alloc(rd, n->n, sizeof(*entries));
	if (!placed || !entries) {
		rd->nomem = true;
		return;
	}
	count = read_entries(rd, n, placed);
	count = sort_entries(rd, placed, count);
	for (size_t i = 0; i < count; i++)
		entries[i] = placed[i].e;
	if (!allow)
		check_both(rd, p, placed, count);
	*(allow ? &p->allow : &p->block) = entries;
	*(allow ? &p->n_allow : &p->n_block) = count;
}

static const struct schema_field lists_fields[] = {
	{.name = "allow",
	 .type = SCHEMA_CUSTOM,
	 .offset = offsetof(struct policy, allow),
	 .read = read_list,
	 .sub = &entry_schema,
	 .def_text = "empty",
	 .help = "Sources that pass whatever else says; keep the operators' networks here."},
	{.name = "block",
	 .type = SCHEMA_CUSTOM,
	 .offset = offsetof(struct policy, block),
	 .read = read_list,
	 .sub = &entry_schema,
	 .def_text = "empty",
	 .help = "Sources whose packets are dropped."},
};

const struct schema policy_lists_schema = {.fields = lists_fields, .n_fields = ARRAY_SIZE(lists_fields)};
