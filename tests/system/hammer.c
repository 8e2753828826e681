/* Many clients of the gateway at once, each checking what it gets.
 *
 * hammer --host A --port P --requests N --connections C [--key K] [--keep-alive] [--split N] [--expect] [--pipeline]
 *        [--path /v1/...] [--model M] [--body-bytes N] [--stream] [--timeout-ms N] [--seconds N] [--ids FILE]
 *
 * Sends N requests over C concurrent clients. Without --keep-alive each request has a connection of its own and the client
 * closes after the answer, as curl does. Prints one JSON object: how many answers of each status, how many came from the NIC
 * (by their request id), and everything a well-behaved client must never see: resets, malformed or cut answers, time-outs.
 *
 * An answer is well-formed when it has a status line, header lines that end in CRLF, and exactly the body that its
 * Content-Length or chunking announces; a 429 or 403 must carry a JSON error object.
 *
 * --seconds ends it earlier, and makes refused connections wait a moment: the gateway may be down for a while. --ids appends
 * the request id of each 200 to a file once its end was seen: proof for the books.
 */
#include "base/clock.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define ANSWER_MAX (1u << 20)

struct options {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	const char *host, *key, *path, *model;
	unsigned port, connections, split, timeout_ms, seconds;
	const char *ids;
	uint64_t requests;
	size_t body_bytes;
	bool keep_alive, expect, pipeline, stream;
};

struct client {
	int fd; /* -1 = none */
	size_t sent;
	char *in;
	size_t in_len, in_cap;
	uint64_t started_ns, next_send_ns;
	unsigned answers_wanted; /* on this connection */
	bool fresh;              /* no answer yet on this connection */
	bool refused;            /* the connection was: pause */
};

struct tally {
	uint64_t status[600];
	uint64_t nic, resets, malformed, cut, timeouts, connect_failed, closed_idle, connects;
	uint64_t latency_ns_sum, latency_ns_max, done;
};

static struct options opt = {
	.host = "127.0.0.1",
	.port = 8080,
	.requests = 1,
	.connections = 1,
	.path = "/v1/chat/completions",
	.model = "gpt-4o-mini",
	.key = "",
	.body_bytes = 0,
	.timeout_ms = 30000,
};
static struct tally tally;
static FILE *ids;
static char *request;
static size_t request_len, head_len;
static uint64_t started, finished; /* requests */

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void request_make(void)
{
	size_t cap = opt.body_bytes + 2048, body_len, n;
	char *body = malloc(cap);

	request = malloc(cap + 2048);
	if (!body || !request)
		die("malloc");
	n = (size_t)snprintf(body, cap, "{\"model\":\"%s\",%s\"messages\":[{\"role\":\"user\",\"content\":\"", opt.model,
			     opt.stream ? "\"stream\":true," : "");
	while (n < opt.body_bytes)
		n += (size_t)snprintf(body + n, cap - n, "hello there ");
	n += (size_t)snprintf(body + n, cap - n, "\"}]}");
	body_len = n;
	head_len = (size_t)snprintf(request, cap,
				    "POST %s HTTP/1.1\r\nHost: %s:%u\r\nAuthorization: Bearer %s\r\n"
				    "Content-Type: application/json\r\nAccept: application/json\r\n%sContent-Length: %zu\r\n\r\n",
				    opt.path, opt.host, opt.port, opt.key, opt.expect ? "Expect: 100-continue\r\n" : "",
				    body_len);
	memcpy(request + head_len, body, body_len);
	request_len = head_len + body_len;
	free(body);
}

static void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->in_len = 0;
	c->sent = 0;
}

static void client_connect(int ep, struct client *c)
{
	int one = 1;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };

	c->fd = socket(opt.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	tally.connects++;
	c->fresh = true;
	if (connect(c->fd, (struct sockaddr *)&opt.addr, opt.addr_len) < 0 && errno != EINPROGRESS) {
		tally.connect_failed++;
		client_close(c);
		finished++;
		return;
	}
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll_ctl");
}

