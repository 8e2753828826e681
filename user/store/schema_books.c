/* The books. Accounts, rules, usage records and transfers are only ever added to, with ids from 1 without a gap, and
 * triggers refuse the rest (B1). So "is there such an account" is a comparison with the largest id (books_post.c), and
 * a foreign key's look-up per call is saved. */
#include "store/schema.h"

#include "base/util.h"

#define SQL_NEVER_CHANGED(table)                                                                                       \
	"CREATE TRIGGER " table "_no_update BEFORE UPDATE ON " table " BEGIN SELECT RAISE (ABORT, '" table             \
	" are never changed'); END;"                                                                                   \
	"CREATE TRIGGER " table "_no_delete BEFORE DELETE ON " table " BEGIN SELECT RAISE (ABORT, '" table             \
	" are never deleted'); END;"

#define SQL_ACCOUNTS                                                                                                   \
	"CREATE TABLE book ("                                                                                          \
	" one INTEGER PRIMARY KEY CHECK (one = 1),"                                                                    \
	" currency TEXT NOT NULL CHECK (length(currency) = 3)) STRICT;"                                                \
	"CREATE TABLE accounts ("                                                                                      \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" kind INTEGER NOT NULL CHECK (kind >= 0),"                                                                    \
	" name TEXT NOT NULL,"                                                                                         \
	" credit_line_nano INTEGER NOT NULL CHECK (credit_line_nano >= 0),"                                            \
	" created_ms INTEGER NOT NULL CHECK (created_ms >= 0),"                                                        \
	" UNIQUE (kind, name)) STRICT;"                                                                                \
	"CREATE TRIGGER accounts_no_delete BEFORE DELETE ON accounts"                                                  \
	" BEGIN SELECT RAISE (ABORT, 'accounts are never deleted'); END;"

/* The content is the key: equal rules are one row. */
#define SQL_RULES                                                                                                      \
	"CREATE TABLE price_rules ("                                                                                   \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" book_id INTEGER NOT NULL,"                                                                                   \
	" effective_ms INTEGER NOT NULL,"                                                                              \
	" currency TEXT NOT NULL,"                                                                                     \
	" provider TEXT NOT NULL,"                                                                                     \
	" upstream_model TEXT NOT NULL,"                                                                               \
	" model TEXT NOT NULL,"                                                                                        \
	" tier TEXT NOT NULL,"                                                                                         \
	" formula INTEGER NOT NULL,"                                                                                   \
	" supply INTEGER NOT NULL,"                                                                                    \
	" supply_pinned INTEGER NOT NULL,"                                                                             \
	" rate_input_nano INTEGER NOT NULL CHECK (rate_input_nano >= 0),"                                              \
	" rate_cached_input_nano INTEGER NOT NULL CHECK (rate_cached_input_nano >= 0),"                                \
	" rate_cache_write_nano INTEGER NOT NULL CHECK (rate_cache_write_nano >= 0),"                                  \
	" rate_output_nano INTEGER NOT NULL CHECK (rate_output_nano >= 0),"                                            \
	" base_margin_e4 INTEGER NOT NULL,"                                                                            \
	" tier_margin_e4 INTEGER NOT NULL,"                                                                            \
	" model_factor_e4 INTEGER NOT NULL,"                                                                           \
	" supply_factor_e4 INTEGER NOT NULL,"                                                                          \
	" min_margin_e4 INTEGER NOT NULL,"                                                                             \
	" max_margin_e4 INTEGER NOT NULL,"                                                                             \
	" UNIQUE (book_id, model, tier, provider, upstream_model, supply, effective_ms, currency, formula,"            \
	" supply_pinned, rate_input_nano, rate_cached_input_nano, rate_cache_write_nano, rate_output_nano,"            \
	" base_margin_e4, tier_margin_e4, model_factor_e4, supply_factor_e4, min_margin_e4, max_margin_e4)) STRICT;"

/* UNIQUE: B2. first_transfer: the id that the next transfer got; a call's transfers follow its record without a gap
 * (B6). */
