/* Every statement of the books, in one place. X(SYMBOL, "SQL"); a part of sql.h's list. */
#ifndef STORE_SQL_BOOKS_H
#define STORE_SQL_BOOKS_H

#define USAGE_COLS                                                                                                     \
	"u.id, u.request_id, u.account_id, u.rule_id, u.key_id, u.route, u.admitted_ms, u.posted_ms, u.input_tokens,"  \
	" u.cached_input_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens, u.source, u.flags,"        \
	" u.status, u.hold_nano, u.cost_nano, u.price_nano, u.latency_us, u.bytes"
#define TRANSFER_COLS "t.id, t.time_ms, t.kind, t.debit, t.credit, t.amount_nano, t.usage_id, t.actor, t.ref, t.note"
#define RULE_COLS                                                                                                      \
	"book_id, effective_ms, currency, provider, upstream_model, model, tier, formula, supply, supply_pinned,"      \
	" rate_input_nano, rate_cached_input_nano, rate_cache_write_nano, rate_output_nano, base_margin_e4,"           \
	" tier_margin_e4, model_factor_e4, supply_factor_e4, min_margin_e4, max_margin_e4"
#define RULE_VALUES "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20"

/* What roll-up has not seen yet. */
#define USAGE_TAIL "(SELECT usage_id FROM rolled_up)"
#define TRANSFER_TAIL "(SELECT transfer_id FROM rolled_up)"
#define HOUR_MS "3600000"

/* The balance as of now: the materialised one and the tail. */
#define ACCOUNT_SELECT                                                                                                 \
	"SELECT a.id, a.kind, a.name, a.credit_line_nano, a.created_ms,"                                               \
	" coalesce(b.balance_nano, 0) + coalesce(t.amount_nano, 0)"                                                    \
	" FROM accounts a LEFT JOIN balances b ON b.account_id = a.id"                                                 \
	" LEFT JOIN (SELECT account_id, sum(amount_nano) AS amount_nano FROM"                                          \
	" (SELECT credit AS account_id, amount_nano FROM transfers WHERE id > " TRANSFER_TAIL                          \
	" UNION ALL SELECT debit, -amount_nano FROM transfers WHERE id > " TRANSFER_TAIL ")"                           \
	" GROUP BY account_id) t ON t.account_id = a.id"

/* ---- sums. The tokens' columns saturate; money fails when it doesn't fit. */
#define TOKEN_COLS "input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens"
#define TOKEN_SUMS                                                                                                     \
	"saturating_sum(input_tokens), saturating_sum(cached_input_tokens), saturating_sum(cache_write_tokens), "      \
	"saturating_sum(output_tokens), saturating_sum(reasoning_tokens)"
#define USAGE_SUM_COLS "calls, charged_calls, estimated_calls, " TOKEN_COLS ", cost_nano, price_nano"
#define USAGE_SUM_OF_ROWS                                                                                              \
	"count(*), sum(price_nano > 0 OR cost_nano > 0), sum(source IN (3, 4)), " TOKEN_SUMS                           \
	", sum(cost_nano), sum(price_nano)"
#define USAGE_SUM_OF_SUMS                                                                                              \
	"sum(calls), sum(charged_calls), sum(estimated_calls), " TOKEN_SUMS ", sum(cost_nano), sum(price_nano)"
/* clang-format off */
#define MERGE(col) col " = " col " + excluded." col
#define MERGE_SATURATING(col)                                                                                          \
	col " = CASE WHEN " col " > 9223372036854775807 - excluded." col " THEN 9223372036854775807"                   \
	" ELSE " col " + excluded." col " END"
#define USAGE_SUMS_ADD(table, rows)                                                                                    \
	"INSERT INTO " table " (account_id, hour, rule_id, " USAGE_SUM_COLS ") " rows                                  \
	" ON CONFLICT (account_id, hour, rule_id) DO UPDATE SET "                                                      \
	MERGE("calls") ", " MERGE("charged_calls") ", " MERGE("estimated_calls") ", "                                  \
	MERGE_SATURATING("input_tokens") ", " MERGE_SATURATING("cached_input_tokens") ", "                             \
	MERGE_SATURATING("cache_write_tokens") ", " MERGE_SATURATING("output_tokens") ", "                             \
	MERGE_SATURATING("reasoning_tokens") ", " MERGE("cost_nano") ", " MERGE("price_nano")
