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

#define STORE_BOOKS_STATEMENTS(X)                                                                                      \
	X(BOOK_CURRENCY, "SELECT currency FROM book")                                                                  \
	X(BOOK_CURRENCY_SET, "INSERT INTO book (one, currency) VALUES (1, ?1)")                                        \
	/* posting */                                                                                                  \
	X(BOOKS_TAIL, "SELECT coalesce((SELECT posted_ms FROM usage ORDER BY id DESC LIMIT 1), 0),"                    \
		      " coalesce((SELECT time_ms FROM transfers ORDER BY id DESC LIMIT 1), 0),"                        \
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
			  " AND t.kind NOT IN (2, 3, 4) ORDER BY t.id")                                                \
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
	X(USAGE_COUNT, "SELECT coalesce(max(id), 0) FROM usage")                                                       \
	/* price rules */                                                                                              \
	X(RULE_INSERT, "INSERT INTO price_rules (" RULE_COLS ") VALUES (" RULE_VALUES ") ON CONFLICT DO NOTHING")      \
	X(RULE_FIND, "SELECT id FROM price_rules WHERE (" RULE_COLS ") = (" RULE_VALUES ")")                           \
	X(RULE_GET, "SELECT id, " RULE_COLS " FROM price_rules WHERE id = ?1")

#endif
