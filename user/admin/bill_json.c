#include "admin/bill_json.h"

#include <stdio.h>
#include <string.h>

static const struct {
	unsigned bit;
	const char *name;
} usage_flags[] = {
	{USAGE_FLAG_STREAM, "stream"},       {USAGE_FLAG_INCONSISTENT, "inconsistent"},
	{USAGE_FLAG_MALFORMED, "malformed"}, {USAGE_FLAG_CLIENT_GONE, "client_gone"},
	{USAGE_FLAG_BROKEN, "broken"},       {USAGE_FLAG_EXPIRED, "expired"},
};
static const char *const route_names[] = {
#define X(sym, name) name,
	TG_ROUTES(X)
#undef X
};

/* ---- accounts' names */

static int add_name(const struct account *a, void *arg)
{
	struct account_names *names = arg;
	struct account_name *row;

	if (names->n == names->room) {
		size_t room = names->room ? 2 * names->room : 64;

		row = reallocarray(names->rows, room, sizeof(*row));
		if (!row)
			return ERR_NOMEM;
		names->rows = row;
		names->room = room;
	}
	row = &names->rows[names->n++];
	row->id = a->id;
	row->kind = a->kind;
	memcpy(row->name, a->name, sizeof(row->name));
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct account_name *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

int account_names_load(struct store *books, struct account_names *ret, struct err *err)
{
	int rc;

	*err = (struct err){.code = ERR_NOMEM, .msg = "out of memory"};
	rc = store_account_each(books, add_name, ret, err);
	if (rc == 0 && ret->n)
		qsort(ret->rows, ret->n, sizeof(*ret->rows), by_id);
	return rc;
}

void account_names_done(struct account_names *names)
{
	free(names->rows);
}

const struct account_name *account_names_find(const struct account_names *names, int64_t id)
{
	struct account_name key = {.id = id};

	return names->n ? bsearch(&key, names->rows, names->n, sizeof(key), by_id) : NULL;
}

/* ---- rules */

const struct price_rule *rule_cache_get(struct rule_cache *cache, struct store *books, int64_t id)
{
	struct price_rule *more;
	struct err err;

	if (!id)
		return NULL;
	for (size_t i = 0; i < cache->n; i++)
		if (cache->rules[i].id == id)
			return &cache->rules[i];
	more = reallocarray(cache->rules, cache->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	cache->rules = more;
	if (store_price_rule_get(books, id, &more[cache->n], &err) < 0)
		return NULL;
	return &more[cache->n++];
}

void rule_cache_done(struct rule_cache *cache)
{
	free(cache->rules);
}

/* ---- numbers as text */

/* v / 10^decimals, without the zeros at its end, but with two decimals at least. */
static json_t *decimal_json(unsigned __int128 v, bool negative, unsigned decimals)
{
	char digits[64];
	size_t at = sizeof(digits);
	unsigned place = 0;

	digits[--at] = '\0';
	for (; v || place <= decimals; place++, v /= 10) {
		char digit = (char)('0' + (unsigned)(v % 10));

		if (place == decimals && place)
			digits[--at] = '.';
		if (place < decimals && place + 2 < decimals && digit == '0' && !digits[at])
			continue;
		digits[--at] = digit;
	}
	if (negative)
		digits[--at] = '-';
	return json_string(&digits[at]);
}

json_t *money_json(int64_t nano)
{
	char text[MONEY_TEXT_MAX];

	money_format(nano, text);
	return json_string(text);
}

json_t *request_json(const struct request_id *id)
{
	char text[REQUEST_ID_TEXT];

	request_id_format(id, text);
	return json_string(text);
}

json_t *e4_json(uint32_t e4)
{
	return decimal_json(e4, false, 4);
}

static json_t *e12_json(int64_t e12)
{
	return decimal_json((unsigned __int128)(e12 < 0 ? -(__int128)e12 : e12), e12 < 0, 12);
}

/* ---- records */

static json_t *flags_json(unsigned flags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(usage_flags); i++)
		if (flags & usage_flags[i].bit)
			json_array_append_new(list, json_string(usage_flags[i].name));
	return list;
}

static json_t *tokens_json(const struct usage *u)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I}", "input", (json_int_t)u->input_tokens, "cached_input",
			 (json_int_t)u->cached_input_tokens, "cache_write", (json_int_t)u->cache_write_tokens, "output",
			 (json_int_t)u->output_tokens, "reasoning", (json_int_t)u->reasoning_tokens);
}

