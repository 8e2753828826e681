/* SipHash-1-3, 64-bit, over whole 8-byte words plus a masked tail, so that the kernel program can hash straight
 * from a scratch buffer and user space from any bytes, with the same result.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", with c = 1 and d = 3.
 */
#ifndef TOLLGATE_SIPHASH_H
#define TOLLGATE_SIPHASH_H

#include "tollgate/types.h"

struct tg_sip {
	__u64 v0, v1, v2, v3;
};

#define TG_SIP_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

TG_INLINE void tg_sip_round(struct tg_sip *s)
{
	s->v0 += s->v1;
	s->v1 = TG_SIP_ROTL(s->v1, 13) ^ s->v0;
	s->v0 = TG_SIP_ROTL(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = TG_SIP_ROTL(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = TG_SIP_ROTL(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = TG_SIP_ROTL(s->v1, 17) ^ s->v2;
	s->v2 = TG_SIP_ROTL(s->v2, 32);
}

TG_INLINE void tg_sip_init(struct tg_sip *s, __u64 k0, __u64 k1)
{
	s->v0 = k0 ^ 0x736f6d6570736575ull;
	s->v1 = k1 ^ 0x646f72616e646f6dull;
	s->v2 = k0 ^ 0x6c7967656e657261ull;
	s->v3 = k1 ^ 0x7465646279746573ull;
}

/* One whole little-endian word. */
TG_INLINE void tg_sip_word(struct tg_sip *s, __u64 w)
{
	s->v3 ^= w;
	tg_sip_round(s);
	s->v0 ^= w;
}

/* `tail` holds the last len % 8 bytes in its low bytes, the rest zero; `len` is the whole message's length. */
TG_INLINE __u64 tg_sip_final(struct tg_sip *s, __u64 tail, __u64 len)
{
	tg_sip_word(s, tail | (len << 56));
	s->v2 ^= 0xff;
	tg_sip_round(s);
	tg_sip_round(s);
	tg_sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

#ifndef __bpf__
#include <string.h>
TG_INLINE __u64 tg_sip13(__u64 k0, __u64 k1, const void *data, size_t len)
{
	const unsigned char *p = data;
	struct tg_sip s;
	__u64 w = 0;
	size_t i;

	tg_sip_init(&s, k0, k1);
	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&w, p + i, 8);
		tg_sip_word(&s, w);
	}
	w = 0;
	memcpy(&w, p + i, len - i);
	return tg_sip_final(&s, w, len);
}
#endif

#endif