#define USAGE_SUMS_MERGE_INTO(table)                                                                                   \
	USAGE_SUMS_ADD(table, "SELECT account_id, posted_ms / " HOUR_MS ", rule_id, " USAGE_SUM_OF_ROWS                \
			      " FROM usage WHERE id > ?1 AND id <= ?2 GROUP BY 1, 2, 3")
/* Both sides of the transfers that `where` selects, by account, hour and kind in a few rows: grouped by both accounts
 * first, so that the sorter sees each transfer once. */
#define TRANSFER_SIDES(where)                                                                                          \
	"(WITH g AS MATERIALIZED (SELECT debit, credit, time_ms / " HOUR_MS " AS hour, kind, count(*) AS transfers,"   \
	" sum(amount_nano) AS amount_nano FROM transfers WHERE " where " GROUP BY 1, 2, 3, 4)"                         \
	" SELECT credit AS account_id, hour, kind, transfers, amount_nano AS credit_nano, 0 AS debit_nano FROM g"      \
	" UNION ALL SELECT debit, hour, kind, transfers, 0, amount_nano FROM g)"
/* The same of what roll-up gathered, in one pass over the rows for all that it makes of them. */
#define SQL_GATHERED                                                                                                   \
	"CREATE TEMP TABLE gathered (debit INTEGER, credit INTEGER, hour INTEGER, kind INTEGER, block INTEGER,"        \
	" transfers INTEGER, amount_nano INTEGER) STRICT"
#define GATHERED_SIDES                                                                                                 \
	"(SELECT credit AS account_id, hour, kind, transfers, amount_nano AS credit_nano, 0 AS debit_nano"             \
	" FROM temp.gathered UNION ALL SELECT debit, hour, kind, transfers, 0, amount_nano FROM temp.gathered)"
#define TRANSFER_SUMS_ADD(table, rows)                                                                                 \
	"INSERT INTO " table " (account_id, hour, kind, transfers, credits_nano, debits_nano) " rows                   \
	" ON CONFLICT (account_id, hour, kind) DO UPDATE SET "                                                         \
	MERGE("transfers") ", " MERGE("credits_nano") ", " MERGE("debits_nano")
#define TRANSFER_SUMS_MERGE_INTO(table, sides)                                                                         \
	TRANSFER_SUMS_ADD(table, "SELECT account_id, hour, kind, sum(transfers), sum(credit_nano), sum(debit_nano)"    \
				 " FROM " sides " WHERE true GROUP BY 1, 2, 3")
#define BALANCES_ADD(rows)                                                                                             \
	"INSERT INTO balances (account_id, balance_nano) " rows                                                        \
	" ON CONFLICT (account_id) DO UPDATE SET " MERGE("balance_nano")
/* clang-format on */

#define ANSWER_COLS "account_id, key, body_hash, request_id, status, headers, body, expires_ms"
#define DISCREPANCY_COLS "id, found_ms, closed_ms, kind, subject, expected_nano, found_nano, text, note"
#define SETTLEMENT_COLS                                                                                                \
	"period, from_ms, to_ms, settled_ms, currency, actor, last_usage_id, last_transfer_id, calls, cost_nano, "     \
	"price_nano, refunds_nano, sla_nano, hash"
#define LINE_COLS                                                                                                      \
	"kind, account, model, transfer_kind, calls, " TOKEN_COLS                                                      \
	", cost_nano, price_nano, opening_nano, closing_nano, invoice_cents, carried_in_nano, carried_out_nano"
#define INVOICE_COLS "provider, period, model, calls, input_tokens, cached_input_tokens, output_tokens, amount_nano"

/* Sums made again, to compare (books_check_sums.c). */
#define SQL_CHECK_TABLES                                                                                               \
	"CREATE TEMP TABLE IF NOT EXISTS usage_copy (account_id INTEGER, hour INTEGER, rule_id INTEGER, calls "        \
	"INTEGER, charged_calls INTEGER, estimated_calls INTEGER, input_tokens INTEGER, cached_input_tokens INTEGER, " \
	"cache_write_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER, cost_nano INTEGER, price_nano "  \
	"INTEGER, PRIMARY KEY (account_id, hour, rule_id)) STRICT, WITHOUT ROWID; CREATE TEMP TABLE IF NOT EXISTS "    \
	"transfer_copy (account_id INTEGER, hour INTEGER, kind INTEGER, transfers INTEGER, credits_nano INTEGER, "     \
	"debits_nano INTEGER, PRIMARY KEY (account_id, hour, kind)) STRICT, WITHOUT ROWID"

