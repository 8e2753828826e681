/* Head of an HTTP/1.x request: one scanner that the kernel program and the daemon's tests compile.
 *
 * Works eight bytes at a time on a padded buffer, so that every read is in bounds whatever the input says.
 * Invariants (tests cite them):
 *  H1  No read outside struct tg_head_buf, for any content and any n <= TG_HEAD_MAX.
 *  H2  What two parsers could read differently is TG_HEAD_AMBIGUOUS, never a guess: control characters (NUL, bare CR,
 *      bare LF), folded lines, blanks before a colon, two keys, a key header without a usable key, two lengths,
 *      a length with a transfer coding, a length that is not plain digits, an HTTP version other than 1.0 and 1.1.
 *  H3  Scanning n bytes and then more gives what scanning all at once gives.
 */
#ifndef TOLLGATE_HEAD_H
#define TOLLGATE_HEAD_H

#include "tollgate/siphash.h"
#include "tollgate/types.h"

#ifndef __bpf__
#include <string.h>
#endif

#define TG_HEAD_MAX 1536u    /* bytes of a request that are looked at */
#define TG_HEAD_KEY_MAX 256u /* longest key */
#define TG_HEAD_MASK 2047u
#define TG_HEAD_PAD 64u

/* Bytes from n to n + 7 must be zero before scanning. */
struct tg_head_buf {
	__u8 b[TG_HEAD_MASK + 1 + TG_HEAD_PAD];
};

enum tg_method {
	TG_METHOD_NONE = 0,
	TG_METHOD_GET,
	TG_METHOD_POST,
	TG_METHOD_PUT,
	TG_METHOD_HEAD,
	TG_METHOD_DELETE,
	TG_METHOD_PATCH,
	TG_METHOD_OPTIONS,
};

#define TG_HEAD_DONE 1u      /* the blank line was seen: head_len is set */
#define TG_HEAD_AMBIGUOUS 2u /* H2 */
#define TG_HEAD_KEY 4u
#define TG_HEAD_LENGTH 8u  /* content_length is set */
#define TG_HEAD_CODING 16u /* Transfer-Encoding */
#define TG_HEAD_EXPECT 32u
#define TG_HEAD_CLOSE 64u /* Connection: close */

struct tg_head {
	__u32 pos;  /* next byte to look at */
	__u32 line; /* start of the line it is in */
	__u32 flags;
	__u32 content_length;
	__u16 path_off, path_len; /* without the query */
	__u16 key_off, key_len;
	__u16 head_len; /* with the blank line */
	__u8 method;    /* enum tg_method */
	__u8 reserved;
};

#ifdef __bpf__
/* may_goto: the kernel's own bound on a loop, so that the verifier need not walk every iteration. Raw bytes, because
 * clang 14's assembler doesn't know the instruction. */
#define TG_CAN_LOOP                                                                                                    \
	({                                                                                                             \
		__label__ l_break, l_continue;                                                                         \
		asm volatile goto("1:.byte 0xe5; .byte 0; .long ((%l[l_break] - 1b - 8) / 8) & 0xffff; "               \
				  ".short 0" :: ::l_break);                                                            \
		goto l_continue;                                                                                       \
	l_break:                                                                                                       \
		break;                                                                                                 \
	l_continue:;                                                                                                   \
	})
/* Keeps the compiler from proving a mask away that the verifier needs. */
#define TG_HIDE(x) asm volatile("" : "+r"(x))
#define TG_LD8(buf, off, plus) (*(const __u64 *)((buf)->b + ((off)&TG_HEAD_MASK) + (plus)))
#else
#define TG_CAN_LOOP                                                                                                    \
	do {                                                                                                           \
	} while (0)
#define TG_HIDE(x)                                                                                                     \
	do {                                                                                                           \
	} while (0)
TG_INLINE __u64 tg_head_ld8(const __u8 *p)
{
	__u64 w;

	memcpy(&w, p, 8);
	return w;
}
#define TG_LD8(buf, off, plus) tg_head_ld8((buf)->b + ((off)&TG_HEAD_MASK) + (plus))
#endif
#define TG_LD1(buf, off) ((buf)->b[(off)&TG_HEAD_MASK])

#define TG_ONES 0x0101010101010101ull
#define TG_HIGH 0x8080808080808080ull
#define TG_LOWER 0x2020202020202020ull

