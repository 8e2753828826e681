#include "fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
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
	(void)t;
	(void)err;
	return 0;
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
	cr_assert_eq(loop_new(&loop, &err), 0);
	cr_assert_eq(http_server_new(loop, &o, &admin_handler, fx.admin, &server, &err), 0, "%s", err.msg);
	cr_assert_eq(http_listen_tcp("127.0.0.1", 0, false, &tcp, &err), 0, "%s", err.msg);
	cr_assert_eq(getsockname(tcp, (struct sockaddr *)&a, &len), 0);
	fx.port = ntohs(a.sin_port);
	cr_assert_eq(http_listen_unix(fx.socket, 0600, &un, &err), 0, "%s", err.msg);
	cr_assert_eq(http_server_add_listener(server, tcp, &err), 0);
	cr_assert_eq(http_server_add_listener(server, un, &err), 0);
	cr_assert_eq(pthread_create(&thread, NULL, run, NULL), 0);
}

void fixture_start(void)
{
	static uint8_t pepper[CRYPTO_PEPPER_LEN], token[32];
	struct store_opts so = STORE_OPTS_DEFAULT;
	struct admin_opts o = {.pepper = pepper,
			       .token = token,
			       .ops = {policy_apply, policy_current, tenant_put, key_put, key_put, key_find, reason_of,
				       reason_text, verdicts, status, NULL}};
	char path[128];
	struct err err;

	memset(&fx, 0, sizeof(fx));
	memset(token, 7, sizeof(token));
	snprintf(fx.dir, sizeof(fx.dir), "/tmp/tg-admin-XXXXXX");
	cr_assert(mkdtemp(fx.dir));
	snprintf(fx.socket, sizeof(fx.socket), "%s/sock", fx.dir);
	snprintf(path, sizeof(path), "%s/db", fx.dir);
	so.sha256 = crypto_sha256;
	cr_assert_eq(store_open(path, &so, &fx.store, &err), 0, "%s", err.msg);
	cr_assert_eq(kernel_open_memory(&fx.kernel, &err), 0);
	cr_assert_eq(metrics_new(1, &fx.metrics, &err), 0);
	o.store = fx.store;
	o.kernel = fx.kernel;
	o.metrics = fx.metrics;
	cr_assert_eq(admin_new(&o, &fx.admin, &err), 0);
	start_server();
}

void fixture_stop(void)
{
	char command[128];

	loop_stop(loop);
	pthread_join(thread, NULL);
	http_server_free(server);
	loop_free(loop);
	admin_free(fx.admin);
	metrics_free(fx.metrics);
	kernel_close(fx.kernel);
	store_close(fx.store);
	policy_free(fx.policy);
	snprintf(command, sizeof(command), "rm -rf %s", fx.dir);
	cr_assert_eq(system(command), 0);
}

static struct reply exchange(int fd, const char *method, const char *path, const char *extra, const char *body)
{
	struct reply r = {0};
	struct buf b = BUF_INIT;
	char *text, *at;
	ssize_t n;

	cr_assert_geq(fd, 0);
	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method,
		   path, extra ? extra : "", body ? strlen(body) : 0, body ? body : "");
	cr_assert_eq(send(fd, b.data, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
	buf_reset(&b);
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

struct reply ask(const char *method, const char *path, const char *extra, const char *body)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", fx.socket);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return exchange(fd, method, path, extra, body);
}

struct reply ask_tcp(const char *method, const char *path, const char *extra, const char *body)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(fx.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return exchange(fd, method, path, extra, body);
}

void reply_done(struct reply *r)
{
	json_decref(r->json);
	free(r->body);
}
