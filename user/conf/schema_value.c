/* Single values: text of a scalar -> the destination's type, with its range. */
#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/secret.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* As much of a wrong value as helps to find it. */
#define SHOWN(n) (int)((n)->len > 40 ? 40 : (n)->len), (n)->text

static void *dest(const struct schema_field *f, void *base)
{
	return (char *)base + f->offset;
}

static void put_unsigned(const struct schema_field *f, void *base, uint64_t v)
{
	unsigned u = (unsigned)v;

	memcpy(dest(f, base), &u, sizeof(u));
}

static void put_u64(const struct schema_field *f, void *base, uint64_t v)
{
	memcpy(dest(f, base), &v, sizeof(v));
}

static void put_string(const struct schema_field *f, void *base, char *s)
{
	memcpy(dest(f, base), &s, sizeof(s));
}

/* Of a duration's destination; 0 = no duration. */
static uint64_t duration_unit_ns(enum schema_type type)
{
	switch (type) {
	case SCHEMA_DURATION_S:
		return 1000000000u;
	case SCHEMA_DURATION_MS:
		return 1000000u;
	case SCHEMA_DURATION_US:
		return 1000u;
	case SCHEMA_DURATION_NS:
		return 1;
	default:
		return 0;
	}
}

static void format_size(uint64_t v, char buf[64])
{
	static const struct {
		const char *name;
		unsigned shift;
	} units[] = {{"GiB", 30}, {"MiB", 20}, {"KiB", 10}};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (v && !(v & ((1ull << units[i].shift) - 1))) {
			snprintf(buf, 64, "%" PRIu64 "%s", v >> units[i].shift, units[i].name);
			return;
		}
	snprintf(buf, 64, "%" PRIu64, v);
}

void schema_format(const struct schema_field *f, uint64_t value, char buf[64])
{
	char duration[32];

	switch (f->type) {
	case SCHEMA_SIZE:
	case SCHEMA_SIZE64:
		format_size(value, buf);
		break;
	case SCHEMA_DURATION_S:
	case SCHEMA_DURATION_MS:
	case SCHEMA_DURATION_US:
	case SCHEMA_DURATION_NS:
		num_format_duration(value * duration_unit_ns(f->type), duration);
		snprintf(buf, 64, "%s", duration);
		break;
	case SCHEMA_E4:
	case SCHEMA_MONEY:
	case SCHEMA_TIME:
		schema_format_exact(f->type, value, buf);
		break;
	case SCHEMA_MODE:
		snprintf(buf, 64, "%04" PRIo64, value);
		break;
	default:
		snprintf(buf, 64, "%" PRIu64, value);
		break;
	}
}

bool schema_in_range(struct reader *rd, const struct schema_field *f, const struct node *n, int rc, uint64_t v)
{
	char lo[64], hi[64];

	if (rc == 0 && v >= f->min && v <= f->max)
		return true;
	schema_format(f, f->min, lo);
	schema_format(f, f->max, hi);
	reader_error(rd, n, NULL, "%.*s is out of range; from %s to %s", SHOWN(n), lo, hi);
	return false;
}

/* A word that stands for a number, such as "unlimited". */
static const struct schema_choice *word_find(const struct schema_choice *c, const struct node *n)
{
	for (; c && c->name; c++)
		if (!strcmp(c->name, n->text))
			return c;
	return NULL;
}

static void read_bool(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	static const struct schema_choice words[] = {{"true", 1}, {"on", 1}, {"yes", 1}, {"false", 0},
						     {"off", 0},  {"no", 0}, {0}};
	const struct schema_choice *c;
	bool v;

	if (!reader_scalar(rd, n, "true or false"))
		return;
	c = n->plain ? word_find(words, n) : NULL;
	if (!c) {
		reader_error(rd, n, NULL, "\"%.*s\" is neither true nor false%s", SHOWN(n),
			     n->plain ? " (on, off, yes and no will do)" : "; write it without quotes");
		return;
	}
	v = c->value;
	memcpy(dest(f, base), &v, sizeof(v));
}