/* Marks (0x80) bytes below c <= 0x80; the lowest mark is exact, higher ones may be false. */
#define TG_BYTES_BELOW(w, c) (((w)-TG_ONES * (c)) & ~(w)&TG_HIGH)
#define TG_BYTES_EQUAL(w, c) TG_BYTES_BELOW((w) ^ (TG_ONES * (c)), 1)

/* Number of the lowest marked byte, 0 to 7. */
TG_INLINE __u32 tg_head_lowest(__u64 marks)
{
	__u64 below = (marks & -marks) - 1;

	return (__u32)(((below & TG_ONES) * TG_ONES) >> 56) - 1;
}

/* Up to eight characters as a little-endian word; folds to a constant. */
TG_INLINE __u64 tg_head_word(const char *s, __u32 n)
{
	__u64 w = 0;

	if (n > 0)
		w |= (__u64)(__u8)s[0];
	if (n > 1)
		w |= (__u64)(__u8)s[1] << 8;
	if (n > 2)
		w |= (__u64)(__u8)s[2] << 16;
	if (n > 3)
		w |= (__u64)(__u8)s[3] << 24;
	if (n > 4)
		w |= (__u64)(__u8)s[4] << 32;
	if (n > 5)
		w |= (__u64)(__u8)s[5] << 40;
	if (n > 6)
		w |= (__u64)(__u8)s[6] << 48;
	if (n > 7)
		w |= (__u64)(__u8)s[7] << 56;
	return w;
}

#define TG_WORD_MASK(n) ((n) >= 8 ? ~0ull : (1ull << (8 * (n))) - 1)

/* Is the text at `at` the literal of n <= 32 bytes? fold = TG_LOWER ignores case (letters only: it maps control
 * characters onto punctuation too, and those are ambiguous anyway), 0 compares bytes. */
TG_INLINE int tg_head_is(const struct tg_head_buf *buf, __u32 at, const char *lit, const __u32 n, const __u64 fold)
{
	if (((TG_LD8(buf, at, 0) | fold) & TG_WORD_MASK(n)) != ((tg_head_word(lit, n) | fold) & TG_WORD_MASK(n)))
		return 0;
	if (n > 8 && ((TG_LD8(buf, at, 8) | fold) & TG_WORD_MASK(n - 8)) !=
			     ((tg_head_word(lit + 8, n - 8) | fold) & TG_WORD_MASK(n - 8)))
		return 0;
	if (n > 16 && ((TG_LD8(buf, at, 16) | fold) & TG_WORD_MASK(n - 16)) !=
			      ((tg_head_word(lit + 16, n - 16) | fold) & TG_WORD_MASK(n - 16)))
		return 0;
	if (n > 24 && ((TG_LD8(buf, at, 24) | fold) & TG_WORD_MASK(n - 24)) !=
			      ((tg_head_word(lit + 24, n - 24) | fold) & TG_WORD_MASK(n - 24)))
		return 0;
	return 1;
}
#define TG_HEAD_IS(buf, at, lit) tg_head_is(buf, at, lit, sizeof(lit) - 1, 0)

/* Offset of the value when the line at `at` has this name, else 0. One blank after the colon is skipped. */
TG_INLINE __u32 tg_head_named(const struct tg_head_buf *buf, struct tg_head *h, __u32 at, const char *name,
			      const __u32 n)
{
	__u8 after;

	if (!tg_head_is(buf, at, name, n, TG_LOWER))
		return 0;
	after = TG_LD1(buf, at + n);
	if (after == ' ' || after == '\t')
		h->flags |= TG_HEAD_AMBIGUOUS;
	if (after != ':')
		return 0;
	return at + n + 1 + (TG_LD1(buf, at + n + 1) == ' ');
}
#define TG_HEAD_NAMED(buf, h, at, lit) tg_head_named(buf, h, at, lit, sizeof(lit) - 1)

/* The lines a limiter cares about. `v` is where the value starts, `end` where the line's CR is. */
TG_INLINE void tg_head_key(const struct tg_head_buf *buf, struct tg_head *h, __u32 v, __u32 end)
{
	if ((h->flags & TG_HEAD_KEY) || v >= end || end - v > TG_HEAD_KEY_MAX || TG_LD1(buf, v) == ' ') {
		h->flags |= TG_HEAD_AMBIGUOUS;
		return;
	}
	h->flags |= TG_HEAD_KEY;
	h->key_off = (__u16)v;
	h->key_len = (__u16)(end - v);
}

TG_INLINE void tg_head_bearer(const struct tg_head_buf *buf, struct tg_head *h, __u32 v, __u32 end)
{
	if (tg_head_is(buf, v, "bearer ", 7, TG_LOWER) && v + 7 < end)
		tg_head_key(buf, h, v + 7, end);
	else
		h->flags |= TG_HEAD_AMBIGUOUS;
}

