/* Connections per address. */
#include "http/internal.h"

#include <netinet/in.h>
#include <string.h>

/* IPv4 as mapped IPv6. False for a family without addresses. */
static bool ip_key(const struct sockaddr *a, uint8_t key[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a->sa_family == AF_INET6) {
		memcpy(key, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
		return true;
	}
	if (a->sa_family != AF_INET)
		return false;
	memcpy(key, mapped, sizeof(mapped));
	memcpy(key + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
	return true;
}

/* The place that points to the entry, or the end of its chain. Chains are as long as connections_max allows, so
 * crafted addresses can't do worse than a list. */
static struct http_ip **ip_find(struct http_server *s, const uint8_t key[16])
{
	uint64_t a, b;
	struct http_ip **p;

	memcpy(&a, key, 8);
	memcpy(&b, key + 8, 8);
	a = (a ^ (b * 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu;
	p = &s->ips[(a >> 40) % HTTP_IP_BUCKETS];
	while (*p && memcmp((*p)->addr, key, 16) != 0)
		p = &(*p)->next;
	return p;
}

bool ip_admit(struct http_server *s, const struct sockaddr *a)
{
	uint8_t key[16];
	struct http_ip *ip;

	if (!s->ips || !ip_key(a, key))
		return true;
	ip = *ip_find(s, key);
	return !ip || ip->count < s->opts.connections_per_ip_max;
}

void ip_add(struct http_server *s, const struct sockaddr *a)
{
	uint8_t key[16];
	struct http_ip **p;

	if (!s->ips || !ip_key(a, key))
		return;
	p = ip_find(s, key);
	if (!*p) {
		*p = calloc(1, sizeof(**p));
		if (!*p)
			return; /* not counted; ip_remove() will not find it either */
		memcpy((*p)->addr, key, 16);
	}
	(*p)->count++;
}

void ip_remove(struct http_server *s, const struct sockaddr *a)
{
	uint8_t key[16];
	struct http_ip **p, *ip;

	if (!s->ips || !ip_key(a, key))
		return;
	p = ip_find(s, key);
	ip = *p;
	if (!ip || --ip->count)
		return;
	*p = ip->next;
	free(ip);
}
