/* tollgate-sim: options, sockets, threads, signals. */
#include "sim/table.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const char usage_text[] =
	"usage: tollgate-sim [options]\n"
	"A simulated provider that speaks the dialects of OpenAI, Anthropic, Gemini and Azure.\n\n"
	"  --address ADDRESS        listen here (default 127.0.0.1)\n"
	"  --port PORT              0 = any free one, which is printed (default 9000)\n"
	"  --threads N              1 to 64 (default 1)\n"
	"  --latency-ms N           wait before each answer (default 0)\n"
	"  --chunks N               content chunks of a stream (default 16)\n"
	"  --chunk-interval-ms N    between chunks (default 0: as many in one write as fit)\n"
	"  --answer-bytes N         least length of an answer's text (default: one word per chunk)\n"
	"  --require-key[=KEY]      401 without a key in the dialect's header (without this one)\n"
	"  --tls-cert FILE, --tls-key FILE   speak TLS\n"
	"  --help\n\n"
	"Paths, by dialect:\n"
	"  OpenAI     POST /v1/chat/completions, /v1/responses, /v1/embeddings; GET /v1/models[/ID]\n"
	"  Anthropic  POST /v1/messages\n"
	"  Gemini     POST /v1beta/models/M:generateContent, :streamGenerateContent?alt=sse, the same under /v1; GET\n"
	"             /v1beta/models[/ID]\n"
	"  Azure      POST /openai/deployments/D/chat/completions, .../embeddings (?api-version=...);\n"
	"             /openai/v1/chat/completions, /openai/v1/responses, /openai/v1/embeddings, GET /openai/v1/models\n"
	"  GET /_sim/stats            counters, and the tokens reported\n"
	"  GET /_sim/last?model=M     the last request for a model\n"
	"  POST /_sim/script?model=M  the body's scenarios (\"error-500*5 ok*3 hang\") are met by the model's next "
	"requests\n"
	"  DELETE /_sim/script        forgets all scripts (?model=M: that one)\n\n"
	"The model's name chooses a scenario, or else the end user's (OpenAI's user, Anthropic's metadata.user_id); "
	"any\n"
	"other model is served like sim-ok and echoed:\n";

enum {
	OPT_ADDRESS = 256,
	OPT_PORT,
	OPT_THREADS,
	OPT_LATENCY,
	OPT_CHUNKS,
	OPT_INTERVAL,
	OPT_ANSWER_BYTES,
	OPT_REQUIRE_KEY,
	OPT_TLS_CERT,
	OPT_TLS_KEY,
	OPT_HELP,
};

static const struct option options[] = {
	{"address", required_argument, NULL, OPT_ADDRESS},
	{"port", required_argument, NULL, OPT_PORT},
	{"threads", required_argument, NULL, OPT_THREADS},
	{"latency-ms", required_argument, NULL, OPT_LATENCY},
	{"chunks", required_argument, NULL, OPT_CHUNKS},
	{"chunk-interval-ms", required_argument, NULL, OPT_INTERVAL},
	{"answer-bytes", required_argument, NULL, OPT_ANSWER_BYTES},
	{"require-key", optional_argument, NULL, OPT_REQUIRE_KEY},
	{"tls-cert", required_argument, NULL, OPT_TLS_CERT},
	{"tls-key", required_argument, NULL, OPT_TLS_KEY},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

static _Noreturn void usage_die(const char *why, const char *arg)
{
	fprintf(stderr, "tollgate-sim: %s%s\ntry: tollgate-sim --help\n", why, arg);
	exit(2);
}

static unsigned number(const char *text, unsigned least, unsigned most)
{
	uint64_t v;

	if (num_parse_u64(text, strlen(text), &v) < 0 || v < least || v > most) {
		fprintf(stderr, "tollgate-sim: '%s' is not a number from %u to %u\n", text, least, most);
		exit(2);
	}
	return (unsigned)v;
}

static _Noreturn void help(void)
{
	struct buf b = BUF_INIT;

	buf_puts(&b, usage_text);
	sim_scenario_help(&b);
	fwrite(b.data, 1, b.len, stdout);
	buf_done(&b);
	exit(0);
}

static void options_read(int argc, char **argv, struct sim_config *c)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case OPT_ADDRESS:
			c->address = optarg;
			break;
		case OPT_PORT:
			c->port = number(optarg, 0, 65535);
			break;
		case OPT_THREADS:
			c->threads = number(optarg, 1, SIM_THREADS_MAX);
			break;
		case OPT_LATENCY:
			c->latency_ms = number(optarg, 0, 600000);
			break;
		case OPT_CHUNKS:
			c->chunks = number(optarg, 1, SIM_WORDS_MAX);
			break;
		case OPT_INTERVAL:
			c->chunk_interval_ms = number(optarg, 0, 600000);
			break;
		case OPT_ANSWER_BYTES:
			c->answer_bytes = number(optarg, 1, SIM_WORDS_MAX);
			break;
		case OPT_REQUIRE_KEY:
			c->require_key = true;
			c->key = optarg;
			break;
		case OPT_TLS_CERT:
			c->tls_cert = optarg;
			break;
		case OPT_TLS_KEY:
			c->tls_key = optarg;
			break;
		case OPT_HELP:
			help();
		default:
			exit(2);
		}
	}
	if (optind < argc)
		usage_die("unexpected argument: ", argv[optind]);
	if (!c->tls_cert != !c->tls_key)
		usage_die("--tls-cert and --tls-key come together", "");
}

