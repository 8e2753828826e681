/* Many streams at once, cheaply: opens N connections, posts one streaming chat request on each, and counts the events
 * that come. Prints a line when all streams have begun ("started") and one when all have ended ("done"), each with what
 * was counted so far, so that a benchmark can measure in between. Exit 1 when a stream was cut or refused.
 *
 * Usage: sse_client --port P --key KEY --model MODEL --streams N [--dialect openai|responses|anthropic|gemini] [--hold
 * S]
 * --hold: once all have begun, waits for so many seconds before it reads on. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENT_TEXT "data: "

/* How each dialect asks for a stream, and what its last event has in it. */
static const struct dialect {
	const char *name, *path, *body, *key_header, *end;
} dialects[] = {
	{"openai", "/v1/chat/completions",
	 "{\"model\":\"%s\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}",
	 "Authorization: Bearer", "data: [DONE]"},
	{"responses", "/v1/responses", "{\"model\":\"%s\",\"stream\":true,\"input\":\"Hello\"}",
	 "Authorization: Bearer", "event: response.completed"},
	{"anthropic", "/v1/messages",
	 "{\"model\":\"%s\",\"stream\":true,\"max_tokens\":4096,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}"
	 "]}",
	 "anthropic-version: 2023-06-01\r\nx-api-key", "event: message_stop"},
	{"gemini", "/v1beta/models/%s:streamGenerateContent?alt=sse",
	 "{\"contents\":[{\"parts\":[{\"text\":\"Hello\"}]}]}", "x-goog-api-key", "\"finishReason\":\"STOP\""},
};
static const struct dialect *dialect = &dialects[0];

struct stream {
	int fd;
	bool sent, begun, done, last_chunk;
	unsigned at_event, at_end; /* how much of the two texts the bytes so far match */
	char tail[5];              /* the last bytes, to see the final chunk */
};

struct totals {
	unsigned begun, ended, failed;
	uint64_t events, bytes;
};

static struct totals sum;
static int epoll_fd;
static char request[8192];
static size_t request_len;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void start(struct stream *s, uint16_t port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = s};
	int one = 1;

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		die("socket");
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(s->fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) < 0 && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &e) < 0)
		die("epoll_ctl");
}

static void finish(struct stream *s, bool ok)
{
	s->done = true;
	close(s->fd);
	sum.ended++;
	sum.failed += !ok;
}

/* Counts the events' beginnings; their text holds no newline, so what begins with it is one. */
static void count(struct stream *s, const char *p, size_t n)
{
	const char *end = p + n;

	for (; p < end; p++) {
		s->at_event = *p == EVENT_TEXT[s->at_event] ? s->at_event + 1 : *p == EVENT_TEXT[0];
		if (s->at_event == sizeof(EVENT_TEXT) - 1) {
			sum.events++;
			s->at_event = 0;
		}
		if (dialect->end[s->at_end])
			s->at_end = *p == dialect->end[s->at_end] ? s->at_end + 1 : *p == dialect->end[0];
	}
}

/* Has the final chunk ("0\r\n\r\n") come? */
static bool ended(struct stream *s, const char *p, size_t n)
{
	char joined[10];
	size_t keep = n < 5 ? n : 5;

	memcpy(joined, s->tail, 5);
	memcpy(joined + 5, p + n - keep, keep);
	memcpy(s->tail, joined + keep, 5);
	return !memcmp(s->tail, "0\r\n\r\n", 5);
}

