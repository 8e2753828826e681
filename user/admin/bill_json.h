/* Money and what it is made of as JSON. Amounts are strings (M5): a JSON number would lose digits. */
#ifndef ADMIN_BILL_JSON_H
#define ADMIN_BILL_JSON_H

#include "admin/internal.h"

#include "ledger/books.h"
#include "model/request_id.h"
#include "price/price.h"

/* Whose accounts they are: the books' accounts by id. */
struct account_names {
	struct account_name {
		int64_t id;
		enum account_kind kind;
		char name[ACCOUNT_NAME_MAX];
	} * rows; /* sorted by id */
	size_t n, room;
};
int account_names_load(struct store *books, struct account_names *ret, struct err *err) MUST_CHECK;
void account_names_done(struct account_names *names);
/* NULL: no such account. */
const struct account_name *account_names_find(const struct account_names *names, int64_t id);

/* Rules that a list of records refers to; few, so each is read once. */
struct rule_cache {
	struct price_rule *rules;
	size_t n;
};
/* NULL: no such rule. */
const struct price_rule *rule_cache_get(struct rule_cache *cache, struct store *books, int64_t id);
void rule_cache_done(struct rule_cache *cache);

json_t *money_json(int64_t nano);
json_t *request_json(const struct request_id *id);
/* "0.25", "1.20", "0.3333". */
json_t *e4_json(uint32_t e4);
/* `rule` may be NULL. */
json_t *usage_json(const struct usage_record *r, const char *tenant, const struct price_rule *rule);
/* tenant_account: whose statement line it is; adds "change", signed. 0: none. request may be NULL. */
json_t *transfer_json(const struct transfer *t, const struct account_names *names, int64_t tenant_account,
		      const struct request_id *request);
json_t *rule_json(const struct price_rule *r);
json_t *steps_json(const struct price_steps *s);
json_t *report_json(const struct books_report *r, const struct account_names *names);

enum amount_kind { AMOUNT_POSITIVE, AMOUNT_SIGNED, AMOUNT_NOT_NEGATIVE };
/* A decimal string of the body's object; false: answered. When it isn't required and isn't there *ret is 0. */
bool body_amount(struct admin_call *c, const json_t *o, const char *name, enum amount_kind kind, bool required,
		 int64_t *ret_nano);

/* before= and limit= of lists: newest first. false: answered. */
struct page {
	int64_t before;
	size_t limit;
};
bool query_page(struct admin_call *c, struct page *ret);
/* {"<name>": list, "next": id of the last row or null}; takes the list. */
void reply_page(struct admin_call *c, const char *name, json_t *list, const struct page *page, int64_t last_id);

#endif
