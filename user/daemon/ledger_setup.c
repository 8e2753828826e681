/* The ledger at start, and what there is to say about it later. */
#include "base/log.h"
#include "daemon/daemon.h"

#include <stdio.h>

static void say_recovered(const struct daemon *d)
{
	struct ledger_recovery r;

	ledger_recovered(d->ledger, &r);
	if (r.found)
		log_warn(NULL,
			 "ledger: %u holds were open when the last run ended: %u charged, %u void, %u posted before; "
			 "%.1f ms (tollctl bill recoveries)",
			 r.found, r.charged, r.voided, r.known, (double)r.took_us / 1000);
}

int ledger_setup_open(struct daemon *d, struct err *err)
{
	const struct conf *c = d->conf;
	struct ledger_opts o = LEDGER_OPTS_DEFAULT;
	char holds[4096];
	int rc;

	if (!c->billing.enabled)
		return 0;
	snprintf(holds, sizeof(holds), "%s/holds", c->state_dir);
	o.path = c->billing.path;
	o.holds_path = holds;
	o.sha256 = crypto_sha256;
	o.lanes = d->n_workers;
	o.currency = c->billing.currency;
	o.gather_us = c->billing.gather_us;
	o.holds_max = c->billing.holds_max;
	o.holds_sync_ms = c->billing.holds_sync_ms;
	o.answer_ttl_s = c->billing.idempotency_ttl_s;
	rc = ledger_open(&o, &d->ledger, err);
	if (rc == 0)
		say_recovered(d);
	return rc;
}

void ledger_watch(struct daemon *d)
{
	struct ledger_stats s;

	ledger_stats(d->ledger, &s);
	if (!s.available && !d->ledger_failing)
		log_error(NULL, "ledger: %s; billable calls are refused until it can be written again, %u records wait",
			  s.why, s.queued);
	if (s.available && d->ledger_failing)
		log_info(NULL, "ledger: it can be written again");
	d->ledger_failing = !s.available;
	if (s.holds_expired > d->holds_expired_said)
		log_error(NULL, "ledger: %llu holds were still open past their time and were ended",
			  (unsigned long long)(s.holds_expired - d->holds_expired_said));
	d->holds_expired_said = s.holds_expired;
}
