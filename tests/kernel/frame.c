/* Builds packets, checks their checksums, and makes real connections to take them from. See gate.h. */
#include "gate.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

uint16_t frame_sum(const void *data, size_t len, uint32_t start)
{
	const uint8_t *p = data;
	uint64_t sum = start;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static size_t put_ip4(uint8_t *p, const struct spec *s, size_t upper)
{
	size_t size = 20 + s->ip_options;

	memset(p, 0, size);
	p[0] = (uint8_t)(0x40 | size / 4);
	put16(p + 2, (uint32_t)(size + upper));
	put16(p + 6, s->frag);
	p[8] = 61;
	p[9] = s->proto ? s->proto : IPPROTO_TCP;
	put32(p + 12, s->src4 ? s->src4 : 0x0a000001);
	put32(p + 16, s->dst4 ? s->dst4 : 0x0a000002);
	memset(p + 20, 1, s->ip_options); /* NOPs */
	put16(p + 10, (uint16_t)~frame_sum(p, size, 0));
	return size;
}

static size_t put_ip6(uint8_t *p, const struct spec *s, size_t upper)
{
	static const struct in6_addr any;
	struct in6_addr a;

	memset(p, 0, 40);
	p[0] = 0x60;
	put16(p + 4, (uint32_t)(s->ext_len + upper));
	p[6] = s->ext_len ? s->ext_type : s->proto ? s->proto : IPPROTO_TCP;
	p[7] = 61;
	inet_pton(AF_INET6, "2001:db8::1", &a);
	memcpy(p + 8, memcmp(&s->src6, &any, 16) ? &s->src6 : &a, 16);
	inet_pton(AF_INET6, "2001:db8::2", &a);
	memcpy(p + 24, memcmp(&s->dst6, &any, 16) ? &s->dst6 : &a, 16);
	if (s->ext_len)
		memcpy(p + 40, s->ext, s->ext_len);
	return 40 + s->ext_len;
}

static uint16_t tcp_sum(const uint8_t *ip, bool v6, const uint8_t *tcp, size_t len)
{
	uint32_t sum = frame_sum(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, IPPROTO_TCP + (uint32_t)len);

	return frame_sum(tcp, len, sum);
}

void frame_build(struct frame *f, const struct spec *s)
{
	size_t payload = s->payload ? (s->payload_len ? s->payload_len : strlen(s->payload)) : 0;
	size_t tcp = s->ts ? 32 : 20;
	uint8_t *p = f->b, *ip;

	memset(f, 0, sizeof(*f));
	memcpy(p, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
	p += 12;
	for (unsigned i = 0; i < s->vlans; i++, p += 4) {
		put16(p, s->vlans == 2 && i == 0 ? 0x88a8 : 0x8100);
		put16(p + 2, 100 + i);
	}
	put16(p, s->v6 ? 0x86dd : 0x0800);
	ip = p + 2;
	f->l3 = (size_t)(ip - f->b);
	p = ip + (s->v6 ? put_ip6(ip, s, tcp + payload) : put_ip4(ip, s, tcp + payload));
	f->l4 = (size_t)(p - f->b);
	put16(p, s->sport ? s->sport : 40000);
	put16(p + 2, s->dport ? s->dport : GATE_PORT);
	put32(p + 4, s->seq);
	put32(p + 8, s->ack);
	p[12] = (uint8_t)(tcp / 4 << 4);
	p[13] = s->flags ? s->flags : T_ACK;
	put16(p + 14, 502);
	if (s->ts) {
		put32(p + 20, 0x0101080a);
		put32(p + 24, s->ts_val);
		put32(p + 28, s->ts_ecr);
	}
	if (payload)
		memcpy(p + tcp, s->payload, payload);
	put16(p + 16, (uint16_t)~tcp_sum(ip, s->v6, p, tcp + payload));
	f->len = f->l4 + tcp + payload;
}

bool frame_sums_right(const uint8_t *b, size_t len, const char **why)
{
	size_t l3 = 14, l4, end;
	bool v6;

	while (get16(b + l3 - 2) == 0x8100 || get16(b + l3 - 2) == 0x88a8)
		l3 += 4;
	v6 = get16(b + l3 - 2) == 0x86dd;
	if (v6) {
		l4 = l3 + 40;
		end = l4 + get16(b + l3 + 4);
	} else {
		l4 = l3 + (size_t)(b[l3] & 15) * 4;
		end = l3 + get16(b + l3 + 2);
		*why = "IP checksum";
		if (frame_sum(b + l3, l4 - l3, 0) != 0xffff)
			return false;
	}
	*why = "length";
	if (end != len)
		return false;
	*why = "TCP checksum";
	return tcp_sum(b + l3, v6, b + l4, end - l4) == 0xffff;
}

/* ---- connections */

static socklen_t local_address(struct sockaddr_storage *a, bool v6, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (v6) {
		struct sockaddr_in6 *in = (void *)a;

		*in = (struct sockaddr_in6){
			.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
		return sizeof(*in);
	}
	*(struct sockaddr_in *)a = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return sizeof(struct sockaddr_in);
}

/* Next sequence number of a queue, by TCP_REPAIR (root); leaving repair sends nothing. */
static uint32_t queue_seq(int fd, int queue)
{
	uint32_t seq = 0;
	socklen_t len = sizeof(seq);

	cr_assert(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) == 0);
	cr_assert(getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len) == 0);
	return seq;
}

void conn_open(struct conn *c, bool v6, bool deferred)
{
	struct sockaddr_storage a;
	socklen_t len = local_address(&a, v6, GATE_PORT);
	int one = 1, ten = 10, off = -1 /* TCP_REPAIR_OFF_NO_WP */;

	*c = (struct conn){.v6 = v6,
			   .server = -1,
			   .listener = socket(a.ss_family, SOCK_STREAM, 0),
			   .client = socket(a.ss_family, SOCK_STREAM, 0)};
	cr_assert(c->listener >= 0 && c->client >= 0);
	setsockopt(c->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (deferred)
		cr_assert(setsockopt(c->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &ten, sizeof(ten)) == 0);
	cr_assert(bind(c->listener, (void *)&a, len) == 0 && listen(c->listener, 8) == 0, "listen: %s",
		  strerror(errno));
	cr_assert(connect(c->client, (void *)&a, len) == 0, "connect: %s", strerror(errno));
	if (!deferred) {
		c->server = accept(c->listener, NULL, NULL);
		cr_assert(c->server >= 0);
	}
	len = sizeof(a);
	cr_assert(getsockname(c->client, (void *)&a, &len) == 0);
	c->sport = ntohs(v6 ? ((struct sockaddr_in6 *)(void *)&a)->sin6_port
			    : ((struct sockaddr_in *)(void *)&a)->sin_port);
	cr_assert(setsockopt(c->client, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)) == 0);
	c->seq = queue_seq(c->client, 2 /* TCP_SEND_QUEUE */);
	c->ack = queue_seq(c->client, 1 /* TCP_RECV_QUEUE */);
	cr_assert(setsockopt(c->client, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) == 0);
	c->ts_val = 1000;
	c->ts_ecr = 2000;
}

void conn_close(struct conn *c)
{
	if (c->server >= 0)
		close(c->server);
	close(c->client);
	close(c->listener);
}

struct spec conn_segment(const struct conn *c, const char *payload)
{
	struct spec s = {.v6 = c->v6,
			 .sport = c->sport,
			 .seq = c->seq,
			 .ack = c->ack,
			 .payload = payload,
			 .ts = true,
			 .ts_val = c->ts_val,
			 .ts_ecr = c->ts_ecr};

	if (c->v6)
		s.src6 = s.dst6 = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	else
		s.src4 = s.dst4 = INADDR_LOOPBACK;
	return s;
}