static void receive(struct stream *s)
{
	static char buf[1 << 16];
	ssize_t n;

	while ((n = recv(s->fd, buf, sizeof(buf), 0)) > 0) {
		if (!s->begun) {
			if (n < 12 || memcmp(buf + 9, "200", 3) != 0) {
				finish(s, false);
				return;
			}
			s->begun = true;
			sum.begun++;
		}
		sum.bytes += (uint64_t)n;
		count(s, buf, (size_t)n);
		if (ended(s, buf, (size_t)n)) {
			finish(s, !dialect->end[s->at_end]);
			return;
		}
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		finish(s, false);
}

static void on_event(struct stream *s, uint32_t events)
{
	if (s->done)
		return;
	if ((events & EPOLLOUT) && !s->sent) {
		if (send(s->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len) {
			finish(s, false);
			return;
		}
		s->sent = true;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(s);
}

static void report(const char *what)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	printf("{\"at\":\"%s\",\"time_s\":%.6f,\"begun\":%u,\"ended\":%u,\"failed\":%u,\"events\":%llu,\"bytes\":%llu}"
	       "\n",
	       what, (double)t.tv_sec + (double)t.tv_nsec / 1e9, sum.begun, sum.ended, sum.failed,
	       (unsigned long long)sum.events, (unsigned long long)sum.bytes);
	fflush(stdout);
}

/* `text` with its %s replaced. */
static int fill(char *to, size_t size, const char *text, const char *value)
{
	const char *at = strstr(text, "%s");

	return snprintf(to, size, "%.*s%s%s", (int)(at - text), text, value, at + 2);
}

static void make_request(const char *key, const char *model)
{
	char body[1024], path[512];
	/* The table's texts have one %s between them, if any. */
	int body_len = strstr(dialect->body, "%s") ? fill(body, sizeof(body), dialect->body, model)
						   : snprintf(body, sizeof(body), "%s", dialect->body);
	int path_len = strstr(dialect->path, "%s") ? fill(path, sizeof(path), dialect->path, model)
						   : snprintf(path, sizeof(path), "%s", dialect->path);
	int n = snprintf(request, sizeof(request),
			 "POST %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s\r\n"
			 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			 path, dialect->key_header, strstr(dialect->key_header, "Bearer") ? " " : ": ", key, body_len,
			 body);

	if (path_len >= (int)sizeof(path) || body_len >= (int)sizeof(body) || n >= (int)sizeof(request)) {
		fprintf(stderr, "sse_client: key or model too long\n");
		exit(2);
	}
	request_len = (size_t)n;
}

static const struct dialect *dialect_named(const char *name)
{
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
		if (!strcmp(dialects[i].name, name))
			return &dialects[i];
	fprintf(stderr, "sse_client: dialects are openai, responses, anthropic and gemini\n");
	return NULL;
}

static void run(unsigned n, unsigned hold_s)
{
	struct epoll_event events[512];
	bool told = false;

	while (sum.ended < n) {
		int got = epoll_wait(epoll_fd, events, 512, 30000);

		if (got < 0 && errno != EINTR)
			die("epoll_wait");
		if (got == 0) {
			fprintf(stderr, "sse_client: nothing came for 30 s\n");
			exit(1);
		}
		for (int i = 0; i < got; i++)
			on_event(events[i].data.ptr, events[i].events);
		if (!told && sum.begun + sum.failed >= n) {
			report("started");
			told = true;
			sleep(hold_s);
		}
	}
	report("done");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"port", required_argument, NULL, 'p'},
						{"key", required_argument, NULL, 'k'},
						{"model", required_argument, NULL, 'm'},
						{"streams", required_argument, NULL, 'n'},
						{"dialect", required_argument, NULL, 'd'},
						{"hold", required_argument, NULL, 'h'},
						{0}};
	const char *key = "", *model = "gpt-4o-mini";
	unsigned port = 0, n = 1, hold_s = 0;
	struct rlimit files;
	struct stream *streams;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			port = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt == 'k')
			key = optarg;
		else if (opt == 'm')
			model = optarg;
		else if (opt == 'n')
			n = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt == 'h')
			hold_s = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt != 'd' || !(dialect = dialect_named(optarg)))
			return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	make_request(key, model);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	streams = calloc(n, sizeof(*streams));
	if (epoll_fd < 0 || !streams || !port || port > 65535)
		die("sse_client");
	for (unsigned i = 0; i < n; i++)
		start(&streams[i], (uint16_t)port);
	run(n, hold_s);
	free(streams);
	return sum.failed ? 1 : 0;
}
