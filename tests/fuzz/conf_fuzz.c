/* Goal: no bytes make the two parsers read outside, leak, or take what they then can't show.
 * Method: libFuzzer; the first byte chooses the parser; what was accepted is walked (strings, lists, differences), and
 * what was refused has at least one error, in order, with its place inside the text. */
#include "conf/conf.h"
#include "conf/policy.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_errors(const struct conf_errors *errs, const char *text, size_t len)
{
	struct buf out = BUF_INIT;
	unsigned lines = 2; /* an error at the end may be on the line after the last */

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n' || text[i] == '\r' ||
			 (unsigned char)text[i] >= 0x80; /* NEL, LS, PS end lines too */
	assert(errs->count);
	for (size_t i = 0; i < errs->count; i++) {
		assert(errs->items[i].line <= lines);
		assert(errs->items[i].msg[0]);
		assert(!i || errs->items[i - 1].line <= errs->items[i].line);
	}
	conf_errors_print(errs, "fuzz", &out);
	buf_done(&out);
}

static void walk_conf(const struct conf *c)
{
	assert(c->n_listen && c->n_models && c->state_dir && c->store_path && c->control_socket);
	for (size_t i = 0; i < c->n_models; i++) {
		const struct conf_model *m = &c->models[i];

		assert(conf_model_find(c, m->name, strlen(m->name)) == m);
		assert(m->n_deployments);
		for (size_t j = 0; j < m->n_deployments; j++)
			assert(m->deployments[j].provider && strlen(m->deployments[j].upstream_model));
	}
	for (size_t i = 0; i < c->n_providers; i++)
		assert(strlen(c->providers[i].base_url) && c->providers[i].api_key);
}

static void walk_policy(const struct policy *p)
{
	struct policy *base = NULL;
	struct conf_errors errs = {0};
	struct buf out = BUF_INIT;
	int rc = policy_parse(policy_default_text, strlen(policy_default_text), &base, &errs);

	assert(!rc);
	rc = policy_diff(base, p, &out);
	assert(!rc);
	rc = policy_diff(p, base, &out);
	assert(!rc);
	buf_reset(&out);
	rc = policy_diff(p, p, &out);
	assert(!rc && !out.len);
	buf_done(&out);
	for (size_t i = 0; i < p->n_block; i++) {
		struct policy_list_entry again;
		struct err err;
		char text[64];

		policy_format_cidr(&p->block[i], text);
		rc = policy_parse_cidr(text, strlen(text), &again, &err);
		assert(!rc && again.prefix_len == p->block[i].prefix_len &&
		       !memcmp(again.addr, p->block[i].addr, sizeof(again.addr)));
	}
	policy_free(base);
	conf_errors_done(&errs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errs = {0};
	struct conf *conf = NULL;
	struct policy *policy = NULL;
	const char *text = (const char *)data + 1;
	int rc;

	if (!size)
		return 0;
	rc = data[0] & 1 ? conf_parse(text, size - 1, &conf, &errs) : policy_parse(text, size - 1, &policy, &errs);
	assert(rc == 0 || rc == ERR_INVAL);
	if (rc)
		check_errors(&errs, text, size - 1);
	if (conf)
		walk_conf(conf);
	if (policy)
		walk_policy(policy);
	conf_free(conf);
	policy_free(policy);
	conf_errors_done(&errs);
	return 0;
}