static void number_error(struct reader *rd, const struct schema_field *f, const struct node *n)
{
	const char *or_word = f->choices ? f->choices[0].name : NULL;

	if (!n->plain)
		reader_error(rd, n, NULL, "\"%.*s\" is in quotes; write the number without", SHOWN(n));
	else
		reader_error(rd, n, NULL, "\"%.*s\" is not a whole number%s%s; write digits only, such as 1000",
			     SHOWN(n), or_word ? " or " : "", or_word ? or_word : "");
}

static void read_number(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	const struct schema_choice *c;
	uint64_t v = 0;
	int rc;

	if (!reader_scalar(rd, n, "a whole number"))
		return;
	c = word_find(f->choices, n);
	if (c) {
		v = c->value;
	} else {
		rc = n->plain ? num_parse_u64(n->text, n->len, &v) : ERR_INVAL;
		if (rc == ERR_INVAL) {
			number_error(rd, f, n);
			return;
		}
		if (!schema_in_range(rd, f, n, rc, v))
			return;
	}
	if (f->type == SCHEMA_COUNT)
		put_u64(f, base, v);
	else
		put_unsigned(f, base, v);
}

static void read_size(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	const struct schema_choice *c;
	uint64_t v = 0;
	int rc = 0;

	if (!reader_scalar(rd, n, "a size such as 64KiB"))
		return;
	c = word_find(f->choices, n);
	if (c)
		v = c->value;
	else
		rc = num_parse_bytes(n->text, n->len, &v);
	if (rc == ERR_INVAL) {
		reader_error(rd, n, NULL,
			     "\"%.*s\" is not a size; write bytes (65536) or with KiB, MiB, GiB, kB, MB, GB (64KiB)",
			     SHOWN(n));
		return;
	}
	if (!c && !schema_in_range(rd, f, n, rc, v))
		return;
	if (f->type == SCHEMA_SIZE64)
		put_u64(f, base, v);
	else
		put_unsigned(f, base, v);
}

static void read_duration(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	const char *unit = f->type == SCHEMA_DURATION_S    ? "second"
			   : f->type == SCHEMA_DURATION_MS ? "millisecond"
							   : "microsecond";
	uint64_t ns = 0, unit_ns = duration_unit_ns(f->type), v;
	int rc;

	if (!reader_scalar(rd, n, "a duration such as 60s"))
		return;
	rc = num_parse_duration_ns(n->text, n->len, &ns);
	if (rc == ERR_INVAL) {
		reader_error(rd, n, NULL,
			     "\"%.*s\" is not a duration; write a number with ns, us, ms, s, m, h or d, such as 60s",
			     SHOWN(n));
		return;
	}
	v = ns / unit_ns;
	if (rc == 0 && v * unit_ns != ns) {
		reader_error(rd, n, NULL, "%.*s is finer than a %s; write whole %ss", SHOWN(n), unit, unit);
		return;
	}
	if (!schema_in_range(rd, f, n, rc, v))
		return;
	if (f->type == SCHEMA_DURATION_NS)
		put_u64(f, base, v);
	else
		put_unsigned(f, base, v);
}

static void read_mode(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	unsigned v = 0;

	if (!reader_scalar(rd, n, "a file mode such as \"0660\""))
		return;
	for (size_t i = 0; i < n->len; i++) {
		if (n->len > 4 || n->len < 3 || n->text[i] < '0' || n->text[i] > '7') {
			reader_error(rd, n, NULL, "\"%.*s\" is not a file mode; write octal digits such as \"0660\"",
				     SHOWN(n));
			return;
		}
		v = v * 8 + (unsigned)(n->text[i] - '0');
	}
	if (schema_in_range(rd, f, n, 0, v))
		put_unsigned(f, base, v);
}