static SSL_CTX *tls_new(const struct sim_config *c, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, c->tls_cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, c->tls_key, SSL_FILETYPE_PEM) != 1) {
		err_set(err, ERR_INVAL, "TLS: %s and %s: %s", c->tls_cert, c->tls_key,
			ERR_reason_error_string(ERR_peek_last_error()));
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

static int listen_on(const char *address, unsigned port, int *ret_fd, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE}, *ai;
	int fd, one = 1, rc;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(address, service, &hints, &ai);
	if (rc)
		return err_set(err, ERR_INVAL, "address %s: %s", address, gai_strerror(rc));
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 4096) < 0) {
		rc = err_errno(err, errno, "listen on %s port %u", address, port);
		closep(&fd);
		freeaddrinfo(ai);
		return rc;
	}
	freeaddrinfo(ai);
	*ret_fd = fd;
	return 0;
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return 0;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
					     : ((struct sockaddr_in *)&a)->sin_port);
}

static int worker_init(struct sim_worker *w, struct sim_worker *all, const struct sim_config *c, SSL_CTX *tls,
		       struct sim_table *table, unsigned port, struct err *err)
{
	int fd = -1, rc;

	w->config = c;
	w->tls = tls;
	w->table = table;
	w->all = all;
	w->next_id = (uint64_t)(w - all) << 48;
	rc = loop_new(&w->loop, err);
	if (rc == 0)
		rc = listen_on(c->address, port, &fd, err);
	return rc < 0 ? rc : sim_worker_listen(w, fd, err);
}

static void *worker_main(void *arg)
{
	struct sim_worker *w = arg;
	struct err err;

	if (loop_run(w->loop, &err) < 0) {
		fprintf(stderr, "tollgate-sim: %s\n", err.msg);
		exit(1);
	}
	return NULL;
}

/* Every thread's loop runs; the main thread waits for a signal, which it alone takes. */
static int serve(struct sim_worker *workers, unsigned n)
{
	pthread_t threads[SIM_THREADS_MAX];
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* Before "listening" is said: who reads that may send a signal at once. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	printf("listening on %s:%u\n", workers->config->address, workers->config->port);
	fflush(stdout);
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, worker_main, &workers[i]) != 0)
			return 1;
	sigwait(&set, &sig);
	for (unsigned i = 0; i < n; i++)
		loop_stop(workers[i].loop);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static void files_raise(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

int main(int argc, char **argv)
{
	struct sim_config config = {.address = "127.0.0.1", .port = 9000, .threads = 1, .chunks = 16};
	struct sim_worker *workers;
	struct sim_table *table = sim_table_new();
	struct err err = {0};
	SSL_CTX *tls = NULL;
	int rc;

	options_read(argc, argv, &config);
	signal(SIGPIPE, SIG_IGN);
	files_raise();
	sim_text_init();
	workers = calloc(config.threads, sizeof(*workers));
	if (!workers || !table || (config.tls_cert && !(tls = tls_new(&config, &err))))
		goto failed;
	for (unsigned i = 0; i < config.threads; i++) {
		/* A port of 0 becomes the one that the first thread got. */
		if (worker_init(&workers[i], workers, &config, tls, table, config.port, &err) < 0)
			goto failed;
		config.port = port_of(workers[i].listener.fd);
	}
	rc = serve(workers, config.threads);
	for (unsigned i = 0; i < config.threads; i++)
		sim_worker_done(&workers[i]);
	free(workers);
	sim_table_free(table);
	SSL_CTX_free(tls);
	return rc;
failed:
	fprintf(stderr, "tollgate-sim: %s\n", err.msg[0] ? err.msg : "out of memory");
	return 1;
}