TG_INLINE void tg_head_length(const struct tg_head_buf *buf, struct tg_head *h, __u32 v, __u32 end)
{
	__u32 len = end - v, value = 0, bad = 0;

	if ((h->flags & TG_HEAD_LENGTH) || v >= end || len > 9) {
		h->flags |= TG_HEAD_AMBIGUOUS;
		return;
	}
	for (__u32 i = 0; i < 9; i++) {
		__u32 digit = (__u32)TG_LD1(buf, v + i) - '0';

		if (i < len) {
			bad |= digit > 9;
			value = value * 10 + digit;
		}
	}
	h->flags |= bad ? TG_HEAD_AMBIGUOUS : TG_HEAD_LENGTH;
	h->content_length = value;
}

TG_INLINE void tg_head_field(const struct tg_head_buf *buf, struct tg_head *h, __u32 at, __u32 end)
{
	__u8 first = TG_LD1(buf, at);
	__u32 v;

	if (first == ' ' || first == '\t') {
		h->flags |= TG_HEAD_AMBIGUOUS;
		return;
	}
	switch (first | 0x20) {
	case 'a':
		v = TG_HEAD_NAMED(buf, h, at, "authorization");
		if (v)
			tg_head_bearer(buf, h, v, end);
		v = TG_HEAD_NAMED(buf, h, at, "api-key");
		if (v)
			tg_head_key(buf, h, v, end);
		break;
	case 'x':
		v = TG_HEAD_NAMED(buf, h, at, "x-api-key");
		if (!v)
			v = TG_HEAD_NAMED(buf, h, at, "x-goog-api-key");
		if (v)
			tg_head_key(buf, h, v, end);
		break;
	case 'c':
		v = TG_HEAD_NAMED(buf, h, at, "content-length");
		if (v)
			tg_head_length(buf, h, v, end);
		v = TG_HEAD_NAMED(buf, h, at, "connection");
		if (v && end - v == 5 && tg_head_is(buf, v, "close", 5, TG_LOWER))
			h->flags |= TG_HEAD_CLOSE;
		break;
	case 't':
		if (TG_HEAD_NAMED(buf, h, at, "transfer-encoding"))
			h->flags |= (h->flags & TG_HEAD_CODING) ? TG_HEAD_AMBIGUOUS : TG_HEAD_CODING;
		break;
	case 'e':
		if (TG_HEAD_NAMED(buf, h, at, "expect"))
			h->flags |= TG_HEAD_EXPECT;
		break;
	}
}

/* The line [h->line, end) is whole. Returns 1 when scanning is over. */
TG_INLINE int tg_head_line(const struct tg_head_buf *buf, struct tg_head *h, __u32 end)
{
	__u32 at = h->line;

	h->line = end + 2;
	if (at == 0) { /* request line: its path ends with a blank or a question mark */
		__u32 path_end = (__u32)h->path_off + h->path_len;
		__u64 version = TG_LD8(buf, end - 8, 0);

		if (end < path_end + 9 || TG_LD1(buf, end - 9) != ' ' ||
		    (TG_LD1(buf, path_end) == ' ' && path_end != end - 9) ||
		    (version != tg_head_word("HTTP/1.1", 8) && version != tg_head_word("HTTP/1.0", 8)))
			h->flags |= TG_HEAD_AMBIGUOUS;
	} else if (at == end) {
		h->head_len = (__u16)(end + 2);
		h->flags |= TG_HEAD_DONE;
		if ((h->flags & TG_HEAD_LENGTH) && (h->flags & TG_HEAD_CODING))
			h->flags |= TG_HEAD_AMBIGUOUS;
	} else {
		tg_head_field(buf, h, at, end);
	}
	return (h->flags & (TG_HEAD_DONE | TG_HEAD_AMBIGUOUS)) != 0;
}

/* Method by the first four bytes; *len counts its blank. */
TG_INLINE enum tg_method tg_head_method(__u32 first4, __u32 *len)
{
	switch (first4) {
	case 0x20544547u: /* "GET " */
		*len = 4;
		return TG_METHOD_GET;
	case 0x54534f50u: /* "POST" */
		*len = 5;
		return TG_METHOD_POST;
	case 0x20545550u: /* "PUT " */
		*len = 4;
		return TG_METHOD_PUT;
	case 0x44414548u: /* "HEAD" */
		*len = 5;
		return TG_METHOD_HEAD;
	case 0x454c4544u: /* "DELE" */
		*len = 7;
		return TG_METHOD_DELETE;
	case 0x43544150u: /* "PATC" */
		*len = 6;
		return TG_METHOD_PATCH;
	case 0x4954504fu: /* "OPTI" */
		*len = 8;
		return TG_METHOD_OPTIONS;
	default:
		*len = 0;
		return TG_METHOD_NONE;
	}
}

