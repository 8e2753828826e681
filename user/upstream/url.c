/* http(s)://host[:port][/prefix] */
#include "upstream/internal.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool host_is_clean(const char *h, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = h[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		      c == '.' || c == '_' || c == ':'))
			return false;
	}
	return len > 0 && len < UPSTREAM_HOST_MAX;
}

static bool prefix_is_clean(const char *p, size_t len, size_t max)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] <= ' ' || p[i] == 0x7f || p[i] == '?' || p[i] == '#')
			return false;
	return len < max;
}

/* host or [v6 address], then nothing or :port. Returns false when malformed. */
static bool authority_parse(const char *a, size_t len, struct upstream_url *u)
{
	const char *host = a, *colon;
	size_t host_len;
	uint64_t port = u->tls ? 443 : 80;
	unsigned char addr[16];
	bool v6 = len && a[0] == '[';

	if (v6) {
		const char *close = memchr(a, ']', len);

		if (!close)
			return false;
		host = a + 1;
		host_len = (size_t)(close - host);
		colon = close + 1 < a + len ? close + 1 : NULL;
		if (colon && *colon != ':')
			return false;
	} else {
		colon = memchr(a, ':', len);
		host_len = colon ? (size_t)(colon - a) : len;
	}
	if (!host_is_clean(host, host_len))
		return false;
	if (colon && (num_parse_u64(colon + 1, (size_t)(a + len - colon - 1), &port) < 0 || port < 1 || port > 65535))
		return false;
	memcpy(u->host, host, host_len);
	u->host[host_len] = '\0';
	u->port = (unsigned)port;
	u->numeric = inet_pton(v6 ? AF_INET6 : AF_INET, u->host, addr) == 1;
	if (v6 && !u->numeric)
		return false;
	if (port == (u->tls ? 443 : 80))
		snprintf(u->authority, sizeof(u->authority), v6 ? "[%s]" : "%s", u->host);
	else
		snprintf(u->authority, sizeof(u->authority), v6 ? "[%s]:%u" : "%s:%u", u->host, u->port);
	return true;
}

int upstream_url_parse(const char *text, struct upstream_url *ret, struct err *err)
{
	struct upstream_url u = {0};
	const char *a, *path;
	size_t path_len;

	if (strncasecmp(text, "https://", 8) == 0)
		u.tls = true;
	else if (strncasecmp(text, "http://", 7) != 0)
		return err_set(err, ERR_INVAL, "base URL must begin with http:// or https://");
	a = text + (u.tls ? 8 : 7);
	path = a + strcspn(a, "/?#");
	if (!authority_parse(a, (size_t)(path - a), &u))
		return err_set(err, ERR_INVAL, "base URL: want host, host:port or [IPv6 address]:port after ://");
	path_len = strlen(path);
	while (path_len && path[path_len - 1] == '/')
		path_len--;
	if (!prefix_is_clean(path, path_len, sizeof(u.prefix)))
		return err_set(err, ERR_INVAL, "base URL: the path is too long, or has blanks, '?' or '#'");
	memcpy(u.prefix, path, path_len);
	*ret = u;
	return 0;
}
