/* Routes of the control API and who may use them. */
#include "admin/internal.h"

#include <string.h>

struct admin_route {
	const char *method, *path; /* "{}" stands for one part */
	void (*handle)(struct admin_call *c);
	bool open; /* no token needed */
	enum job_lane lane;
	bool billing; /* needs the books */
};

/* Here, so that the rows stay one line each. */
#define LANE_SHORT false, JOB_SHORT, true
#define LANE_LONG false, JOB_LONG, true
#define NOW_BILLING false, JOB_NONE, true

static const struct admin_route routes[] = {
	{"GET", "/healthz", handle_health, true, JOB_NONE, false},
	{"GET", "/readyz", handle_ready, true, JOB_NONE, false},
	{"GET", "/metrics", handle_metrics, true, JOB_NONE, false},
	{"GET", "/admin/v1/status", handle_status, false, JOB_NONE, false},
	{"GET", "/admin/v1/stats", handle_stats, false, JOB_NONE, false},
	{"GET", "/admin/v1/tenants", handle_tenants_list, false, JOB_NONE, false},
	{"POST", "/admin/v1/tenants", handle_tenant_create, false, JOB_NONE, false},
	{"POST", "/admin/v1/tenants/{}/disable", handle_tenant_disable, false, JOB_NONE, false},
	{"POST", "/admin/v1/tenants/{}/enable", handle_tenant_enable, false, JOB_NONE, false},
	{"POST", "/admin/v1/tenants/{}/tier", handle_tenant_tier, false, JOB_NONE, false},
	{"GET", "/admin/v1/keys", handle_keys_list, false, JOB_NONE, false},
	{"POST", "/admin/v1/keys", handle_key_create, false, JOB_NONE, false},
	{"POST", "/admin/v1/keys/{}/disable", handle_key_disable, false, JOB_NONE, false},
	{"POST", "/admin/v1/keys/{}/enable", handle_key_enable, false, JOB_NONE, false},
	{"DELETE", "/admin/v1/keys/{}", handle_key_delete, false, JOB_NONE, false},
	{"GET", "/admin/v1/lists/{}", handle_list_show, false, JOB_NONE, false},
	{"POST", "/admin/v1/lists/{}", handle_list_add, false, JOB_NONE, false},
	{"DELETE", "/admin/v1/lists/{}", handle_list_del, false, JOB_NONE, false},
	{"POST", "/admin/v1/policy/check", handle_policy_check, false, JOB_NONE, false},
	{"POST", "/admin/v1/policy/diff", handle_policy_diff, false, JOB_NONE, false},
	{"POST", "/admin/v1/policy/apply", handle_policy_apply, false, JOB_NONE, false},
	{"POST", "/admin/v1/policy/confirm", handle_policy_confirm, false, JOB_NONE, false},
	{"POST", "/admin/v1/policy/rollback", handle_policy_rollback, false, JOB_NONE, false},
	{"GET", "/admin/v1/policy", handle_policy_show, false, JOB_NONE, false},
	{"GET", "/admin/v1/policy/versions", handle_policy_versions, false, JOB_NONE, false},
	{"GET", "/admin/v1/limits", handle_limits, false, JOB_NONE, false},
	{"GET", "/admin/v1/explain", handle_explain, false, JOB_NONE, false},
	{"GET", "/admin/v1/breakers", handle_breakers_list, false, JOB_NONE, false},
	{"POST", "/admin/v1/breakers/{}/open", handle_breaker_open, false, JOB_NONE, false},
	{"POST", "/admin/v1/breakers/{}/close", handle_breaker_close, false, JOB_NONE, false},
	{"POST", "/admin/v1/breakers/{}/auto", handle_breaker_auto, false, JOB_NONE, false},
	{"GET", "/admin/v1/events", handle_events_list, false, JOB_NONE, false},
	{"GET", "/admin/v1/accounts", handle_accounts_list, NOW_BILLING},
	{"GET", "/admin/v1/accounts/{}", handle_account_show, NOW_BILLING},
	{"POST", "/admin/v1/accounts/{}/deposits", handle_account_deposit, LANE_SHORT},
	{"POST", "/admin/v1/accounts/{}/adjustments", handle_account_adjust, LANE_SHORT},
	{"POST", "/admin/v1/accounts/{}/refunds", handle_account_refund, LANE_SHORT},
	{"PUT", "/admin/v1/accounts/{}/credit-line", handle_account_credit_line, LANE_SHORT},
	{"GET", "/admin/v1/accounts/{}/transfers", handle_account_transfers, LANE_SHORT},
	{"GET", "/admin/v1/usage", handle_usage_list, LANE_SHORT},
	{"GET", "/admin/v1/prices", handle_prices_list, NOW_BILLING},
	{"GET", "/admin/v1/prices/quote", handle_prices_quote, NOW_BILLING},
	{"GET", "/admin/v1/bills/explain", handle_bill_explain, LANE_SHORT},
	{"GET", "/admin/v1/bills/holds", handle_bill_holds, LANE_SHORT},
	{"GET", "/admin/v1/bills/recoveries", handle_bill_recoveries, LANE_SHORT},
	{"POST", "/admin/v1/bills/reconcile", handle_bill_reconcile, LANE_LONG},
	{"GET", "/admin/v1/bills/discrepancies", handle_discrepancies_list, LANE_SHORT},
	{"POST", "/admin/v1/bills/discrepancies/{}/close", handle_discrepancy_close, LANE_SHORT},
	{"POST", "/admin/v1/bills/settlements", handle_settle, LANE_LONG},
	{"GET", "/admin/v1/bills/settlements", handle_settlements_list, LANE_SHORT},
	{"GET", "/admin/v1/bills/settlements/{}", handle_statement, LANE_LONG},
	{"PUT", "/admin/v1/bills/invoices/{}", handle_invoice_put, LANE_LONG},
	{"GET", "/admin/v1/bills/invoices/{}", handle_invoice_show, LANE_LONG},
	{"POST", "/admin/v1/backup", handle_backup, false, JOB_LONG, false},
};

