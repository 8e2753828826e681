/* The words a simulated model says: always the same, from a small dictionary. */
#include "sim/sim.h"

#include <string.h>

static const char *const words[] = {
	"Tolls",   " are",    " paid", " at",   " the",   " gate",  " before",  " any", " road",  " opens;", " the",
	" keeper", " counts", " each", " cart", " once,", " gives", " change,", " and", " lifts", " the",    " bar.",
};

/* Enough of the text laid out flat that an ordinary answer is one copy. */
#define POOL_WORDS 4096
static char *pool;
static size_t pool_at[POOL_WORDS + 1];

static const char *word(unsigned i)
{
	return i == 0 ? words[0] : i % ARRAY_SIZE(words) == 0 ? " Tolls" : words[i % ARRAY_SIZE(words)];
}

void sim_text_init(void)
{
	struct buf b = BUF_INIT;

	for (unsigned i = 0; i < POOL_WORDS; i++) {
		pool_at[i] = b.len;
		buf_puts(&b, word(i));
	}
	pool_at[POOL_WORDS] = b.len;
	pool = buf_steal(&b);
	if (!pool)
		abort();
}

void sim_text_render(struct buf *o, unsigned from, unsigned count)
{
	if (from < POOL_WORDS && count <= POOL_WORDS - from) {
		buf_append(o, pool + pool_at[from], pool_at[from + count] - pool_at[from]);
		return;
	}
	for (unsigned i = from; i < from + count; i++)
		buf_puts(o, word(i));
}

size_t sim_text_bytes(unsigned count)
{
	size_t n = 0;

	if (count <= POOL_WORDS)
		return pool_at[count];
	for (unsigned i = 0; i < count; i++)
		n += strlen(word(i));
	return n;
}

/* ---- small things that answers are made of */

void sim_put_uint(struct buf *o, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	buf_append(o, digits + at, sizeof(digits) - at);
}

void sim_put_hex16(struct buf *o, uint64_t v)
{
	char digits[16];

	for (int i = 15; i >= 0; i--, v >>= 4)
		digits[i] = "0123456789abcdef"[v & 15];
	buf_append(o, digits, sizeof(digits));
}

void sim_put_string(struct buf *o, const char *raw)
{
	buf_putc(o, '"');
	buf_puts(o, raw);
	buf_putc(o, '"');
}