static void read_choice(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	const struct schema_choice *c;
	char hint[240];
	bool flag;

	if (!reader_scalar(rd, n, "one of its words"))
		return;
	c = word_find(f->choices, n);
	if (!c) {
		schema_suggest_choice(f->choices, n->text, n->len, hint, sizeof(hint));
		reader_error(rd, n, NULL, "\"%.*s\" is none of its words; %s", SHOWN(n), hint);
		return;
	}
	if (f->type == SCHEMA_CHOICE) {
		put_unsigned(f, base, c->value);
	} else if (f->type == SCHEMA_FLAG) {
		flag = c->value;
		memcpy(dest(f, base), &flag, sizeof(flag));
	} else {
		put_string(f, base, reader_strndup(rd, c->name, strlen(c->name)));
	}
}

/* Text of allowed length without control characters (YAML's escapes could hold them). */
static bool is_text(struct reader *rd, const struct schema_field *f, const struct node *n, const char *expected)
{
	uint64_t max = f->max ? f->max : 4095;

	if (!reader_scalar(rd, n, expected))
		return false;
	for (size_t i = 0; i < n->len; i++)
		if ((unsigned char)n->text[i] < 0x20 || n->text[i] == 0x7f) {
			reader_error(rd, n, NULL, "holds a control character or line end; give %s on one line",
				     expected);
			return false;
		}
	if (!n->len) {
		reader_error(rd, n, NULL, "is empty; give %s, or leave the line out", expected);
		return false;
	}
	if (n->len > max) {
		reader_error(rd, n, NULL, "is %zu bytes long; at most %" PRIu64, n->len, max);
		return false;
	}
	return true;
}

static void read_string(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	if (!is_text(rd, f, n, "a text"))
		return;
	if (f->type == SCHEMA_STRING)
		put_string(f, base, reader_strndup(rd, n->text, n->len));
	else
		memcpy(dest(f, base), n->text, n->len + 1);
}

static void read_path(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	char *path;

	if (!is_text(rd, f, n, "a path"))
		return;
	path = reader_path(rd, n->text, n->len);
	if (!path)
		return;
	if (f->max && strlen(path) > f->max) {
		reader_error(rd, n, NULL, "is %zu bytes long with its folder; at most %" PRIu64, strlen(path), f->max);
		return;
	}
	if (f->type == SCHEMA_FILE && access(path, R_OK) < 0)
		reader_error(rd, n, NULL, "can't read %.200s: %s", path, strerror(errno));
	put_string(f, base, path);
}

/* The rule of http(s)://host[:port][/prefix] that the text breaks, or NULL. */
static const char *url_broken(const char *s)
{
	const char *host = !strncmp(s, "http://", 7) ? s + 7 : !strncmp(s, "https://", 8) ? s + 8 : NULL;
	const char *end, *port;
	uint64_t v;

	if (!host)
		return "must begin with http:// or https://";
	if (strchr(s, '?') || strchr(s, '#'))
		return "must have no query or fragment; only http(s)://host[:port][/prefix]";
	end = host + strcspn(host, "/");
	if (memchr(host, '@', (size_t)(end - host)))
		return "must have no user or password; give the key by api_key";
	for (const char *p = s; *p; p++)
		if (*p <= ' ' || *p == '"' || *p == '\\' || (unsigned char)*p > '~')
			return "has a character that no URL has; encode it with %";
	if (*host == '[') {
		port = memchr(host, ']', (size_t)(end - host));
		if (!port || port == host + 1)
			return "has an IPv6 address without \"]\"";
		port++;
	} else {
		port = host + strcspn(host, ":/");
		if (port == host)
			return "has no host";
	}
	if (port == end)
		return NULL;
	if (*port != ':' || num_parse_u64(port + 1, (size_t)(end - port - 1), &v) < 0 || !v || v > 65535)
		return "has a bad port; from 1 to 65535";
	return NULL;
}