static bool path_matches(const char *pattern, const char *path, char *part, size_t size)
{
	const char *hole = strstr(pattern, "{}"), *end;
	size_t before;

	if (!hole)
		return !strcmp(pattern, path);
	before = (size_t)(hole - pattern);
	if (strncmp(pattern, path, before) != 0)
		return false;
	end = strchr(path + before, '/');
	if (!end)
		end = path + strlen(path);
	return end > path + before && !strcmp(hole + 2, end) &&
	       percent_decode(path + before, (size_t)(end - path) - before, part, size);
}

/* M1. The token's comparison takes the same time wherever it differs. */
static bool is_operator(struct admin_call *c)
{
	struct sockaddr_storage peer;
	const char *given;
	unsigned count = 0;

	http_peer(c->x, &peer);
	if (peer.ss_family == AF_UNIX) {
		c->actor = "socket";
		return true;
	}
	given = http_request_header(c->x, "authorization", &count);
	if (!given || count != 1 || strncmp(given, "Bearer ", 7) != 0 || strlen(given + 7) != sizeof(c->a->token) - 1 ||
	    !crypto_equal(given + 7, c->a->token, sizeof(c->a->token) - 1))
		return false;
	c->actor = "token";
	return true;
}

static const char *method_of(const struct http_exchange *x)
{
	const char *m = http_method(x);

	return !strcmp(m, "HEAD") ? "GET" : m;
}

/* The route, or NULL with *ret_path_known. */
static const struct admin_route *find(struct admin_call *c, bool *ret_path_known)
{
	*ret_path_known = false;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!path_matches(routes[i].path, http_path(c->x), c->part, sizeof(c->part)))
			continue;
		*ret_path_known = true;
		if (!strcmp(routes[i].method, method_of(c->x)))
			return &routes[i];
	}
	return NULL;
}