static void client_begin(int ep, struct client *c)
{
	if (started >= opt.requests)
		return;
	started++;
	c->started_ns = clock_mono_ns();
	c->sent = 0;
	c->in_len = 0;
	c->next_send_ns = 0;
	c->answers_wanted = opt.pipeline ? 2 : 1;
	if (opt.pipeline && started < opt.requests)
		started++;
	else
		c->answers_wanted = 1;
	if (c->fd < 0)
		client_connect(ep, c);
}

/* Sends what is due: with --split in pieces a millisecond apart, with --expect the body after 100 or an answer. */
static bool client_send(struct client *c)
{
	size_t total = request_len * c->answers_wanted;

	while (c->sent < total) {
		size_t at = c->sent % request_len, n = request_len - at;
		ssize_t w;

		if (opt.expect && at == head_len && !(c->in_len >= 12 && !memcmp(c->in, "HTTP/1.1 100", 12)))
			return true;
		if (opt.expect && at < head_len)
			n = head_len - at;
		if (opt.split) {
			if (clock_mono_ns() < c->next_send_ns)
				return true;
			if (n > opt.split)
				n = opt.split;
			c->next_send_ns = clock_mono_ns() + 1000000u;
		}
		w = send(c->fd, request + at, n, MSG_NOSIGNAL);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN || errno == EPIPE;
		c->sent += (size_t)w;
	}
	return true;
}

/* Length of a complete answer at the buffer's start, 0 = incomplete, -1 = malformed. */
static long answer_length(const char *b, size_t len, int *ret_status, bool *ret_close, const char **ret_body, size_t *ret_body_len)
{
	const char *end = memmem(b, len, "\r\n\r\n", 4);
	size_t head, content = 0;
	bool have_length = false, chunked = false;

	if (!end)
		return len > 65536 ? -1 : 0;
	head = (size_t)(end - b) + 4;
	if (len < 12 || memcmp(b, "HTTP/1.1 ", 9) != 0)
		return -1;
	*ret_status = atoi(b + 9);
	*ret_close = false;
	if (*ret_status < 100 || *ret_status > 599)
		return -1;
	for (const char *line = memmem(b, head, "\r\n", 2); line && line < end; line = memmem(line + 2, head - (size_t)(line + 2 - b), "\r\n", 2)) {
		const char *p = line + 2;

		if (!strncasecmp(p, "content-length:", 15)) {
			content = strtoul(p + 15, NULL, 10);
			have_length = true;
		} else if (!strncasecmp(p, "transfer-encoding: chunked", 26)) {
			chunked = true;
		} else if (!strncasecmp(p, "connection: close", 17)) {
			*ret_close = true;
		}
	}
	if (*ret_status == 100) {
		*ret_body = NULL;
		return (long)head;
	}
	if (chunked) {
		const char *last = memmem(b + head - 2, len - head + 2, "\r\n0\r\n\r\n", 7);

		*ret_body = b + head;
		*ret_body_len = last ? (size_t)(last - (b + head)) : 0;
		return last ? (long)(last + 7 - b) : 0;
	}
	if (!have_length)
		return -1;
	*ret_body = b + head;
	*ret_body_len = content;
	return len >= head + content ? (long)(head + content) : 0;
}

static void answer_count(struct client *c, int status, const char *body, size_t body_len)
{
	uint64_t took = clock_mono_ns() - c->started_ns;

	tally.status[status]++;
	tally.latency_ns_sum += took;
	if (took > tally.latency_ns_max)
		tally.latency_ns_max = took;
	tally.done++;
	finished++;
	if (memmem(c->in, (size_t)(body - c->in), "req_nic_", 8))
		tally.nic++;
	if (ids && status == 200) {
		const char *id = memmem(c->in, (size_t)(body - c->in), "req_", 4);

		if (!id || fprintf(ids, "%.28s\n", id) < 0)
			die("ids");
	}
	if (status >= 400 && (body_len < 2 || body[0] != '{' || !memmem(body, body_len, "\"error\"", 7)))
		tally.malformed++;
}

