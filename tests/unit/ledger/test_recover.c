/* Goal: R1 to R5, H1 to H4, L4 and L5: what start-up makes of the holds it finds. Method: holds are left open in the
 * file by closing the ledger under them, or by a process that is killed; files are damaged by hand. */
#include "fixture.h"

#include "ledger/slots.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(recover, .init = world_new, .fini = world_free, .timeout = 120);

static const struct {
	const char *name;
	bool forwarded, idempotent, reported;
	uint64_t delivered;
	const char *rule;
	enum usage_source source;
	int64_t cost;
} rows[] = {
	{"admitted", false, false, false, 0, "R2", USAGE_NONE, 0},
	{"forwarded", true, false, false, 0, "R2", USAGE_NONE, 0},
	{"reported, not released", true, false, true, 0, "R2", USAGE_NONE, 0},
	{"will ask again", true, true, true, 20, "R3", USAGE_NONE, 0},
	{"estimate", true, false, false, 20, "R4", USAGE_RECOVERED, 30},
	{"reported", true, false, true, 20, "R4", USAGE_RECOVERED, 45},
};
enum { N = ARRAY_SIZE(rows) };

static struct ledger_hold *leave_open(unsigned i)
{
	struct ledger_hold_terms t = terms(i + 1, 40);
	struct ledger_hold *h;

	t.idempotent = rows[i].idempotent;
	cr_assert_eq(ledger_hold_take(w.l, 0, w.account, &t, &h, NULL), 0);
	if (rows[i].forwarded)
		ledger_hold_forwarded(h, &w.rule, 10, true);
	if (rows[i].delivered)
		ledger_hold_delivered(h, rows[i].delivered);
	if (rows[i].reported) { /* H2: the last report counts */
		ledger_hold_reported(h, &(struct usage){.input_tokens = 12, .output_tokens = 1});
		ledger_hold_reported(h, &(struct usage){.input_tokens = 12, .output_tokens = 33});
	}
	return h;
}

static const struct store_recovery *recovery_of(const struct store_recovery *all, unsigned n, unsigned request)
{
	struct request_id id = request_number(request);

	for (unsigned i = 0; i < n; i++)
		if (memcmp(&all[i].request_id, &id, sizeof(id)) == 0)
			return &all[i];
	return NULL;
}

static void expect_rows(void)
{
	struct store_recovery all[2 * N];
	unsigned n = recoveries_read(all, ARRAY_SIZE(all));
	struct usage_record r;

	cr_assert_eq(n, N);
	for (unsigned i = 0; i < N; i++) {
		const struct store_recovery *v = recovery_of(all, n, i + 1);

		cr_assert_not_null(v, "%s", rows[i].name);
		cr_assert(record_read(i + 1, &r), "%s", rows[i].name);
		cr_expect_str_eq(v->rule, rows[i].rule, "%s: %s", rows[i].name, v->rule);
		cr_expect_eq(r.source, rows[i].source, "%s", rows[i].name);
		cr_expect_eq(r.cost_nano, rows[i].cost, "%s: %lld", rows[i].name, (long long)r.cost_nano);
		cr_expect_eq(r.price_nano, rows[i].cost * 4 / 3, "%s", rows[i].name);
		cr_expect_eq(v->price_nano, r.price_nano, "%s", rows[i].name);
		cr_expect_eq(v->hold_nano, 40, "%s", rows[i].name);
	}
}

static void expect_books(int64_t balance, uint64_t records)
{
	struct books b;

	ledger_stop(w.l);
	b = books_read();
	cr_expect_eq(b.sum, 0);
	cr_expect_eq(b.records, records, "%u records", (unsigned)b.records);
	cr_expect_eq(b.balance, balance, "%lld", (long long)b.balance);
	cr_expect_eq(b.differences, 0, "%s", b.first);
	cr_expect_eq(world_balance().available_nano, balance);
	cr_expect_eq(world_balance().held_nano, 0);
}

