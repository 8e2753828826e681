#include "fetch/fetch.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global_rc;

static void init_once(void)
{
	global_rc = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* One request's things, freed together. */
struct exchange {
	CURL *curl;
	struct curl_slist *headers;
	struct fetch_response response;
	const char *overflow; /* what went over its bound, NULL = nothing */
	bool nomem;
};

static void exchange_done(struct exchange *x)
{
	curl_easy_cleanup(x->curl);
	curl_slist_free_all(x->headers);
	fetch_response_done(&x->response);
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
	struct exchange *x = arg;
	int rc = buf_append(&x->response.body, data, len * one);

	if (rc == ERR_FULL)
		x->overflow = "body";
	x->nomem |= rc == ERR_NOMEM;
	return rc < 0 ? CURL_WRITEFUNC_ERROR : len;
}

static void forget_headers(struct fetch_response *r)
{
	while (r->n_headers)
		free(r->header_lines[--r->n_headers]);
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct exchange *x = arg;
	struct fetch_response *r = &x->response;
	size_t n = len * one;

	if (n >= 5 && strncmp(line, "HTTP/", 5) == 0) { /* the answer after a "100 Continue" starts anew */
		forget_headers(r);
		return n;
	}
	while (n && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		n--;
	if (!n)
		return len * one;
	if (r->n_headers == FETCH_HEADERS_MAX) {
		x->overflow = "head";
		return 0;
	}
	r->header_lines[r->n_headers] = strndup(line, n);
	x->nomem |= !r->header_lines[r->n_headers];
	if (x->nomem)
		return 0;
	r->n_headers++;
	return len * one;
}

/* Nothing of a caller's may smuggle a second header or request in. */
static int check_opts(const struct fetch_opts *o, struct err *err)
{
	if (!o->url || (strncasecmp(o->url, "http://", 7) != 0 && strncasecmp(o->url, "https://", 8) != 0))
		return err_set(err, ERR_INVAL, "'%s' is not an http:// or https:// URL", o->url ? o->url : "");
	for (const char *p = o->method; *p; p++)
		if (!isupper((unsigned char)*p))
			return err_set(err, ERR_INVAL, "'%s' is not an HTTP method", o->method);
	for (size_t i = 0; o->headers && o->headers[i]; i++)
		if (strpbrk(o->headers[i], "\r\n") || !strchr(o->headers[i], ':'))
			return err_set(err, ERR_INVAL, "header %zu is not of the form 'Name: value' on one line", i);
	return 0;
}

static int set_headers(struct exchange *x, const struct fetch_opts *o, struct err *err)
{
	/* curl would wait a second for a "100 Continue" before larger bodies. */
	static const char *const none[] = {NULL};
	const char *const *h = o->headers ? o->headers : none;
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (; list && *h; h++) {
		struct curl_slist *longer = curl_slist_append(list, *h);

		if (!longer)
			curl_slist_free_all(list);
		list = longer;
	}
	if (!list)
		return err_set(err, ERR_NOMEM, "out of memory");
	x->headers = list;
	curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, list);
	return 0;
}

static void set_body(CURL *curl, const struct fetch_opts *o)
{
	bool head = strcmp(o->method, "HEAD") == 0;

	if (head) {
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	} else if (o->body || strcmp(o->method, "POST") == 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, o->body ? o->body : "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len);
	}
	if (!head)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, o->method);
}

static int set_up(struct exchange *x, const struct fetch_opts *o, struct err *err)
{
	CURL *c = x->curl = curl_easy_init();

	if (!c)
		return err_set(err, ERR_NOMEM, "out of memory for an HTTP request");
	x->response.body.max = o->response_bytes_max;
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)o->total_timeout_ms);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	set_body(c, o);
	if (curl_easy_setopt(c, CURLOPT_URL, o->url) != CURLE_OK)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (o->unix_socket) {
		curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
		if (curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, o->unix_socket) != CURLE_OK)
			return err_set(err, ERR_NOMEM, "out of memory");
	}
	return set_headers(x, o, err);
}

static int fail_connect(struct exchange *x, const char *where, struct err *err)
{
	long number = 0;
	int rc;

	curl_easy_getinfo(x->curl, CURLINFO_OS_ERRNO, &number);
	if (!number)
		return err_set(err, ERR_CLOSED, "%s: can't connect", where);
	rc = err_errno(err, (int)number, "%s: can't connect", where);
	if (rc != ERR_PERM && err)
		err->code = ERR_CLOSED;
	return rc == ERR_PERM ? ERR_PERM : ERR_CLOSED;
}

static int fail(struct exchange *x, CURLcode code, const struct fetch_opts *o, struct err *err)
{
	const char *where = o->unix_socket ? o->unix_socket : o->url;

	if (x->nomem)
		return err_set(err, ERR_NOMEM, "%s: out of memory for the answer", where);
	if (x->overflow)
		return err_set(err, ERR_FULL, "%s: the answer's %s is too large", where, x->overflow);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return fail_connect(x, where, err);
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(err, ERR_TIMEOUT, "%s: no answer in time", where);
	case CURLE_OUT_OF_MEMORY:
		return err_set(err, ERR_NOMEM, "%s: out of memory", where);
	case CURLE_URL_MALFORMAT:
		return err_set(err, ERR_INVAL, "%s: not a URL that can be fetched", o->url);
	case CURLE_UNSUPPORTED_PROTOCOL: /* the URL's was checked: this is the answer's */
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_WEIRD_SERVER_REPLY:
		return err_set(err, ERR_PROTO, "%s: %s", where, curl_easy_strerror(code));
	default:
		return err_set(err, ERR_IO, "%s: %s", where, curl_easy_strerror(code));
	}
}

int fetch_request(const struct fetch_opts *opts, struct fetch_response *ret, struct err *err)
{
	_cleanup_(exchange_done) struct exchange x = {0};
	CURLcode code;
	long status = 0;
	int rc;

	pthread_once(&once, init_once);
	if (global_rc != CURLE_OK)
		return err_set(err, ERR_IO, "libcurl: %s", curl_easy_strerror(global_rc));
	rc = check_opts(opts, err);
	if (rc == 0)
		rc = set_up(&x, opts, err);
	if (rc < 0)
		return rc;
	code = curl_easy_perform(x.curl);
	if (code != CURLE_OK)
		return fail(&x, code, opts, err);
	curl_easy_getinfo(x.curl, CURLINFO_RESPONSE_CODE, &status);
	x.response.status = (int)status;
	*ret = x.response;
	x.response = (struct fetch_response){0};
	return 0;
}

void fetch_response_done(struct fetch_response *r)
{
	forget_headers(r);
	buf_done(&r->body);
}

const char *fetch_header(const struct fetch_response *r, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < r->n_headers; i++) {
		const char *line = r->header_lines[i];

		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

int fetch_put_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c))
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
	return out->failed ? ERR_NOMEM : 0;
}