/* Reads all that is there. Returns false when the connection is done with. */
static bool client_read(struct client *c)
{
	bool eof = false;

	for (;;) {
		ssize_t r;

		if (c->in_cap - c->in_len < 4096) {
			size_t cap = c->in_cap ? c->in_cap * 2 : 16384;
			char *in = cap > ANSWER_MAX * 2 ? NULL : realloc(c->in, cap);

			if (!in)
				die("answer too large");
			c->in = in;
			c->in_cap = cap;
		}
		r = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len - 1, 0);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (r < 0) {
			if (errno == ECONNREFUSED) {
				tally.connect_failed++;
				c->refused = opt.seconds > 0;
			} else {
				tally.resets++;
			}
			finished += c->answers_wanted;
			return false;
		}
		if (r == 0) {
			eof = true;
			break;
		}
		c->in_len += (size_t)r;
	}
	while (c->in_len) {
		int status = 0;
		bool closes = false;
		const char *body = c->in;
		size_t body_len = 0;
		long n = answer_length(c->in, c->in_len, &status, &closes, &body, &body_len);

		if (n < 0) {
			tally.malformed++;
			finished += c->answers_wanted;
			return false;
		}
		if (n == 0)
			break;
		if (status == 100) {
			if (!client_send(c))
				return false;
			if (c->in_len == (size_t)n)
				break;
		} else {
			answer_count(c, status, body, body_len);
			c->answers_wanted--;
			c->fresh = false;
		}
		memmove(c->in, c->in + n, c->in_len - (size_t)n);
		c->in_len -= (size_t)n;
		if (status != 100 && closes) {
			finished += c->answers_wanted; /* pipelined ones behind a close are not owed an answer */
			return false;
		}
		if (status != 100 && c->answers_wanted == 0)
			return opt.keep_alive && !eof;
	}
	if (eof) {
		if (c->in_len)
			tally.cut++;
		else if (c->fresh)
			tally.cut++;
		else
			tally.closed_idle++;
		finished += c->answers_wanted;
		return false;
	}
	return true;
}

static void client_event(int ep, struct client *c, uint32_t events)
{
	if (c->fd < 0)
		return;
	if (events & (EPOLLOUT | EPOLLIN) && !client_send(c)) {
		tally.resets++;
		finished += c->answers_wanted;
		client_close(c);
	}
	if (c->fd >= 0 && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) && !client_read(c))
		client_close(c);
	if ((c->fd < 0 || c->answers_wanted == 0) && !c->refused)
		client_begin(ep, c);
	if (c->fd >= 0 && c->answers_wanted && c->sent < request_len)
		client_send(c);
}

static void run(void)
{
	struct client *clients = calloc(opt.connections, sizeof(*clients));
	struct epoll_event ev[256];
	int ep = epoll_create1(EPOLL_CLOEXEC);
	uint64_t swept_ns = clock_mono_ns(), end_ns = opt.seconds ? swept_ns + opt.seconds * UINT64_C(1000000000) : UINT64_MAX;

	if (!clients || ep < 0)
		die("setup");
	for (unsigned i = 0; i < opt.connections; i++) {
		clients[i].fd = -1;
		client_begin(ep, &clients[i]);
	}
	while (finished < opt.requests && clock_mono_ns() < end_ns) {
		int n = epoll_wait(ep, ev, ARRAY_SIZE(ev), opt.split ? 1 : 50);
		uint64_t now;

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			client_event(ep, ev[i].data.ptr, ev[i].events);
		now = clock_mono_ns();
		if (now - swept_ns < (opt.split ? 1000000u : 50000000u))
			continue;
		swept_ns = now;
		for (unsigned i = 0; i < opt.connections; i++) {
			struct client *c = &clients[i];

			c->refused = false;
			if (c->fd < 0 || !c->answers_wanted) {
				if (started < opt.requests)
					client_begin(ep, c);
				continue;
			}
			if (now - c->started_ns > opt.timeout_ms * UINT64_C(1000000)) {
				tally.timeouts++;
				finished += c->answers_wanted;
				client_close(c);
				client_begin(ep, c);
			} else if (c->sent < request_len * c->answers_wanted) {
				client_send(c);
			}
		}
	}
	for (unsigned i = 0; i < opt.connections; i++) {
		client_close(&clients[i]);
		free(clients[i].in);
	}
	free(clients);
	close(ep);
}