/* Strangers are refused before their body is read. */
static void on_head(struct http_exchange *x, void *arg)
{
	struct admin_call c = {.a = arg, .x = x};
	bool known;
	const struct admin_route *r = find(&c, &known);

	if (r && r->open)
		return;
	if (strncmp(http_path(x), "/admin/", 7) == 0 && !is_operator(&c)) {
		reply_error(&c, 401, "unauthorized",
			    "The control API over TCP needs the token of admin.token in the state directory.");
		http_set_user(x, arg); /* answered */
		return;
	}
	if (!r) {
		reply_error(&c, known ? 405 : 404, known ? "method_not_allowed" : "not_found",
			    known ? "This method isn't allowed here." : "No such path.");
		http_set_user(x, arg);
	}
}

static void on_request(struct http_exchange *x, void *arg)
{
	struct admin_call c = {.a = arg, .x = x, .actor = "nobody", .query = http_query(x)};
	const struct admin_route *r;
	bool known;

	if (http_user(x))
		return;
	r = find(&c, &known);
	if (!r || (!r->open && !is_operator(&c))) {
		reply_error(&c, 404, "not_found", "No such path.");
		return;
	}
	http_body(x, &c.body, &c.body_len);
	if (r->billing && !c.a->o.ledger)
		reply_error(&c, 409, "billing_off", "Billing is off (billing.enabled in the configuration): no books.");
	else if (r->lane != JOB_NONE)
		job_start(&c, r->lane, r->handle); /* M4 */
	else
		r->handle(&c);
}

static void on_refuse(struct http_exchange *x, enum http_refusal why, void *arg)
{
	static const struct {
		int status;
		const char *code, *message;
	} rows[] = {
		[HTTP_REFUSE_BAD_REQUEST] = {400, "bad_request", "Not valid HTTP."},
		[HTTP_REFUSE_HEAD_TOO_LARGE] = {431, "head_too_large", "The request's head is too large."},
		[HTTP_REFUSE_BODY_TOO_LARGE] = {413, "body_too_large", "The request's body is too large."},
		[HTTP_REFUSE_TIMEOUT] = {408, "timeout", "The request did not arrive in time."},
		[HTTP_REFUSE_EXPECTATION] = {417, "expectation_failed", "Only 100-continue is known."},
		[HTTP_REFUSE_NO_MEMORY] = {503, "no_memory", "Out of memory."},
	};
	struct admin_call c = {.a = arg, .x = x};

	reply_error(&c, rows[why].status, rows[why].code, "%s", rows[why].message);
}

static void on_gone(struct http_exchange *x, void *arg)
{
	if (http_user(x) && http_user(x) != arg)
		job_forget(http_user(x));
	http_set_user(x, NULL);
}

static void on_finished(struct http_exchange *x, bool complete, uint64_t bytes_sent, void *arg)
{
	(void)complete;
	(void)bytes_sent;
	on_gone(x, arg);
}

const struct http_handler admin_handler = {
	.head = on_head,
	.request = on_request,
	.gone = on_gone,
	.finished = on_finished,
	.refuse = on_refuse,
};

int admin_new(const struct admin_opts *opts, struct admin **ret, struct err *err)
{
	static const char hex[] = "0123456789abcdef";
	struct admin *a = calloc(1, sizeof(*a));

	if (!a)
		return err_set(err, ERR_NOMEM, "no memory for the control API");
	if (jobs_init(a, err) < 0) {
		free(a);
		return ERR_NOMEM;
	}
	a->o = *opts;
	for (unsigned i = 0; i < 32; i++) {
		a->token[2 * i] = hex[opts->token[i] >> 4];
		a->token[2 * i + 1] = hex[opts->token[i] & 15];
	}
	*ret = a;
	return 0;
}

void admin_stop(struct admin *a)
{
	jobs_stop(a);
}

void admin_free(struct admin *a)
{
	if (!a)
		return;
	jobs_done(a);
	explicit_bzero(a->token, sizeof(a->token));
	free(a);
}
