/* The shards: which need a run, and running them in the loop's idle callback. A resume does not make
 * libmicrohttpd's epoll fd readable, so resuming marks the shard; a run walks all suspended connections of one
 * daemon, which is why there are many. */
#include "http/internal.h"

#include <string.h>

/* Connections that end in this run are still counted by libmicrohttpd; our own count rules. */
#define ACCEPT_SPARE 1024u

void shard_mark(struct http_shard *sh)
{
	if (sh->dirty)
		return;
	sh->dirty = true;
	sh->dirty_next = sh->server->dirty;
	sh->server->dirty = sh;
}

struct http_shard *shard_choose(struct http_server *s)
{
	struct http_shard *best = &s->shards[0];

	for (unsigned i = 0; i < s->opts.shards; i++) {
		struct http_shard *sh = &s->shards[i];

		if (sh->connections < HTTP_SHARD_FILL)
			return sh;
		if (sh->connections < best->connections)
			best = sh;
	}
	return best;
}

static void shard_run(struct http_shard *sh)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(sh->mhd);
	/* There are no time limits in libmicrohttpd here: what it reports is work left, and it is due now. */
	if (MHD_get_timeout(sh->mhd, &wait_ms) == MHD_YES && !wait_ms) {
		shard_mark(sh);
		return; /* the fresh ones are still being read */
	}
	while (sh->fresh) {
		struct http_conn *conn = sh->fresh;

		sh->fresh = conn->fresh_next;
		conn->fresh = false;
	}
}

int server_run(struct http_server *s)
{
	struct http_shard *sh = s->dirty;

	if (!sh)
		return -1;
	s->dirty = NULL;
	while (sh) {
		struct http_shard *next = sh->dirty_next;

		sh->dirty = false;
		shard_run(sh);
		sh = next;
	}
	return s->dirty ? 0 : -1;
}

static void shard_event(struct loop *l, struct loop_io *io, uint32_t events)
{
	(void)l;
	(void)events;
	shard_mark(CONTAINER_OF(io, struct http_shard, io));
}

/* libmicrohttpd's log. Its lines tell of clients' mistakes, which are counted by their answers; one is a signal. */
static void shard_log(void *cls, const char *fmt, va_list ap)
{
	static const char page[] = "Error processing request (HTTP response code is ";

	if (!strncmp(fmt, page, sizeof(page) - 1))
		request_own_page(cls, va_arg(ap, unsigned));
}

/* The target is judged and routed as it came: decoding it would make two readings of it. */
static size_t keep_escaped(void *cls, struct MHD_Connection *c, char *s)
{
	(void)cls;
	(void)c;
	return strlen(s);
}

int shard_init(struct http_server *s, struct http_shard *sh, struct err *err)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)s->opts.tls_cert_pem},
				       {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)s->opts.tls_key_pem},
				       {MHD_OPTION_END, 0, NULL}};
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

	sh->server = s;
	/* TURBO also leaves out the shutdown before close, so that in conn_end() the socket can still be written to.
	 * TLS needs that shutdown for its close_notify. */
	flags |= s->tls ? MHD_USE_TLS : MHD_USE_TURBO;
	sh->mhd = MHD_start_daemon(flags, 0, NULL, NULL, request_handle, sh, MHD_OPTION_EXTERNAL_LOGGER, shard_log, sh,
				   MHD_OPTION_NOTIFY_COMPLETED, request_completed, sh, MHD_OPTION_NOTIFY_CONNECTION,
				   conn_notify, sh, MHD_OPTION_URI_LOG_CALLBACK, request_line, sh,
				   MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, sh, MHD_OPTION_CONNECTION_LIMIT,
				   s->opts.connections_max + ACCEPT_SPARE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				   (size_t)s->opts.head_bytes_max + HTTP_POOL_EXTRA_BYTES, MHD_OPTION_ARRAY,
				   s->tls ? tls : none, MHD_OPTION_END);
	if (!sh->mhd)
		return err_set(err, s->tls ? ERR_INVAL : ERR_IO, "libmicrohttpd did not start%s",
			       s->tls ? ": is the certificate valid and does the key belong to it?" : "");
	sh->io.fd = MHD_get_daemon_info(sh->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	sh->io.cb = shard_event;
	return loop_io_add(s->loop, &sh->io, EPOLLIN, err);
}