/* Starts on a request whose first n bytes are in buf: method and path. A path that isn't whole within n leaves
 * method at TG_METHOD_NONE. */
TG_INLINE void tg_head_begin(const struct tg_head_buf *buf, struct tg_head *h, __u32 n)
{
	__u32 len, pos;
	__u64 w = TG_LD8(buf, 0, 0), marks;
	enum tg_method method = tg_head_method((__u32)w, &len);

	h->pos = h->line = h->flags = h->content_length = 0;
	h->path_off = h->path_len = h->key_off = h->key_len = h->head_len = 0;
	h->method = TG_METHOD_NONE;
	if (method == TG_METHOD_NONE || TG_LD1(buf, len - 1) != ' ')
		return;
	h->pos = len;
	for (pos = TG_READ_ONCE(h->pos);;) { /* through memory: from a known start the verifier would walk every step */
		TG_CAN_LOOP;
		TG_HIDE(pos);
		pos &= TG_HEAD_MASK;
		if (pos >= n)
			return;
		w = TG_LD8(buf, pos, 0);
		marks = TG_BYTES_BELOW(w, 0x21) | TG_BYTES_EQUAL(w, '?');
		if (marks)
			break;
		pos += 8;
	}
	pos += tg_head_lowest(marks);
	if (pos >= n)
		return;
	h->path_off = (__u16)len;
	h->path_len = (__u16)(pos - len);
	h->pos = pos;
	h->method = (__u8)method;
}

/* Goes on from h->pos with n bytes in buf. Ends with DONE or AMBIGUOUS in h->flags, or neither: more bytes needed. */
TG_INLINE void tg_head_scan(const struct tg_head_buf *buf, struct tg_head *h, __u32 n)
{
	__u32 pos = h->pos;

	for (;;) {
		__u64 marks;
		__u8 c;

		TG_CAN_LOOP;
		TG_HIDE(pos);
		pos &= TG_HEAD_MASK;
		if (pos >= n)
			break;
		marks = TG_BYTES_BELOW(TG_LD8(buf, pos, 0), 0x20);
		if (!marks) {
			pos += 8;
			continue;
		}
		pos += tg_head_lowest(marks);
		if (pos + 1 >= n)
			break;
		c = TG_LD1(buf, pos);
		if (c == '\t') {
			pos++;
			continue;
		}
		if (c != '\r' || TG_LD1(buf, pos + 1) != '\n') {
			h->flags |= TG_HEAD_AMBIGUOUS;
			break;
		}
		if (tg_head_line(buf, h, pos))
			break;
		pos += 2;
	}
	h->pos = pos & TG_HEAD_MASK;
}

/* SipHash-1-3 of the key's text: equals tg_sip13() over the same bytes. */
TG_INLINE __u64 tg_head_key_hash(const struct tg_head_buf *buf, const struct tg_head *h, __u64 k0, __u64 k1)
{
	__u32 off = h->key_off, len = h->key_len, left = len;
	struct tg_sip s;

	tg_sip_init(&s, k0, k1);
	for (__u32 i = 0; i < TG_HEAD_KEY_MAX / 8; i++) { /* the bound is for the verifier */
		if (left < 8)
			break;
		tg_sip_word(&s, TG_LD8(buf, off, 0));
		off += 8;
		left -= 8;
	}
	return tg_sip_final(&s, TG_LD8(buf, off, 0) & ((1ull << (8 * (left & 7))) - 1), len);
}

#ifndef __bpf__
/* For user space: copies what fits and scans it. Returns the bytes that were looked at. */
TG_INLINE __u32 tg_head_parse(struct tg_head_buf *buf, struct tg_head *h, const void *text, size_t len)
{
	__u32 n = len < TG_HEAD_MAX ? (__u32)len : TG_HEAD_MAX;

	memcpy(buf->b, text, n);
	memset(buf->b + n, 0, TG_HEAD_PAD);
	tg_head_begin(buf, h, n);
	if (h->method != TG_METHOD_NONE)
		tg_head_scan(buf, h, n);
	return n;
}
#endif

#endif
