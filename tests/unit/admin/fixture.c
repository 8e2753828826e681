#include "fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include "guard/breaker.h"
#include "price/price.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct fixture fx;
const char fixture_token[65] = "0707070707070707070707070707070707070707070707070707070707070707";

static struct loop *loop;
static struct http_server *server;
static pthread_t thread;

static int policy_apply(void *arg, struct policy *p, uint32_t *ret_generation, struct err *err)
{
	(void)arg;
	if (fx.refuse_policies)
		return err_set(err, ERR_FULL, "the map is full");
	policy_free(fx.policy);
	fx.policy = p;
	*ret_generation = ++fx.generation;
	return 0;
}

static const struct policy *policy_current(void *arg)
{
	(void)arg;
	return fx.policy;
}

static int tenant_put(void *arg, const struct tenant *t, struct err *err)
{
	(void)arg;
	fx.last_tenant = *t;
	return fx.ledger ? ledger_account_bind(fx.ledger, t->id, t->subject, 0, err) : 0;
}

static int key_put(void *arg, const struct api_key *k, struct err *err)
{
	(void)arg;
	(void)k;
	(void)err;
	return 0;
}

static bool key_find(void *arg, const uint8_t hash[KEY_HASH_LEN], char ret_id[KEY_ID_MAX])
{
	(void)arg;
	(void)hash;
	(void)ret_id;
	return false;
}

static uint16_t reason_of(void *arg, const char *text)
{
	(void)arg;
	(void)text;
	return 0;
}

static const char *reason_text(void *arg, uint16_t reason)
{
	(void)arg;
	(void)reason;
	return "";
}

static void verdicts(void *arg, uint64_t ret[TG_VERDICT_COUNT][TG_REASON_COUNT])
{
	(void)arg;
	memset(ret, 0, sizeof(uint64_t) * TG_VERDICT_COUNT * TG_REASON_COUNT);
}

static void status(void *arg, struct admin_status *ret)
{
	(void)arg;
	*ret = (struct admin_status){.workers = 3, .ready = true, .draining = fx.draining};
}

/* ---- prices */

static struct price_rule rule_of(const char *tier)
{
	return (struct price_rule){
		.book_id = 1,
		.currency = "USD",
		.provider = "sim",
		.upstream_model = "gpt-4o-2024-08-06",
		.model = FIXTURE_MODEL,
		.formula = PRICE_MARGIN,
		.supply = SUPPLY_BALANCED,
		.rate_nano = {MONEY_NANO, MONEY_NANO / 2, MONEY_NANO, 2 * MONEY_NANO},
		.base_margin_e4 = 2500,
		.tier_margin_e4 = !strcmp(tier, "enterprise") ? 4000
				  : !strcmp(tier, "growth")   ? 2500
							      : 1500,
		.model_factor_e4 = 12000,
		.supply_factor_e4 = 10000,
		.min_margin_e4 = 1500,
		.max_margin_e4 = 5000,
	};
}

