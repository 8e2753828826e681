/* Goal: posting keeps B1 to B4 and B6. Method: rows that break a rule one by one in one transaction, which goes on; the
 * file looked at behind the store's back. */
#include "fixture.h"

#include <string.h>

static struct store *s;
static struct books_accounts acc;

static void set_up(void)
{
	fixture_init();
	s = fixture_books();
	fixture_accounts(s, 3, &acc);
}

static void clean(void)
{
	store_close(s);
	fixture_done();
}

TestSuite(books_post, .init = set_up, .fini = clean);

Test(books_post, record_and_transfers)
{
	struct usage_record got, r = fixture_record(&acc, 3, 7, 1000);

	fixture_fill(s, &acc, 3, 0, 10, 4, 1000);
	MUST(store_usage_get(s, &r.request_id, &got, &oops));
	r.id = 8;
	cr_expect_eq(memcmp(&r, &got, sizeof(r)), 0);
}