static void options_read(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "host", 1, 0, 'h' },	    { "port", 1, 0, 'p' },	 { "requests", 1, 0, 'n' },  { "connections", 1, 0, 'c' },
		{ "key", 1, 0, 'k' },	    { "keep-alive", 0, 0, 'K' }, { "split", 1, 0, 's' },     { "expect", 0, 0, 'e' },
		{ "pipeline", 0, 0, 'P' },  { "path", 1, 0, 'u' },	 { "model", 1, 0, 'm' },     { "body-bytes", 1, 0, 'b' },
		{ "stream", 0, 0, 'S' },    { "timeout-ms", 1, 0, 't' }, { "seconds", 1, 0, 'd' },   { "ids", 1, 0, 'i' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (o) {
		case 'h': opt.host = optarg; break;
		case 'p': opt.port = (unsigned)atoi(optarg); break;
		case 'n': opt.requests = strtoull(optarg, NULL, 10); break;
		case 'c': opt.connections = (unsigned)atoi(optarg); break;
		case 'k': opt.key = optarg; break;
		case 'K': opt.keep_alive = true; break;
		case 's': opt.split = (unsigned)atoi(optarg); break;
		case 'e': opt.expect = true; break;
		case 'P': opt.pipeline = true; break;
		case 'u': opt.path = optarg; break;
		case 'm': opt.model = optarg; break;
		case 'b': opt.body_bytes = strtoul(optarg, NULL, 10); break;
		case 'S': opt.stream = true; break;
		case 'd': opt.seconds = (unsigned)atoi(optarg); break;
		case 'i': opt.ids = optarg; break;
		case 't': opt.timeout_ms = (unsigned)atoi(optarg); break;
		default: exit(2);
		}
	}
	if (strchr(opt.host, ':')) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)&opt.addr;

		a->sin6_family = AF_INET6;
		a->sin6_port = htons((uint16_t)opt.port);
		opt.addr_len = sizeof(*a);
		if (inet_pton(AF_INET6, opt.host, &a->sin6_addr) != 1)
			die("host");
	} else {
		struct sockaddr_in *a = (struct sockaddr_in *)&opt.addr;

		a->sin_family = AF_INET;
		a->sin_port = htons((uint16_t)opt.port);
		opt.addr_len = sizeof(*a);
		if (inet_pton(AF_INET, opt.host, &a->sin_addr) != 1)
			die("host");
	}
}

int main(int argc, char **argv)
{
	uint64_t t0;
	double seconds;
	bool first = true;

	options_read(argc, argv);
	request_make();
	if (opt.ids) {
		ids = fopen(opt.ids, "ae");
		if (!ids || setvbuf(ids, NULL, _IOLBF, BUFSIZ) != 0)
			die(opt.ids);
	}
	t0 = clock_mono_ns();
	run();
	seconds = (double)(clock_mono_ns() - t0) / 1e9;
	printf("{\"seconds\":%.4f,\"answers\":%" PRIu64 ",\"nic\":%" PRIu64 ",\"connects\":%" PRIu64 ",\"resets\":%" PRIu64
	       ",\"malformed\":%" PRIu64 ",\"cut\":%" PRIu64 ",\"timeouts\":%" PRIu64 ",\"connect_failed\":%" PRIu64
	       ",\"closed_idle\":%" PRIu64 ",\"mean_ms\":%.3f,\"max_ms\":%.3f,\"status\":{",
	       seconds, tally.done, tally.nic, tally.connects, tally.resets, tally.malformed, tally.cut, tally.timeouts,
	       tally.connect_failed, tally.closed_idle,
	       tally.done ? (double)tally.latency_ns_sum / 1e6 / (double)tally.done : 0.0, (double)tally.latency_ns_max / 1e6);
	for (unsigned s = 0; s < ARRAY_SIZE(tally.status); s++) {
		if (!tally.status[s])
			continue;
		printf("%s\"%u\":%" PRIu64, first ? "" : ",", s, tally.status[s]);
		first = false;
	}
	printf("}}\n");
	if (ids && fclose(ids) != 0)
		die(opt.ids);
	free(request);
	return 0;
}