static int prices_each(void *arg, const char *model, const char *tier, admin_price_cb cb, void *cb_arg, struct err *err)
{
	static const char *const tiers[] = {"enterprise", "free", "growth"};
	const struct admin_deployment d = {.provider = "sim",
					   .upstream_model = "gpt-4o-2024-08-06",
					   .weight = 1,
					   .measured = SUPPLY_SURPLUS,
					   .utilisation_e4 = 1234};

	(void)arg;
	if (model && strcmp(model, FIXTURE_MODEL) != 0)
		return err_set(err, ERR_NOT_FOUND, "there is no model '%s'", model);
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		struct price_rule r = rule_of(tiers[i]);
		int rc;

		snprintf(r.tier, sizeof(r.tier), "%s", tiers[i]);
		if (tier && strcmp(tier, tiers[i]) != 0)
			continue;
		rc = cb(&r, &d, cb_arg);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- breakers */

static int breakers_each(void *arg, admin_breaker_cb cb, void *cb_arg, struct err *err)
{
	(void)arg;
	if (fx.breakers_fail)
		return err_set(err, ERR_NOMEM, "no memory for breakers");
	for (size_t i = 0; i < fx.n_breakers; i++) {
		int rc = cb(&fx.breakers[i], cb_arg);

		if (rc)
			return rc;
	}
	return 0;
}

static int breaker_force(void *arg, const char *actor, const char *deployment, unsigned force, struct err *err)
{
	(void)arg;
	for (size_t i = 0; i < fx.n_breakers; i++) {
		struct admin_breaker *b = &fx.breakers[i];

		if (strcmp(b->deployment, deployment) != 0)
			continue;
		snprintf(fx.forced_by, sizeof(fx.forced_by), "%s", actor);
		b->force = force;
		b->state = force == BREAKER_FORCED_OPEN ? BREAKER_OPEN : BREAKER_CLOSED;
		b->until_ms = 0;
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "there is no deployment '%s'", deployment);
}

/* ---- calls, as a worker makes them */

struct making {
	const struct fixture_call *call;
	struct ledger_job job;
	int64_t rule_id;
	struct price_rule rule;
	sem_t done;
};

static int intern(struct store *s, void *arg, struct err *err)
{
	struct making *m = arg;

	return store_price_rule_intern(s, &m->rule, &m->rule_id, err);
}

static void committed(struct ledger_job *job, int rc)
{
	cr_assert_eq(rc, 0);
	sem_post(&CONTAINER_OF(job, struct making, job)->done);
}

/* On the loop's thread. */
static void make_call(void *arg)
{
	struct making *m = arg;
	const struct fixture_call *c = m->call;
	struct usage_record *r = &m->job.record;
	struct ledger_hold *hold;
	struct tenant t;
	struct err err;

	cr_assert_eq(store_tenant_get(fx.store, c->tenant, &t, &err), 0);
	*r = (struct usage_record){.rule_id = m->rule_id,
				   .key_id = "key_fixture",
				   .admitted_ms = 1790812800000,
				   .usage = c->usage,
				   .source = c->source,
				   .flags = c->flags,
				   .status = 200,
				   .latency_us = 1500,
				   .bytes = 321};
	for (unsigned i = 0; i < 4; i++)
		r->request_id.b[REQUEST_ID_BYTES - 1 - i] = (uint8_t)(c->n >> 8 * i);
	if (c->source != USAGE_NONE)
		cr_assert_eq(price_amounts(&m->rule, &c->usage, &r->cost_nano, &r->price_nano), 0);
	cr_assert_eq(
		ledger_hold_take(fx.ledger, 0, ledger_account_at(fx.ledger, t.subject),
				 &(struct ledger_hold_terms){.request_id = r->request_id,
							     .key_id = "key_fixture",
							     .amount_nano = c->hold_nano ? c->hold_nano : r->price_nano,
							     .admitted_ms = r->admitted_ms,
							     .expires_ms = INT64_MAX},
				 &hold, &err),
		0, "%s", err.msg);
	m->job.provider = r->cost_nano ? "sim" : NULL;
	m->job.done = committed;
	ledger_settle(fx.ledger, hold, &m->job);
}

void fixture_call(const struct fixture_call *call)
{
	struct making m = {.call = call, .rule = rule_of("growth")};
	struct err err;

	snprintf(m.rule.tier, sizeof(m.rule.tier), "growth");
	sem_init(&m.done, 0, 0);
	cr_assert_eq(ledger_run(fx.ledger, intern, &m, &err), 0, "%s", err.msg);
	cr_assert_eq(loop_post(loop, make_call, &m), 0);
	sem_wait(&m.done);
	sem_destroy(&m.done);
}

/* ---- a ledger that is busy */

static pthread_t blocker;
static sem_t blocked, release;

static int wait_for_release(struct store *s, void *arg, struct err *err)
{
	(void)s;
	(void)arg;
	(void)err;
	sem_post(&blocked);
	sem_wait(&release);
	return 0;
}

static void *block(void *arg)
{
	struct err err;

	(void)arg;
	(void)!ledger_run(fx.ledger, wait_for_release, NULL, &err);
	return NULL;
}

void fixture_block_ledger(void)
{
	sem_init(&blocked, 0, 0);
	sem_init(&release, 0, 0);
	cr_assert_eq(pthread_create(&blocker, NULL, block, NULL), 0);
	sem_wait(&blocked);
}

void fixture_release_ledger(void)
{
	sem_post(&release);
	pthread_join(blocker, NULL);
}

/* ---- starting and stopping */

static void *run(void *arg)
{
	struct err err;

	(void)arg;
	cr_assert_eq(loop_run(loop, &err), 0);
	return NULL;
}

static void start_server(void)
{
	struct http_server_opts o = HTTP_SERVER_OPTS_DEFAULT;
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	struct err err;
	int tcp, un;

	o.shards = 1;
	cr_assert_eq(http_server_new(loop, &o, &admin_handler, fx.admin, &server, &err), 0, "%s", err.msg);
	cr_assert_eq(http_listen_tcp("127.0.0.1", 0, false, &tcp, &err), 0, "%s", err.msg);
	cr_assert_eq(getsockname(tcp, (struct sockaddr *)&a, &len), 0);
	fx.port = ntohs(a.sin_port);
	cr_assert_eq(http_listen_unix(fx.socket, 0600, &un, &err), 0, "%s", err.msg);
	cr_assert_eq(http_server_add_listener(server, tcp, &err), 0);
	cr_assert_eq(http_server_add_listener(server, un, &err), 0);
	cr_assert_eq(pthread_create(&thread, NULL, run, NULL), 0);
}

static void start_ledger(const char *path)
{
	struct ledger_opts o = LEDGER_OPTS_DEFAULT;
	char holds[128];
	struct err err;

	snprintf(holds, sizeof(holds), "%s/holds", fx.dir);
	o.path = path;
	o.holds_path = holds;
	o.sha256 = crypto_sha256;
	o.holds_max = 64;
	cr_assert_eq(ledger_open(&o, &fx.ledger, &err), 0, "%s", err.msg);
	cr_assert_eq(ledger_lane_bind(fx.ledger, 0, loop, &err), 0, "%s", err.msg);
	cr_assert_eq(ledger_start(fx.ledger, &err), 0, "%s", err.msg);
}

static void start(bool billing)
{
	static char books[128];
	static uint8_t pepper[CRYPTO_PEPPER_LEN], token[32];
	struct store_opts so = STORE_OPTS_DEFAULT;
	struct admin_opts o = {.pepper = pepper,
			       .token = token,
			       .ops = {policy_apply, policy_current, tenant_put, key_put, key_put, key_find, reason_of,
				       reason_text, verdicts, status, prices_each, breakers_each, breaker_force, NULL}};
	static char path[128];
	struct err err;

	memset(&fx, 0, sizeof(fx));
	memset(token, 7, sizeof(token));
	snprintf(fx.dir, sizeof(fx.dir), "/tmp/tg-admin-XXXXXX");
	cr_assert(mkdtemp(fx.dir));
	snprintf(fx.socket, sizeof(fx.socket), "%s/sock", fx.dir);
	snprintf(path, sizeof(path), "%s/db", fx.dir);
	snprintf(books, sizeof(books), "%s/books", fx.dir);
	cr_assert_eq(loop_new(&loop, &err), 0);
	so.sha256 = crypto_sha256;
	cr_assert_eq(store_open(path, &so, &fx.store, &err), 0, "%s", err.msg);
	cr_assert_eq(kernel_open_memory(&fx.kernel, &err), 0);
	cr_assert_eq(metrics_new(1, &fx.metrics, &err), 0);
	o.store = fx.store;
	o.kernel = fx.kernel;
	o.metrics = fx.metrics;
	o.loop = loop;
	o.store_path = path;
	o.currency = "USD";
	if (billing) {
		start_ledger(books);
		o.ledger = fx.ledger;
		o.books_path = books;
	}
	cr_assert_eq(admin_new(&o, &fx.admin, &err), 0);
	start_server();
}

void fixture_start(void)
{
	start(true);
}

void fixture_start_without_billing(void)
{
	start(false);
}

void fixture_stop(void)
{
	char command[128];

	loop_stop(loop);
	pthread_join(thread, NULL);
	admin_stop(fx.admin);
	if (fx.ledger)
		ledger_stop(fx.ledger);
	http_server_free(server);
	loop_free(loop);
	admin_free(fx.admin);
	ledger_free(fx.ledger);
	metrics_free(fx.metrics);
	kernel_close(fx.kernel);
	store_close(fx.store);
	policy_free(fx.policy);
	snprintf(command, sizeof(command), "rm -rf %s", fx.dir);
	cr_assert_eq(system(command), 0);
}

static int send_request(int fd, const char *method, const char *path, const char *extra, const char *body)
{
	struct buf b = BUF_INIT;

	cr_assert_geq(fd, 0);
	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method,
		   path, extra ? extra : "", body ? strlen(body) : 0, body ? body : "");
	cr_assert_eq(send(fd, b.data, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
	buf_done(&b);
	return fd;
}

struct reply ask_end(int fd)
{
	struct reply r = {0};
	struct buf b = BUF_INIT;
	char *text, *at;
	ssize_t n;

	do {
		cr_assert_eq(buf_reserve(&b, 65536), 0);
		n = recv(fd, b.data + b.len, 65536, 0);
		if (n > 0)
			b.len += (size_t)n;
	} while (n > 0);
	close(fd);
	text = buf_steal(&b);
	cr_assert_eq(sscanf(text, "HTTP/1.1 %d", &r.status), 1, "%s", text);
	at = strstr(text, "\r\n\r\n");
	r.body = strdup(at ? at + 4 : "");
	r.json = json_loads(r.body, JSON_DECODE_ANY, NULL);
	free(text);
	return r;
}

static int connect_unix(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", fx.socket);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

int ask_begin(const char *method, const char *path, const char *body)
{
	return send_request(connect_unix(), method, path, NULL, body);
}

struct reply ask(const char *method, const char *path, const char *extra, const char *body)
{
	return ask_end(send_request(connect_unix(), method, path, extra, body));
}

struct reply ask_tcp(const char *method, const char *path, const char *extra, const char *body)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(fx.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return ask_end(send_request(fd, method, path, extra, body));
}

void reply_done(struct reply *r)
{
	json_decref(r->json);
	free(r->body);
}