static void read_url(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	const char *broken;
	size_t len;

	if (!is_text(rd, f, n, "a URL such as https://api.example.com"))
		return;
	broken = url_broken(n->text);
	if (broken) {
		reader_error(rd, n, NULL, "%s", broken);
		return;
	}
	for (len = n->len; len && n->text[len - 1] == '/';)
		len--;
	put_string(f, base, reader_strndup(rd, n->text, len));
}

static void read_secret(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	char *value = NULL;

	if (reader_scalar(rd, n, "env:NAME or file:PATH") && secret_resolve(rd, n, &value))
		put_string(f, base, value);
}

/* "192.0.2.1:8080" or "[2001:db8::1]:8080". */
static const char *address_broken(const char *s, struct conf_listen *ret)
{
	const char *colon = strrchr(s, ':'), *host = s;
	unsigned char addr[16];
	size_t len;
	uint64_t port;

	if (!colon || colon == s)
		return "needs an address and a port";
	len = (size_t)(colon - s);
	if (*s == '[') {
		if (s[len - 1] != ']')
			return "needs a port after the address in []";
		host++;
		len -= 2;
	}
	if (len >= sizeof(ret->host))
		return "is too long for an address";
	memcpy(ret->host, host, len);
	ret->host[len] = '\0';
	if (*s == '[' ? inet_pton(AF_INET6, ret->host, addr) != 1 : inet_pton(AF_INET, ret->host, addr) != 1)
		return *s != '[' && strchr(ret->host, ':') ? "has an IPv6 address without []"
							   : "is no numeric address; names are not resolved here";
	if (num_parse_u64(colon + 1, strlen(colon + 1), &port) < 0 || !port || port > 65535)
		return "has a bad port; from 1 to 65535";
	ret->port = (uint16_t)port;
	return NULL;
}

static void read_address(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	struct conf_listen parsed = {0}, *to = dest(f, base);
	const char *broken;

	if (!is_text(rd, f, n, "an address such as 127.0.0.1:8080"))
		return;
	broken = address_broken(n->text, &parsed);
	if (broken) {
		reader_error(rd, n, NULL, "\"%.*s\" %s; write it as 127.0.0.1:8080 or \"[::1]:8080\"", SHOWN(n),
			     broken);
		return;
	}
	memcpy(to->host, parsed.host, sizeof(to->host));
	to->port = parsed.port;
}

void schema_read_value(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	switch (f->type) {
	case SCHEMA_BOOL:
		read_bool(rd, f, n, base);
		break;
	case SCHEMA_UINT:
	case SCHEMA_COUNT:
		read_number(rd, f, n, base);
		break;
	case SCHEMA_SIZE:
	case SCHEMA_SIZE64:
		read_size(rd, f, n, base);
		break;
	case SCHEMA_DURATION_S:
	case SCHEMA_DURATION_MS:
	case SCHEMA_DURATION_US:
	case SCHEMA_DURATION_NS:
		read_duration(rd, f, n, base);
		break;
	case SCHEMA_E4:
	case SCHEMA_MONEY:
	case SCHEMA_TIME:
	case SCHEMA_CURRENCY:
		schema_read_exact(rd, f, n, base);
		break;
	case SCHEMA_MODE:
		read_mode(rd, f, n, base);
		break;
	case SCHEMA_CHOICE:
	case SCHEMA_FLAG:
	case SCHEMA_WORD:
		read_choice(rd, f, n, base);
		break;
	case SCHEMA_STRING:
	case SCHEMA_NAME:
		read_string(rd, f, n, base);
		break;
	case SCHEMA_PATH:
	case SCHEMA_FILE:
		read_path(rd, f, n, base);
		break;
	case SCHEMA_URL:
		read_url(rd, f, n, base);
		break;
	case SCHEMA_SECRET:
		read_secret(rd, f, n, base);
		break;
	case SCHEMA_ADDRESS:
		read_address(rd, f, n, base);
		break;
	default:
		break;
	}
}