#define SQL_USAGE                                                                                                      \
	"CREATE TABLE usage ("                                                                                         \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" request_id BLOB NOT NULL UNIQUE CHECK (length(request_id) = 12),"                                            \
	" account_id INTEGER NOT NULL CHECK (account_id > 0),"                                                         \
	" rule_id INTEGER NOT NULL CHECK (rule_id >= 0),"                                                              \
	" key_id TEXT NOT NULL,"                                                                                       \
	" route INTEGER NOT NULL CHECK (route >= 0),"                                                                  \
	" admitted_ms INTEGER NOT NULL CHECK (admitted_ms >= 0),"                                                      \
	" posted_ms INTEGER NOT NULL CHECK (posted_ms >= 0),"                                                          \
	" input_tokens INTEGER NOT NULL CHECK (input_tokens BETWEEN 0 AND 9007199254740992),"                          \
	" cached_input_tokens INTEGER NOT NULL CHECK (cached_input_tokens BETWEEN 0 AND 9007199254740992),"            \
	" cache_write_tokens INTEGER NOT NULL CHECK (cache_write_tokens BETWEEN 0 AND 9007199254740992),"              \
	" output_tokens INTEGER NOT NULL CHECK (output_tokens BETWEEN 0 AND 9007199254740992),"                        \
	" reasoning_tokens INTEGER NOT NULL CHECK (reasoning_tokens BETWEEN 0 AND 9007199254740992),"                  \
	" source INTEGER NOT NULL CHECK (source >= 0),"                                                                \
	" flags INTEGER NOT NULL CHECK (flags >= 0),"                                                                  \
	" status INTEGER NOT NULL,"                                                                                    \
	" hold_nano INTEGER NOT NULL CHECK (hold_nano >= 0),"                                                          \
	" cost_nano INTEGER NOT NULL CHECK (cost_nano >= 0),"                                                          \
	" price_nano INTEGER NOT NULL CHECK (price_nano >= 0),"                                                        \
	" latency_us INTEGER NOT NULL CHECK (latency_us >= 0),"                                                        \
	" bytes INTEGER NOT NULL CHECK (bytes >= 0),"                                                                  \
	" first_transfer INTEGER NOT NULL CHECK (first_transfer > 0)) STRICT;"

/* A call's transfers have no text and are in no index: those that come later, refunds and the like, are found by
 * transfers_later, the others by first_transfer. ref_account: the account in which ref is unique. */
#define SQL_TRANSFERS                                                                                                  \
	"CREATE TABLE transfers ("                                                                                     \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" time_ms INTEGER NOT NULL CHECK (time_ms >= 0),"                                                              \
	" kind INTEGER NOT NULL CHECK (kind >= 0),"                                                                    \
	" debit INTEGER NOT NULL CHECK (debit > 0),"                                                                   \
	" credit INTEGER NOT NULL CHECK (credit > 0),"                                                                 \
	" amount_nano INTEGER NOT NULL CHECK (amount_nano > 0),"                                                       \
	" usage_id INTEGER CHECK (usage_id > 0),"                                                                      \
	" actor TEXT,"                                                                                                 \
	" ref_account INTEGER,"                                                                                        \
	" ref TEXT CHECK (ref <> ''),"                                                                                 \
	" note TEXT,"                                                                                                  \
	" CHECK (debit <> credit)) STRICT;"                                                                            \
	"CREATE UNIQUE INDEX transfers_ref ON transfers (ref_account, ref) WHERE ref_account IS NOT NULL;"             \
	"CREATE INDEX transfers_later ON transfers (usage_id) WHERE usage_id IS NOT NULL AND (kind < 2 OR kind > 4);"

/* Made from the two tables above by roll-up, up to these ids. The blocks say in which runs of 4096 ids an
 * account has rows: an index for listings at a fraction of its cost per call. */