#define STORE_BOOKS_STATEMENTS(X)                                                                                      \
	X(BOOK_CURRENCY, "SELECT currency FROM book")                                                                  \
	X(BOOK_CURRENCY_SET, "INSERT INTO book (one, currency) VALUES (1, ?1)")                                        \
	/* posting */                                                                                                  \
	/* B3: after the last row, and after what is settled */                                                        \
	X(BOOKS_TAIL, "SELECT max(coalesce((SELECT posted_ms FROM usage ORDER BY id DESC LIMIT 1), 0),"                \
		      " coalesce((SELECT time_ms FROM transfers ORDER BY id DESC LIMIT 1), 0),"                        \
		      " coalesce((SELECT max(to_ms) FROM settlements), 0)),"                                           \
		      " coalesce((SELECT max(id) FROM usage), 0), coalesce((SELECT max(id) FROM transfers), 0),"       \
		      " coalesce((SELECT max(id) FROM accounts), 0),"                                                  \
		      " coalesce((SELECT max(id) FROM price_rules), 0)")                                               \
	X(USAGE_INSERT, "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"  \
			" ?16, ?17, ?18, ?19, ?20, ?21, ?22)")                                                         \
	X(TRANSFER_INSERT, "INSERT INTO transfers (id, time_ms, kind, debit, credit, amount_nano, usage_id)"           \
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                                     \
	/* ref_account: the tenant of the two, else the credit side */                                                 \
	X(TRANSFER_INSERT_TEXTS, "INSERT INTO transfers (id, time_ms, kind, debit, credit, amount_nano, usage_id,"     \
				 " actor, ref, note, ref_account) VALUES (?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, 0),"      \
				 " nullif(?8, ''), nullif(?9, ''), nullif(?10, ''), CASE WHEN ?9 <> '' THEN"           \
				 " (SELECT id FROM accounts WHERE id IN (?4, ?5) ORDER BY kind <> 0, id <> ?5"         \
				 " LIMIT 1) END)")                                                                     \
	/* accounts */                                                                                                 \
	X(ACCOUNT_INSERT, "INSERT INTO accounts (kind, name, credit_line_nano, created_ms) VALUES (?1, ?2, 0, ?3)")    \
	X(ACCOUNT_GET, ACCOUNT_SELECT " WHERE a.kind = ?1 AND a.name = ?2")                                            \
	X(ACCOUNT_EACH, ACCOUNT_SELECT " ORDER BY a.id")                                                               \
	X(ACCOUNT_CREDIT_LINE, "UPDATE accounts SET credit_line_nano = ?2 WHERE id = ?1 RETURNING name")               \
	/* transfers */                                                                                                \
	X(TRANSFER_PAGE_ALL, "SELECT " TRANSFER_COLS " FROM transfers t WHERE t.id < ?1 ORDER BY t.id DESC LIMIT ?2")  \
	X(TRANSFER_PAGE_TAIL, "SELECT " TRANSFER_COLS " FROM transfers t WHERE t.id < ?1 AND t.id > " TRANSFER_TAIL    \
			      " AND (t.debit = ?2 OR t.credit = ?2) ORDER BY t.id DESC LIMIT ?3")                      \
	X(TRANSFER_PAGE_BLOCKS, "SELECT " TRANSFER_COLS " FROM transfer_blocks k CROSS JOIN transfers t"               \
				" ON t.id BETWEEN k.block << 12 AND (k.block << 12) + 4095"                            \
				" WHERE k.account_id = ?2 AND k.block <= ?1 >> 12 AND t.id < ?1"                       \
				" AND t.id <= " TRANSFER_TAIL " AND (t.debit = ?2 OR t.credit = ?2)"                   \
				" ORDER BY k.block DESC, t.id DESC LIMIT ?3")                                          \
	X(TRANSFER_BY_REF, "SELECT " TRANSFER_COLS " FROM transfers t WHERE t.ref_account = ?1 AND t.ref = ?2")        \
	X(TRANSFER_FROM, "SELECT " TRANSFER_COLS " FROM transfers t WHERE t.id >= (SELECT first_transfer FROM usage"   \
			 " WHERE id = ?1) ORDER BY t.id")                                                              \
	X(TRANSFER_LATER, "SELECT " TRANSFER_COLS " FROM transfers t WHERE t.usage_id = ?1"                            \
			  " AND (t.kind < 2 OR t.kind > 4) ORDER BY t.id")                                             \
	/* usage */                                                                                                    \
	X(USAGE_GET, "SELECT " USAGE_COLS " FROM usage u WHERE u.request_id = ?1")                                     \
	X(USAGE_EACH, "SELECT " USAGE_COLS " FROM usage u WHERE u.id > ?1 AND u.id <= ?2 ORDER BY u.id")               \
	X(USAGE_PAGE_ALL, "SELECT " USAGE_COLS " FROM usage u WHERE u.id < ?1 ORDER BY u.id DESC LIMIT ?2")            \
	X(USAGE_PAGE_TAIL, "SELECT " USAGE_COLS " FROM usage u WHERE u.id < ?1 AND u.id > " USAGE_TAIL                 \
			   " AND u.account_id = ?2 ORDER BY u.id DESC LIMIT ?3")                                       \
	X(USAGE_PAGE_BLOCKS, "SELECT " USAGE_COLS " FROM usage_blocks k CROSS JOIN usage u"                            \
			     " ON u.id BETWEEN k.block << 12 AND (k.block << 12) + 4095"                               \
			     " WHERE k.account_id = ?2 AND k.block <= ?1 >> 12 AND u.id < ?1 AND u.id <= " USAGE_TAIL  \
			     " AND u.account_id = ?2 ORDER BY k.block DESC, u.id DESC LIMIT ?3")                       \
	X(TRANSFER_COUNT, "SELECT coalesce(max(id), 0) FROM transfers")                                                \
	X(USAGE_COUNT, "SELECT coalesce(max(id), 0) FROM usage")                                                       \
	/* price rules */                                                                                              \
	X(RULE_INSERT, "INSERT INTO price_rules (" RULE_COLS ") VALUES (" RULE_VALUES ") ON CONFLICT DO NOTHING")      \
	X(RULE_FIND, "SELECT id FROM price_rules WHERE (" RULE_COLS ") = (" RULE_VALUES ")")                           \
	X(RULE_GET, "SELECT id, " RULE_COLS " FROM price_rules WHERE id = ?1")                                         \
	/* roll-up */                                                                                                  \
	X(ROLLED_UP, "SELECT usage_id, transfer_id, coalesce((SELECT max(id) FROM usage), 0), coalesce((SELECT "       \
		     "max(id) FROM transfers), 0) FROM rolled_up")                                                     \
	X(ROLLED_UP_SET, "UPDATE rolled_up SET usage_id = ?1, transfer_id = ?2")                                       \
	X(USAGE_SUMS_MERGE, USAGE_SUMS_MERGE_INTO("usage_sums"))                                                       \
	X(USAGE_BLOCKS_MERGE, "INSERT INTO usage_blocks SELECT DISTINCT account_id, id >> 12 FROM usage WHERE id > "   \
			      "?1 AND id <= ?2 ON CONFLICT DO NOTHING")                                                \
	X(TRANSFERS_GATHER,                                                                                            \
	  "INSERT INTO temp.gathered SELECT debit, credit, time_ms / " HOUR_MS ", kind, id >> 12, count(*),"           \
	  " sum(amount_nano) FROM transfers WHERE id > ?1 AND id <= ?2 GROUP BY 1, 2, 3, 4, 5")                        \
	X(TRANSFER_SUMS_MERGE, TRANSFER_SUMS_MERGE_INTO("transfer_sums", GATHERED_SIDES))                              \
	X(TRANSFER_BLOCKS_MERGE, "INSERT INTO transfer_blocks SELECT * FROM (SELECT debit, block FROM temp.gathered"   \
				 " UNION SELECT credit, block FROM temp.gathered) WHERE true ON CONFLICT DO NOTHING")  \
	X(BALANCES_MERGE, BALANCES_ADD("SELECT account_id, sum(credit_nano - debit_nano) FROM " GATHERED_SIDES         \
				       " WHERE true GROUP BY 1"))                                                      \
	X(GATHERED_FORGET, "DELETE FROM temp.gathered")                                                                \
	/* the same, a group at a time */                                                                              \
	X(USAGE_SUM_ADD,                                                                                               \
	  USAGE_SUMS_ADD("usage_sums", "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"))             \
	X(USAGE_BLOCK_ADD, "INSERT INTO usage_blocks VALUES (?1, ?2) ON CONFLICT DO NOTHING")                          \
	X(TRANSFER_SUM_ADD, TRANSFER_SUMS_ADD("transfer_sums", "VALUES (?1, ?2, ?3, ?4, ?5, ?6)"))                     \
	X(BALANCE_ADD, BALANCES_ADD("VALUES (?1, ?2)"))                                                                \
	X(TRANSFER_BLOCK_ADD, "INSERT INTO transfer_blocks VALUES (?1, ?2) ON CONFLICT DO NOTHING")                    \
	/* hours in [?1, ?2), account ?3 or all; by account, for the sums' key starts with it */                       \
	X(USAGE_SUMS,                                                                                                  \
	  "SELECT account_id, rule_id, " USAGE_SUM_OF_SUMS " FROM (SELECT s.account_id, s.rule_id, " USAGE_SUM_COLS    \
	  " FROM accounts a CROSS JOIN usage_sums s ON s.account_id = a.id AND s.hour >= ?1 AND s.hour < ?2 WHERE ?3 " \
	  "= 0 OR a.id = ?3 UNION ALL SELECT account_id, rule_id, " USAGE_SUM_OF_ROWS                                  \
	  " FROM usage WHERE id > " USAGE_TAIL " AND posted_ms >= ?1 * " HOUR_MS " AND posted_ms < ?2 * " HOUR_MS      \
	  " AND (?3 = 0 OR account_id = ?3) GROUP BY account_id, rule_id) GROUP BY account_id, rule_id ORDER BY "      \
	  "account_id, rule_id")                                                                                       \
	X(TRANSFER_SUMS,                                                                                               \
	  "SELECT account_id, kind, sum(transfers), sum(credits_nano), sum(debits_nano) FROM (SELECT s.account_id, "   \
	  "s.kind, transfers, credits_nano, debits_nano FROM accounts a CROSS JOIN transfer_sums s ON s.account_id = " \
	  "a.id AND s.hour >= ?1 AND s.hour < ?2 WHERE ?3 = 0 OR a.id = ?3 UNION ALL SELECT account_id, kind, "        \
	  "sum(transfers), sum(credit_nano), sum(debit_nano) FROM " TRANSFER_SIDES(                                    \
		  "id > " TRANSFER_TAIL) " WHERE hour >= ?1 AND hour < ?2 AND (?3 = 0 OR account_id = ?3) GROUP BY "   \
					 "account_id, kind) GROUP BY account_id, kind ORDER BY account_id, kind")      \
	/* answers */                                                                                                  \
	X(ANSWER_PUT,                                                                                                  \
	  "INSERT INTO answers (" ANSWER_COLS                                                                          \
	  ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (account_id, key) DO UPDATE SET body_hash = "         \
	  "excluded.body_hash, request_id = excluded.request_id, status = excluded.status, headers = "                 \
	  "excluded.headers, body = excluded.body, expires_ms = excluded.expires_ms WHERE answers.expires_ms <= ?9")   \
	X(ANSWER_GET, "SELECT " ANSWER_COLS " FROM answers WHERE account_id = ?1 AND key = ?2 AND expires_ms > ?3")    \
	X(ANSWER_ANY_EXPIRED, "SELECT EXISTS (SELECT 1 FROM answers WHERE expires_ms <= ?1)")                          \
	X(ANSWER_EXPIRE, "DELETE FROM answers WHERE id IN (SELECT id FROM answers WHERE expires_ms <= ?1 ORDER BY "    \
			 "expires_ms LIMIT ?2)")                                                                       \
	/* findings */                                                                                                 \
	X(RECOVERY_INSERT, "INSERT INTO recoveries (time_ms, request_id, account_id, hold_nano, price_nano, rule, "    \
			   "text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                                \
	X(RECOVERY_PAGE, "SELECT id, time_ms, request_id, account_id, hold_nano, price_nano, rule, text FROM "         \
			 "recoveries WHERE id < ?1 ORDER BY id DESC LIMIT ?2")                                         \
	X(DISCREPANCY_PUT,                                                                                             \
	  "INSERT INTO discrepancies (found_ms, closed_ms, kind, subject, expected_nano, found_nano, text, note) "     \
	  "VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (kind, subject) WHERE closed_ms = 0 DO UPDATE SET "      \
	  "expected_nano = excluded.expected_nano, found_nano = excluded.found_nano, text = excluded.text")            \
	X(DISCREPANCY_CLOSE,                                                                                           \
	  "UPDATE discrepancies SET closed_ms = ?2, note = ?3 WHERE id = ?1 AND closed_ms = 0 RETURNING subject")      \
	X(DISCREPANCY_PAGE, "SELECT " DISCREPANCY_COLS " FROM discrepancies WHERE id < ?1 ORDER BY id DESC LIMIT ?2")  \
	X(DISCREPANCY_PAGE_OPEN,                                                                                       \
	  "SELECT " DISCREPANCY_COLS " FROM discrepancies WHERE closed_ms = 0 AND id < ?1 ORDER BY id DESC LIMIT ?2")  \
	X(DISCREPANCY_COUNT, "SELECT count(*) FROM discrepancies WHERE closed_ms = 0")                                 \
	/* settlements */                                                                                              \
	X(SETTLEMENT_INSERT, "INSERT INTO settlements (" SETTLEMENT_COLS                                               \
			     ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)")                 \
	X(SETTLEMENT_GET, "SELECT " SETTLEMENT_COLS " FROM settlements WHERE period = ?1")                             \
	X(SETTLEMENT_EACH, "SELECT " SETTLEMENT_COLS " FROM settlements ORDER BY id DESC")                             \
	X(SETTLEMENT_LINE_INSERT,                                                                                      \
	  "INSERT INTO settlement_lines (period, " LINE_COLS                                                           \
	  ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)")                \
	X(SETTLEMENT_LINES, "SELECT " LINE_COLS " FROM settlement_lines WHERE period = ?1 ORDER BY id")                \
	X(SETTLEMENT_LINES_OF,                                                                                         \
	  "SELECT " LINE_COLS " FROM settlement_lines WHERE period = ?1 AND account = ?2 ORDER BY id")                 \
	/* invoices */                                                                                                 \
	X(INVOICE_DELETE, "DELETE FROM invoice_lines WHERE provider = ?1 AND period = ?2")                             \
	X(INVOICE_INSERT, "INSERT INTO invoice_lines (" INVOICE_COLS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")      \
	X(INVOICE_EACH, "SELECT " INVOICE_COLS " FROM invoice_lines WHERE provider = ?1 AND period = ?2 ORDER BY id")  \
	/* checks; ids in [?1, ?2] */                                                                                  \
	X(CHECK_RECORDS, "SELECT id, request_id, account_id, hold_nano, cost_nano, price_nano, first_transfer, "       \
			 "posted_ms FROM usage WHERE id >= ?1 AND id <= ?2 ORDER BY id")                               \
	X(CHECK_ENTRIES,                                                                                               \
	  "SELECT id, kind, debit, amount_nano, usage_id, time_ms FROM transfers WHERE id >= CASE WHEN ?1 <= 1 THEN "  \
	  "1 ELSE coalesce((SELECT first_transfer FROM usage WHERE id >= ?1 ORDER BY id LIMIT 1), "                    \
	  "9223372036854775807) END AND id < CASE WHEN ?2 = 9223372036854775807 THEN ?2 ELSE coalesce((SELECT "        \
	  "first_transfer FROM usage WHERE id > ?2 ORDER BY id LIMIT 1), 9223372036854775807) END ORDER BY id")        \
	X(CHECK_REFUNDS, "SELECT t.usage_id, t.amount_nano, u.account_id, u.price_nano, u.request_id FROM (SELECT "    \
			 "usage_id, sum(amount_nano) AS amount_nano FROM transfers WHERE usage_id BETWEEN ?1 AND ?2 "  \
			 "AND (kind < 2 OR kind > 4) AND kind = 5 GROUP BY usage_id) t LEFT JOIN usage u ON u.id = "   \
			 "t.usage_id WHERE u.id IS NULL OR t.amount_nano > u.price_nano")                              \
	X(CHECK_USAGE_MARK, "SELECT usage_id FROM rolled_up")                                                          \
	X(CHECK_USAGE_MERGE, USAGE_SUMS_MERGE_INTO("temp.usage_copy"))                                                 \
	X(CHECK_USAGE_HOUR,                                                                                            \
	  "SELECT coalesce((SELECT posted_ms / " HOUR_MS " FROM usage WHERE id <= ?1 ORDER BY id DESC LIMIT 1), 0)")   \
	X(CHECK_USAGE_COMPARE,                                                                                         \
	  "SELECT c.account_id, c.hour, c.rule_id, c.price_nano, coalesce(s.price_nano, 0) FROM temp.usage_copy c "    \
	  "LEFT JOIN usage_sums s ON (s.account_id, s.hour, s.rule_id) = (c.account_id, c.hour, c.rule_id) WHERE "     \
	  "c.hour < ?1 AND (c.calls, c.charged_calls, c.estimated_calls, c.input_tokens, c.cached_input_tokens, "      \
	  "c.cache_write_tokens, c.output_tokens, c.reasoning_tokens, c.cost_nano, c.price_nano) IS NOT (s.calls, "    \
	  "s.charged_calls, s.estimated_calls, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, "          \
	  "s.output_tokens, s.reasoning_tokens, s.cost_nano, s.price_nano)")                                           \
	X(CHECK_USAGE_FORGET, "DELETE FROM temp.usage_copy WHERE hour < ?1")                                           \
	X(CHECK_USAGE_COUNT, "SELECT count(*) FROM usage_sums")                                                        \
	X(CHECK_TRANSFER_MARK, "SELECT transfer_id FROM rolled_up")                                                    \
	X(CHECK_TRANSFER_MERGE,                                                                                        \
	  TRANSFER_SUMS_MERGE_INTO("temp.transfer_copy", TRANSFER_SIDES("id > ?1 AND id <= ?2")))                      \
	X(CHECK_TRANSFER_HOUR,                                                                                         \
	  "SELECT coalesce((SELECT time_ms / " HOUR_MS " FROM transfers WHERE id <= ?1 ORDER BY id DESC LIMIT 1), 0)") \
	X(CHECK_TRANSFER_COMPARE,                                                                                      \
	  "SELECT c.account_id, c.hour, c.kind, c.credits_nano - c.debits_nano, coalesce(s.credits_nano - "            \
	  "s.debits_nano, 0) FROM temp.transfer_copy c LEFT JOIN transfer_sums s ON (s.account_id, s.hour, s.kind) = " \
	  "(c.account_id, c.hour, c.kind) WHERE c.hour < ?1 AND (c.transfers, c.credits_nano, c.debits_nano) IS NOT "  \
	  "(s.transfers, s.credits_nano, s.debits_nano)")                                                              \
	X(CHECK_TRANSFER_FORGET, "DELETE FROM temp.transfer_copy WHERE hour < ?1")                                     \
	X(CHECK_TRANSFER_COUNT, "SELECT count(*) FROM transfer_sums")                                                  \
	X(CHECK_BALANCES,                                                                                              \
	  "SELECT i.id, coalesce(t.sum, 0), coalesce(b.balance_nano, 0), a.id IS NOT NULL FROM (SELECT id FROM "       \
	  "accounts UNION SELECT account_id FROM balances UNION SELECT account_id FROM transfer_sums) i LEFT JOIN "    \
	  "accounts a ON a.id = i.id LEFT JOIN balances b ON b.account_id = i.id LEFT JOIN (SELECT account_id, "       \
	  "sum(credits_nano - debits_nano) AS sum FROM transfer_sums GROUP BY account_id) t ON t.account_id = i.id "   \
	  "WHERE a.id IS NULL OR coalesce(t.sum, 0) <> coalesce(b.balance_nano, 0)")                                   \
	X(CHECK_TOTAL, "SELECT coalesce(sum(balance_nano), 0) FROM balances")

#endif
