/* Values that are never rounded: decimals, amounts of money, times, and the name of a currency. */
#include "conf/schema.h"

#include "model/money.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SHOWN(n) (int)((n)->len > 40 ? 40 : (n)->len), (n)->text
#define E4_PLACES 4
#define E4_NANO (MONEY_NANO / 10000)
#define MONEY_PLACES 9

/* ---- text */

static void format_decimal(uint64_t value, unsigned places, char buf[64])
{
	uint64_t one = 1;
	int len;

	for (unsigned i = 0; i < places; i++)
		one *= 10;
	len = snprintf(buf, 64, "%" PRIu64 ".%0*" PRIu64, value / one, (int)places, value % one);
	while (buf[len - 1] == '0')
		buf[--len] = '\0';
	if (buf[len - 1] == '.')
		buf[len - 1] = '\0';
}

static void format_time(uint64_t unix_ms, char buf[64])
{
	time_t s = (time_t)(unix_ms / 1000);
	struct tm tm = {0};

	gmtime_r(&s, &tm);
	if (!strftime(buf, 64, "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf[0] = '\0';
}

void schema_format_exact(enum schema_type type, uint64_t value, char buf[64])
{
	if (type == SCHEMA_TIME)
		format_time(value, buf);
	else
		format_decimal(value, type == SCHEMA_E4 ? E4_PLACES : MONEY_PLACES, buf);
}

/* ---- decimals */

static bool only(const struct node *n, const char *alphabet)
{
	return strspn(n->text, alphabet) == n->len;
}

/* Why money_parse didn't take it, or that it is finer than `places`. False when there is nothing to complain of. */
static bool decimal_broken(struct reader *rd, const struct node *n, unsigned places, int rc)
{
	const char *point = strchr(n->text, '.');
	size_t decimals = point ? n->len - (size_t)(point - n->text) - 1 : 0;

	if (!n->plain)
		reader_error(rd, n, NULL, "\"%.*s\" is in quotes; write the number without", SHOWN(n));
	else if (only(n, "0123456789.") && decimals > places && strchr(point + 1, '.') == NULL)
		reader_error(rd, n, NULL, "%.*s has %zu decimals; at most %u", SHOWN(n), decimals, places);
	else if (*n->text == '-' && only(n, "-0123456789.") && n->len > 1)
		reader_error(rd, n, NULL, "%.*s is negative; write 0 or more", SHOWN(n));
	else if (isdigit((unsigned char)*n->text) && only(n, "0123456789.eE+-") && strpbrk(n->text, "eE"))
		reader_error(rd, n, NULL, "%.*s has an exponent; write the number out, such as 0.001", SHOWN(n));
	else if (rc == ERR_INVAL)
		reader_error(rd, n, NULL, "\"%.*s\" is not a decimal number; write digits and a point, such as 0.25",
			     SHOWN(n));
	else
		return false;
	return true;
}

static void read_decimal(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	unsigned places = f->type == SCHEMA_E4 ? E4_PLACES : MONEY_PLACES;
	int64_t nano = 0;
	uint32_t e4;
	int rc;

	if (!reader_scalar(rd, n, "a number such as 0.25"))
		return;
	rc = money_parse(n->text, n->len, &nano, NULL);
	if (decimal_broken(rd, n, places, rc))
		return;
	if (f->type == SCHEMA_E4)
		nano /= E4_NANO;
	if (!schema_in_range(rd, f, n, rc, (uint64_t)nano))
		return;
	if (f->type == SCHEMA_E4) {
		e4 = (uint32_t)nano;
		memcpy((char *)base + f->offset, &e4, sizeof(e4));
	} else {
		memcpy((char *)base + f->offset, &nano, sizeof(nano));
	}
}

/* ---- times */

/* "0000-00-00T00:00:00Z" or its first ten characters, in their places. */
static bool has_time_form(const char *s, size_t len)
{
	static const char form[] = "0000-00-00T00:00:00Z";

	if (len != 10 && len != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < len; i++)
		if (form[i] == '0' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])
			return false;
	return true;
}

static int digits(const char *s, size_t len)
{
	int v = 0;

	while (len--)
		v = v * 10 + (*s++ - '0');
	return v;
}

/* False: no such day, hour, minute or second. s has the form. */
static bool time_of(const char *s, size_t len, int64_t *ret_ms)
{
	struct tm tm = {.tm_year = digits(s, 4) - 1900, .tm_mon = digits(s + 5, 2) - 1, .tm_mday = digits(s + 8, 2)};
	struct tm same;
	time_t t;

	if (len > 10) {
		tm.tm_hour = digits(s + 11, 2);
		tm.tm_min = digits(s + 14, 2);
		tm.tm_sec = digits(s + 17, 2);
	}
	same = tm;
	/* It makes March of February 30. */
	t = timegm(&same);
	if (same.tm_mon != tm.tm_mon || same.tm_mday != tm.tm_mday || same.tm_hour != tm.tm_hour ||
	    same.tm_min != tm.tm_min || same.tm_sec != tm.tm_sec)
		return false;
	*ret_ms = (int64_t)t * 1000;
	return true;
}

static void read_time(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	int64_t ms = 0;

	if (!reader_scalar(rd, n, "a time such as 2026-01-01T00:00:00Z"))
		return;
	if (!has_time_form(n->text, n->len))
		reader_error(rd, n, NULL,
			     "\"%.*s\" is not a time; write it in UTC as 2026-01-01T00:00:00Z or 2026-01-01", SHOWN(n));
	else if (!time_of(n->text, n->len, &ms))
		reader_error(rd, n, NULL, "%.*s is on no calendar or clock; check its day and hour", SHOWN(n));
	else if (schema_in_range(rd, f, n, 0, (uint64_t)ms))
		memcpy((char *)base + f->offset, &ms, sizeof(ms));
}

/* ---- currencies */

static void read_currency(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	if (!reader_scalar(rd, n, "a currency such as USD"))
		return;
	if (n->len != CURRENCY_MAX - 1 || !only(n, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		reader_error(rd, n, NULL, "\"%.*s\" is no currency; write its three capital letters, such as USD",
			     SHOWN(n));
	else
		memcpy((char *)base + f->offset, n->text, CURRENCY_MAX);
}

void schema_read_exact(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	switch (f->type) {
	case SCHEMA_TIME:
		read_time(rd, f, n, base);
		break;
	case SCHEMA_CURRENCY:
		read_currency(rd, f, n, base);
		break;
	default:
		read_decimal(rd, f, n, base);
		break;
	}
}