json_t *usage_json(const struct usage_record *r, const char *tenant, const struct price_rule *rule)
{
	return json_pack("{s:I,s:o,s:s,s:s,s:o,s:s,s:s,s:s,s:I,s:I,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:I}", "id",
			 (json_int_t)r->id, "request", request_json(&r->request_id), "tenant", tenant, "key", r->key_id,
			 "route", json_string(r->route < TG_ROUTE_COUNT ? route_names[r->route] : ""), "model",
			 rule ? rule->model : "", "provider", rule ? rule->provider : "", "upstream_model",
			 rule ? rule->upstream_model : "", "admitted_ms", (json_int_t)r->admitted_ms, "posted_ms",
			 (json_int_t)r->posted_ms, "status", r->status, "source",
			 json_string(books_source_name(r->source)), "flags", flags_json(r->flags), "tokens",
			 tokens_json(&r->usage), "hold", money_json(r->hold_nano), "cost", money_json(r->cost_nano),
			 "price", money_json(r->price_nano), "rule", (json_int_t)r->rule_id, "latency_us",
			 (json_int_t)r->latency_us, "bytes", (json_int_t)r->bytes);
}

static json_t *account_json(const struct account_names *names, int64_t id)
{
	const struct account_name *a = account_names_find(names, id);

	if (!a)
		return json_sprintf("account %lld", (long long)id);
	return a->kind == ACCOUNT_TENANT || a->kind == ACCOUNT_PAYABLE
		       ? json_sprintf("%s:%s", books_account_kind_name(a->kind), a->name)
		       : json_string(books_account_kind_name(a->kind));
}

json_t *transfer_json(const struct transfer *t, const struct account_names *names, int64_t tenant_account,
		      const struct request_id *request)
{
	json_t *o = json_pack("{s:I,s:I,s:o,s:o,s:o,s:o}", "id", (json_int_t)t->id, "time_ms", (json_int_t)t->time_ms,
			      "kind", json_string(books_transfer_name(t->kind)), "from",
			      account_json(names, t->debit_account), "to", account_json(names, t->credit_account),
			      "amount", money_json(t->amount_nano));

	if (tenant_account)
		json_object_set_new(o, "change",
				    money_json(t->credit_account == tenant_account ? t->amount_nano : -t->amount_nano));
	if (request)
		json_object_set_new(o, "request", request_json(request));
	json_object_set_new(o, "actor", json_string(t->actor));
	json_object_set_new(o, "ref", json_string(t->ref));
	json_object_set_new(o, "note", json_string(t->note));
	return o;
}

json_t *rule_json(const struct price_rule *r)
{
	json_t *rates = json_object();

	for (unsigned i = 0; i < TOKEN_CLASSES; i++)
		json_object_set_new(rates, price_class_name((enum token_class)i), money_json(r->rate_nano[i]));
	return json_pack("{s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "id",
			 (json_int_t)r->id, "book", (json_int_t)r->book_id, "effective_ms", (json_int_t)r->effective_ms,
			 "currency", r->currency, "provider", r->provider, "upstream_model", r->upstream_model, "model",
			 r->model, "tier", r->tier, "formula", price_formula_name(r->formula), "supply",
			 price_supply_name(r->supply), "supply_pinned", r->supply_pinned, "rates", rates, "base_margin",
			 e4_json(r->base_margin_e4), "tier_margin", e4_json(r->tier_margin_e4), "model_factor",
			 e4_json(r->model_factor_e4), "supply_factor", e4_json(r->supply_factor_e4), "min_margin",
			 e4_json(r->min_margin_e4), "max_margin", e4_json(r->max_margin_e4));
}

