/* Any bytes through the head scanner that the kernel runs: in bounds (H1), and the same whether they come at once or in
 * two loads (H3), as the kernel's first 512 bytes and the rest. */
#include "tollgate/route.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tg_head_buf whole_buf, split_buf;
	struct tg_head whole, split;
	__u32 n, first;

	if (size < 1)
		return 0;
	n = tg_head_parse(&whole_buf, &whole, data + 1, size - 1);
	if ((__u32)whole.path_off + whole.path_len > n || (__u32)whole.key_off + whole.key_len > n ||
	    whole.head_len > n)
		abort();
	if (whole.flags & TG_HEAD_KEY)
		if (tg_head_key_hash(&whole_buf, &whole, 1, 2) !=
		    tg_sip13(1, 2, whole_buf.b + whole.key_off, whole.key_len))
			abort();
	if (tg_route_find(&whole_buf, whole.path_off, whole.path_len) !=
	    tg_route_find_text((const char *)whole_buf.b + whole.path_off, whole.path_len))
		abort();

	first = n ? data[0] * 7u % n : 0;
	memcpy(split_buf.b, data + 1, first);
	memset(split_buf.b + first, 0, 16);
	tg_head_begin(&split_buf, &split, first);
	if (split.method == TG_METHOD_NONE)
		return 0;
	tg_head_scan(&split_buf, &split, first);
	if (!(split.flags & (TG_HEAD_DONE | TG_HEAD_AMBIGUOUS))) {
		memcpy(split_buf.b + first, data + 1 + first, n - first);
		memset(split_buf.b + n, 0, 16);
		tg_head_scan(&split_buf, &split, n);
	}
	split.reserved = whole.reserved = 0;
	if (memcmp(&split, &whole, sizeof(whole)))
		abort();
	return 0;
}