#define SQL_SUMS                                                                                                       \
	"CREATE TABLE rolled_up ("                                                                                     \
	" one INTEGER PRIMARY KEY CHECK (one = 1),"                                                                    \
	" usage_id INTEGER NOT NULL,"                                                                                  \
	" transfer_id INTEGER NOT NULL) STRICT;"                                                                       \
	"INSERT INTO rolled_up VALUES (1, 0, 0);"                                                                      \
	"CREATE TABLE usage_sums ("                                                                                    \
	" account_id INTEGER NOT NULL,"                                                                                \
	" hour INTEGER NOT NULL,"                                                                                      \
	" rule_id INTEGER NOT NULL,"                                                                                   \
	" calls INTEGER NOT NULL,"                                                                                     \
	" charged_calls INTEGER NOT NULL,"                                                                             \
	" estimated_calls INTEGER NOT NULL,"                                                                           \
	" input_tokens INTEGER NOT NULL,"                                                                              \
	" cached_input_tokens INTEGER NOT NULL,"                                                                       \
	" cache_write_tokens INTEGER NOT NULL,"                                                                        \
	" output_tokens INTEGER NOT NULL,"                                                                             \
	" reasoning_tokens INTEGER NOT NULL,"                                                                          \
	" cost_nano INTEGER NOT NULL,"                                                                                 \
	" price_nano INTEGER NOT NULL,"                                                                                \
	" PRIMARY KEY (account_id, hour, rule_id)) STRICT, WITHOUT ROWID;"                                             \
	"CREATE TABLE transfer_sums ("                                                                                 \
	" account_id INTEGER NOT NULL,"                                                                                \
	" hour INTEGER NOT NULL,"                                                                                      \
	" kind INTEGER NOT NULL,"                                                                                      \
	" transfers INTEGER NOT NULL,"                                                                                 \
	" credits_nano INTEGER NOT NULL,"                                                                              \
	" debits_nano INTEGER NOT NULL,"                                                                               \
	" PRIMARY KEY (account_id, hour, kind)) STRICT, WITHOUT ROWID;"                                                \
	"CREATE TABLE balances ("                                                                                      \
	" account_id INTEGER PRIMARY KEY,"                                                                             \
	" balance_nano INTEGER NOT NULL) STRICT;"                                                                      \
	"CREATE TABLE usage_blocks ("                                                                                  \
	" account_id INTEGER NOT NULL,"                                                                                \
	" block INTEGER NOT NULL,"                                                                                     \
	" PRIMARY KEY (account_id, block)) STRICT, WITHOUT ROWID;"                                                     \
	"CREATE TABLE transfer_blocks ("                                                                               \
	" account_id INTEGER NOT NULL,"                                                                                \
	" block INTEGER NOT NULL,"                                                                                     \
	" PRIMARY KEY (account_id, block)) STRICT, WITHOUT ROWID;"

/* body NULL: too large to keep. */
#define SQL_ANSWERS                                                                                                    \
	"CREATE TABLE answers ("                                                                                       \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" account_id INTEGER NOT NULL,"                                                                                \
	" key TEXT NOT NULL CHECK (length(CAST (key AS BLOB)) BETWEEN 1 AND 255),"                                     \
	" body_hash BLOB NOT NULL CHECK (length(body_hash) = 32),"                                                     \
	" request_id BLOB NOT NULL CHECK (length(request_id) = 12),"                                                   \
	" status INTEGER NOT NULL,"                                                                                    \
	" headers TEXT NOT NULL,"                                                                                      \
	" body BLOB,"                                                                                                  \
	" expires_ms INTEGER NOT NULL CHECK (expires_ms >= 0),"                                                        \
	" UNIQUE (account_id, key)) STRICT;"                                                                           \
	"CREATE INDEX answers_expiring ON answers (expires_ms);"

#define SQL_FINDINGS                                                                                                   \
	"CREATE TABLE recoveries ("                                                                                    \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" time_ms INTEGER NOT NULL,"                                                                                   \
	" request_id BLOB NOT NULL CHECK (length(request_id) = 12),"                                                   \
	" account_id INTEGER NOT NULL,"                                                                                \
	" hold_nano INTEGER NOT NULL,"                                                                                 \
	" price_nano INTEGER NOT NULL,"                                                                                \
	" rule TEXT NOT NULL,"                                                                                         \
	" text TEXT NOT NULL) STRICT;"                                                                                 \
	"CREATE TABLE discrepancies ("                                                                                 \
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"                                                                       \
	" found_ms INTEGER NOT NULL CHECK (found_ms >= 0),"                                                            \
	" closed_ms INTEGER NOT NULL CHECK (closed_ms >= 0),"                                                          \
	" kind TEXT NOT NULL,"                                                                                         \
	" subject TEXT NOT NULL,"                                                                                      \
	" expected_nano INTEGER NOT NULL,"                                                                             \
	" found_nano INTEGER NOT NULL,"                                                                                \
	" text TEXT NOT NULL,"                                                                                         \
	" note TEXT NOT NULL) STRICT;"                                                                                 \
	"CREATE UNIQUE INDEX discrepancies_open ON discrepancies (kind, subject) WHERE closed_ms = 0;"