Test(recover, by_rule)
{
	struct ledger_recovery rec;

	world_start();
	world_deposit(1000);
	for (unsigned i = 0; i < N; i++)
		leave_open(i);
	world_close();
	world_start();
	ledger_recovered(w.l, &rec);
	cr_expect_eq(rec.found, N);
	cr_expect_eq(rec.charged, 2);
	cr_expect_eq(rec.voided, 4);
	cr_expect_eq(rec.known, 0);
	expect_rows();
	expect_books(900, N); /* 40 of the hold and 20 above it, and 40 */
	world_close();
	world_start(); /* nothing is left for a second start */
	ledger_recovered(w.l, &rec);
	cr_expect_eq(rec.found, 0);
}

static void copy_file(const char *from, const char *to)
{
	char buf[65536];
	ssize_t n;
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		cr_assert_eq(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

/* R1. A crash between recovery's commit and the freeing of the slots: the same file again. */
Test(recover, twice_the_same_file)
{
	struct ledger_recovery rec;
	char kept[120];

	snprintf(kept, sizeof(kept), "%s/kept", w.dir);
	world_start();
	world_deposit(1000);
	for (unsigned i = 0; i < N; i++)
		leave_open(i);
	world_close();
	copy_file(w.holds, kept);
	world_start();
	world_close();
	cr_assert_eq(rename(kept, w.holds), 0);
	world_start();
	ledger_recovered(w.l, &rec);
	cr_expect_eq(rec.found, N);
	cr_expect_eq(rec.known, N);
	cr_expect_eq(rec.charged, 0);
	expect_books(900, N);
}

static void file_poke(long at, const void *data, size_t len)
{
	int fd = open(w.holds, O_WRONLY | O_CLOEXEC);

	cr_assert(fd >= 0);
	cr_assert_eq(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

/* R5 */
Test(recover, damaged_slots)
{
	struct ledger_recovery rec;
	struct store_recovery all[4];
	long found = 0;

	world_start();
	world_deposit(1000);
	for (unsigned i = 0; i < 3; i++)
		leave_open(5);
	leave_open(4); /* the slots are taken from the top down: the last one is met first */
	world_close();
	for (long i = 0; i < 2048; i++) { /* of the others an amount, an id and a state turn */
		uint32_t word;
		int fd = open(w.holds, O_RDONLY | O_CLOEXEC);

		cr_assert_eq(pread(fd, &word, 4, 4096 + i * 256), 4);
		close(fd);
		if (SLOT_STATE_OF(word) != SLOT_OPEN)
			continue;
		if (found == 1)
			file_poke(4096 + i * 256 + 8 + 24, "\x7f", 1);
		else if (found == 2)
			file_poke(4096 + i * 256 + 8 + 3, "\xee", 1);
		else if (found == 3)
			file_poke(4096 + i * 256, "\x77", 1);
		found++;
	}
	world_start();
	ledger_recovered(w.l, &rec);
	cr_expect_eq(rec.found, 4);
	cr_expect_eq(rec.damaged, 3, "%u", rec.damaged);
	cr_expect_eq(rec.voided, 3);
	cr_expect_eq(recoveries_read(all, 4), 4);
	cr_expect_eq(discrepancies_read("damaged_hold"), 3, "%u", discrepancies_read("damaged_hold"));
	expect_books(1000 - 40, 1); /* only the sound one */
}

/* A settled record that was not committed is priced as it was settled, unless nothing had been delivered. */
Test(recover, settled_but_not_committed)
{
	struct ledger_recovery rec;
	struct call calls[2];
	struct usage_record r;
	struct ledger_hold *h[2];

	world_start();
	world_deposit(1000);
	ledger_stop(w.l); /* nobody posts */
	for (unsigned i = 0; i < 2; i++) {
		h[i] = hold_of(i + 1, 40);
		ledger_hold_forwarded(h[i], &w.rule, 10, true);
		if (i)
			ledger_hold_delivered(h[i], 3);
		call_fill(&calls[i], i + 1, 80, 60);
		calls[i].job.record.usage.output_tokens = 60;
		calls[i].job.record.flags = USAGE_FLAG_STREAM | USAGE_FLAG_CLIENT_GONE;
		ledger_settle(w.l, h[i], &calls[i].job);
	}
	world_close();
	cr_expect_eq(calls[0].done + calls[1].done, 0); /* L3 */
	world_start();
	ledger_recovered(w.l, &rec);
	cr_expect_eq(rec.charged, 1);
	cr_expect_eq(rec.voided, 1);
	cr_assert(record_read(2, &r));
	cr_expect_eq(r.price_nano, 80);
	cr_expect_eq(r.cost_nano, 60);
	cr_expect_eq(r.flags, USAGE_FLAG_STREAM | USAGE_FLAG_CLIENT_GONE);
	cr_expect_eq(r.source, USAGE_RECOVERED);
	expect_books(920, 2);
}

Test(recover, file_of_another_size)
{
	static const unsigned sizes[] = {2048, 64, 1, 4096, 4096};
	struct ledger_recovery rec;
	struct stat st;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		w.opts.holds_max = sizes[i];
		world_start();
		ledger_recovered(w.l, &rec);
		cr_expect_eq(rec.found, i ? 1 : 0); /* by the size it had */
		cr_assert_eq(stat(w.holds, &st), 0);
		cr_expect_eq(st.st_size, 4096 + (off_t)sizes[i] * 256);
		cr_expect_eq(st.st_mode & 0777, 0600);
		cr_expect_geq((off_t)st.st_blocks * 512, st.st_size); /* H3: no holes */
		if (!i)
			world_deposit(1000);
		leave_open(0);
		if (i + 1 < ARRAY_SIZE(sizes))
			world_close();
	}
}

static int open_code(struct err *err)
{
	struct ledger *l = NULL;
	int rc = ledger_open(&w.opts, &l, err);

	ledger_free(l);
	return rc;
}

Test(recover, files_that_are_refused)
{
	static const uint64_t magic = 0x31534c4f48474c54ull;
	const uint32_t layout = 9;
	struct err err;

	world_start();
	cr_expect_eq(open_code(&err), ERR_BUSY, "%s", err.msg); /* H4 */
	world_close();
	file_poke(8, &layout, 4);
	cr_expect_eq(open_code(&err), ERR_VERSION, "%s", err.msg);
	file_poke(0, "not a holds file", 16);
	cr_expect_eq(open_code(&err), ERR_CORRUPT, "%s", err.msg);
	file_poke(0, &magic, 8);
	file_poke(8, (uint32_t[]){1, 256, 2048}, 12);
	cr_expect_eq(open_code(&err), 0, "%s", err.msg);
	cr_assert_eq(truncate(w.holds, 5000), 0);
	cr_expect_eq(open_code(&err), ERR_CORRUPT, "%s", err.msg);
	cr_assert_eq(truncate(w.holds, 0), 0); /* an interrupted making */
	cr_expect_eq(open_code(&err), 0, "%s", err.msg);
	w.opts.currency = "EUR";
	cr_expect_eq(open_code(&err), ERR_INVAL, "%s", err.msg);
	w.opts.currency = "USD";
}

/* Many at once; prints how long it took. */
Test(recover, full_file)
{
	struct ledger_recovery rec;
	const unsigned n = 65536;

	w.opts.holds_max = n;
	world_start();
	world_deposit(NANO);
	for (unsigned i = 0; i < n; i++) {
		struct ledger_hold *h = hold_of(i + 1, 40);

		ledger_hold_forwarded(h, &w.rule, 10, true);
		if (i % 2)
			ledger_hold_delivered(h, 20);
	}
	world_close();
	world_start();
	ledger_recovered(w.l, &rec);
	cr_log_info("recovery of %u holds: %u ms\n", rec.found, (unsigned)(rec.took_us / 1000));
	cr_expect_eq(rec.found, n);
	cr_expect_eq(rec.charged, n / 2);
	expect_books(NANO - (int64_t)n / 2 * 40, n);
}