json_t *steps_json(const struct price_steps *s)
{
	static const char *const clamps[] = {
		[PRICE_CLAMP_NONE] = "none", [PRICE_CLAMP_MIN] = "min", [PRICE_CLAMP_MAX] = "max"};
	json_t *classes = json_array();

	for (unsigned i = 0; i < TOKEN_CLASSES; i++)
		json_array_append_new(classes,
				      json_pack("{s:s,s:I,s:o,s:o}", "class", price_class_name((enum token_class)i),
						"tokens", (json_int_t)s->class[i].tokens, "rate",
						money_json(s->class[i].rate_nano), "exact",
						decimal_json(s->class[i].exact_femto, false, 15)));
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:s,s:o}", "classes", classes, "cost_exact",
			 decimal_json(s->cost_exact, false, 15), "cost", money_json(s->cost_nano), "margin",
			 e12_json(s->margin_e12), "margin_used", e12_json(s->margin_used_e12), "clamp",
			 clamps[s->clamp], "price", money_json(s->price_nano));
}

static json_t *difference_json(const struct store_difference *d, const struct account_names *names)
{
	static const struct request_id none;
	json_t *o = json_pack("{s:s,s:s,s:o,s:o}", "kind", d->kind, "text", d->text, "expected",
			      money_json(d->expected_nano), "found", money_json(d->found_nano));

	if (memcmp(&d->request_id, &none, sizeof(none)) != 0)
		json_object_set_new(o, "request", request_json(&d->request_id));
	if (d->account_id)
		json_object_set_new(o, "account", account_json(names, d->account_id));
	return o;
}

json_t *report_json(const struct books_report *r, const struct account_names *names)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_first; i++)
		json_array_append_new(list, difference_json(&r->first[i], names));
	return json_pack("{s:I,s:I,s:I,s:I,s:o}", "records_checked", (json_int_t)r->records_checked, "differences",
			 (json_int_t)r->differences, "started_ms", (json_int_t)r->started_ms, "took_ms",
			 (json_int_t)r->took_ms, "first", list);
}

/* ---- parameters */

bool body_amount(struct admin_call *c, const json_t *o, const char *name, enum amount_kind kind, bool required,
		 int64_t *ret_nano)
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v);
	int64_t nano = 0;
	struct err err;

	if (!v && !required) {
		*ret_nano = 0;
		return true;
	}
	if (!s) {
		reply_error(c, 400, "invalid", "%s must be a string such as \"12.50\"%s", name,
			    json_is_number(v) ? ", not a JSON number: numbers lose digits on their way" : "");
		return false;
	}
	if (money_parse(s, json_string_length(v), &nano, &err) < 0) {
		reply_error(c, 400, "invalid", "%s: %s", name, err.msg);
		return false;
	}
	if ((kind == AMOUNT_POSITIVE && nano <= 0) || (kind == AMOUNT_NOT_NEGATIVE && nano < 0) ||
	    (kind == AMOUNT_SIGNED && nano == 0)) {
		reply_error(c, 400, "invalid",
			    kind == AMOUNT_POSITIVE       ? "%s must be above zero"
			    : kind == AMOUNT_NOT_NEGATIVE ? "%s must not be below zero"
							  : "%s must not be zero",
			    name);
		return false;
	}
	*ret_nano = nano;
	return true;
}

#define PAGE_DEFAULT 100u
#define PAGE_MAX 1000u

bool query_page(struct admin_call *c, struct page *ret)
{
	uint64_t before, limit;
	struct err err;

	if (query_number(c, "before", &before, &err) < 0 || query_number(c, "limit", &limit, &err) < 0) {
		reply_err(c, &err);
		return false;
	}
	if (limit > PAGE_MAX || before > INT64_MAX) {
		reply_error(c, 400, "invalid", "limit is at most %u, before an id of the list", PAGE_MAX);
		return false;
	}
	ret->before = (int64_t)before;
	ret->limit = limit ? (size_t)limit : PAGE_DEFAULT;
	return true;
}

void reply_page(struct admin_call *c, const char *name, json_t *list, const struct page *page, int64_t last_id)
{
	bool more = json_array_size(list) == page->limit;

	reply_json(c, 200, json_pack("{s:o,s:o}", name, list, "next", more ? json_integer(last_id) : json_null()));
}
