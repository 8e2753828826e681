/* Goal: books_invoice_parse takes or refuses any bytes without a fault, and what it takes is sound. Method: taken lines
 * are written out again as canonical CSV, which must read back as the same lines; refused ones must have an error with
 * a line of the text. */
#include "ledger/books.h"

#include <inttypes.h>
#include <string.h>

#define REQUIRE(x)                                                                                                     \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

static void put_count(struct buf *b, uint64_t v)
{
	buf_putc(b, ',');
	if (v != UINT64_MAX)
		buf_printf(b, "%" PRIu64, v);
}

static void put_line(struct buf *b, const struct store_invoice_line *l)
{
	char amount[MONEY_TEXT_MAX];

	buf_putc(b, '"');
	for (const char *s = l->model; *s; s++) {
		if (*s == '"')
			buf_putc(b, '"');
		buf_putc(b, *s);
	}
	money_format(l->amount_nano, amount);
	buf_printf(b, "\",%s", amount);
	put_count(b, l->calls);
	put_count(b, l->input_tokens);
	put_count(b, l->cached_input_tokens);
	put_count(b, l->output_tokens);
	buf_puts(b, "\r\n");
}

static void require_sound(const struct store_invoice_line *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		REQUIRE(l[i].model[0] && memchr(l[i].model, '\0', sizeof(l[i].model)));
		for (const char *s = l[i].model; *s; s++)
			REQUIRE((unsigned char)*s >= 0x20);
		for (size_t k = 0; n < 100 && k < i; k++)
			REQUIRE(strcmp(l[i].model, l[k].model) != 0);
	}
}

static void read_again(const struct store_invoice_line *l, size_t n)
{
	struct buf b = BUF_INIT;
	struct books_invoice_error errors[1];
	size_t n_errors = 1, m = 0;
	struct store_invoice_line *again = NULL;

	buf_puts(&b, "model,amount,calls,input_tokens,cached_input_tokens,output_tokens\r\n");
	for (size_t i = 0; i < n; i++)
		put_line(&b, &l[i]);
	REQUIRE(books_invoice_parse(b.data, b.len, &again, &m, errors, &n_errors, NULL) == 0 && m == n);
	for (size_t i = 0; i < n; i++)
		REQUIRE(strcmp(again[i].model, l[i].model) == 0 && again[i].amount_nano == l[i].amount_nano &&
			again[i].calls == l[i].calls && again[i].input_tokens == l[i].input_tokens &&
			again[i].cached_input_tokens == l[i].cached_input_tokens &&
			again[i].output_tokens == l[i].output_tokens);
	free(again);
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_invoice_line *lines = NULL;
	struct books_invoice_error errors[4];
	size_t n = 0, n_errors = 4, newlines = 0;
	struct err err;

	for (size_t i = 0; i < size; i++)
		newlines += data[i] == '\n';
	if (books_invoice_parse((const char *)data, size, &lines, &n, errors, &n_errors, &err) == 0) {
		REQUIRE(n > 0);
		require_sound(lines, n);
		read_again(lines, n);
		free(lines);
		return 0;
	}
	REQUIRE(!lines && err.code == ERR_INVAL && n_errors > 0 && n_errors <= 4);
	for (size_t i = 0; i < n_errors; i++)
		REQUIRE(errors[i].line >= 1 && errors[i].line <= newlines + 1 && errors[i].msg[0] &&
			(i == 0 || errors[i].line >= errors[i - 1].line));
	return 0;
}