/* B5. The lines come first, then the row that closes the period. */
#define SQL_SETTLEMENTS                                                                                                \
	"CREATE TABLE settlements ("                                                                                   \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" period TEXT NOT NULL UNIQUE CHECK (period <> ''),"                                                           \
	" from_ms INTEGER NOT NULL,"                                                                                   \
	" to_ms INTEGER NOT NULL,"                                                                                     \
	" settled_ms INTEGER NOT NULL,"                                                                                \
	" currency TEXT NOT NULL,"                                                                                     \
	" actor TEXT NOT NULL,"                                                                                        \
	" last_usage_id INTEGER NOT NULL,"                                                                             \
	" last_transfer_id INTEGER NOT NULL,"                                                                          \
	" calls INTEGER NOT NULL,"                                                                                     \
	" cost_nano INTEGER NOT NULL,"                                                                                 \
	" price_nano INTEGER NOT NULL,"                                                                                \
	" refunds_nano INTEGER NOT NULL,"                                                                              \
	" sla_nano INTEGER NOT NULL,"                                                                                  \
	" hash BLOB NOT NULL CHECK (length(hash) = 32),"                                                               \
	" CHECK (from_ms < to_ms)) STRICT;"

#define SQL_SETTLEMENT_LINES                                                                                           \
	"CREATE TABLE settlement_lines ("                                                                              \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" period TEXT NOT NULL,"                                                                                       \
	" kind INTEGER NOT NULL CHECK (kind >= 0),"                                                                    \
	" account TEXT NOT NULL,"                                                                                      \
	" model TEXT NOT NULL,"                                                                                        \
	" transfer_kind INTEGER NOT NULL,"                                                                             \
	" calls INTEGER NOT NULL,"                                                                                     \
	" input_tokens INTEGER NOT NULL,"                                                                              \
	" cached_input_tokens INTEGER NOT NULL,"                                                                       \
	" cache_write_tokens INTEGER NOT NULL,"                                                                        \
	" output_tokens INTEGER NOT NULL,"                                                                             \
	" reasoning_tokens INTEGER NOT NULL,"                                                                          \
	" cost_nano INTEGER NOT NULL,"                                                                                 \
	" price_nano INTEGER NOT NULL,"                                                                                \
	" opening_nano INTEGER NOT NULL,"                                                                              \
	" closing_nano INTEGER NOT NULL,"                                                                              \
	" invoice_cents INTEGER NOT NULL,"                                                                             \
	" carried_in_nano INTEGER NOT NULL,"                                                                           \
	" carried_out_nano INTEGER NOT NULL) STRICT;"                                                                  \
	"CREATE INDEX settlement_lines_of ON settlement_lines (period, id);"                                           \
	"CREATE INDEX settlement_lines_of_account ON settlement_lines (period, account, id);"                          \
	"CREATE TRIGGER settlement_lines_closed BEFORE INSERT ON settlement_lines"                                     \
	" WHEN EXISTS (SELECT 1 FROM settlements WHERE period = NEW.period)"                                           \
	" BEGIN SELECT RAISE (ABORT, 'a settled period takes no more lines'); END;"

/* A count NULL: the invoice doesn't say. */
#define SQL_INVOICES                                                                                                   \
	"CREATE TABLE invoice_lines ("                                                                                 \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" provider TEXT NOT NULL,"                                                                                     \
	" period TEXT NOT NULL,"                                                                                       \
	" model TEXT NOT NULL,"                                                                                        \
	" calls INTEGER,"                                                                                              \
	" input_tokens INTEGER,"                                                                                       \
	" cached_input_tokens INTEGER,"                                                                                \
	" output_tokens INTEGER,"                                                                                      \
	" amount_nano INTEGER NOT NULL) STRICT;"                                                                       \
	"CREATE INDEX invoice_lines_of ON invoice_lines (provider, period, id);"

/* B1, B5 */
#define SQL_GUARDS                                                                                                     \
	SQL_NEVER_CHANGED("price_rules")                                                                               \
	SQL_NEVER_CHANGED("usage")                                                                                     \
	SQL_NEVER_CHANGED("transfers")                                                                                 \
	SQL_NEVER_CHANGED("settlements")                                                                               \
	SQL_NEVER_CHANGED("settlement_lines")

static const char *const steps[] = {
	/* 1 */
	SQL_AUDIT_TABLES SQL_ACCOUNTS SQL_RULES SQL_USAGE SQL_TRANSFERS SQL_SUMS SQL_ANSWERS SQL_FINDINGS
		SQL_SETTLEMENTS SQL_SETTLEMENT_LINES SQL_INVOICES SQL_GUARDS "PRAGMA application_id = 1952932459;",
};

static const char *const large[] = {
	"usage", "transfers", "usage_sums", "transfer_sums", "usage_blocks", "transfer_blocks", "answers", NULL,
};

const struct schema schema_books = {
	.application_id = SCHEMA_BOOKS_ID,
	.steps = steps,
	.n_steps = ARRAY_SIZE(steps),
	.large = large,
};
