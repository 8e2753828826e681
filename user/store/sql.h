/* Every statement of the store, in one place (those of the books in sql_books.h). X(SYMBOL, "SQL") */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include "store/sql_books.h"

#define TENANT_COLS "t.id, t.name, t.status, t.slot, s.incarnation, t.created_ms, t.tier"
#define KEY_COLS                                                                                                       \
	"k.id, k.tenant_id, k.name, k.hint, k.hash, k.status, k.slot, s.incarnation, k.created_ms, k.expires_ms"
#define POLICY_COLS "id, created_ms, confirm_by_ms, active, actor, comment"

#define STORE_STATEMENTS(X)                                                                                            \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                                    \
	X(COMMIT, "COMMIT")                                                                                            \
	X(ROLLBACK, "ROLLBACK")                                                                                        \
	X(BEGIN_READ, "BEGIN")                                                                                         \
	/* slots are never deleted: the rows are 1..n without a gap, the next new one is max + 1 */                    \
	X(SLOT_SMALLEST_FREE, "SELECT coalesce((SELECT min(slot) FROM slots WHERE used = 0),"                          \
			      " (SELECT coalesce(max(slot), 0) + 1 FROM slots))")                                      \
	X(SLOT_TAKE, "INSERT INTO slots (slot, incarnation, used) VALUES (?1, 1, 1)"                                   \
		     " ON CONFLICT (slot) DO UPDATE SET used = 1, incarnation = incarnation + 1"                       \
		     " RETURNING incarnation")                                                                         \
	X(SLOT_FREE, "UPDATE slots SET used = 0 WHERE slot = (SELECT slot FROM keys WHERE id = ?1)")                   \
	X(TENANT_INSERT, "INSERT INTO tenants (id, name, status, slot, created_ms) VALUES (?1, ?2, 0, ?3, ?4)")        \
	X(TENANT_GET, "SELECT " TENANT_COLS " FROM tenants t JOIN slots s USING (slot) WHERE t.id = ?1")               \
	X(TENANT_EACH, "SELECT " TENANT_COLS " FROM tenants t JOIN slots s USING (slot) ORDER BY t.id")                \
	X(TENANT_TIER, "UPDATE tenants SET tier = ?2 WHERE id = ?1")                                                   \
	X(TENANT_STATUS, "UPDATE tenants SET status = ?2 WHERE id = ?1")                                               \
	X(KEY_INSERT, "INSERT INTO keys (id, tenant_id, name, hint, hash, status, slot, created_ms, expires_ms)"       \
		      " VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8)")                                                   \
	X(KEY_GET, "SELECT " KEY_COLS " FROM keys k JOIN slots s USING (slot) WHERE k.id = ?1")                        \
	X(KEY_EACH, "SELECT " KEY_COLS " FROM keys k JOIN slots s USING (slot) ORDER BY k.tenant_id, k.id")            \
	X(KEY_EACH_OF, "SELECT " KEY_COLS " FROM keys k JOIN slots s USING (slot) WHERE k.tenant_id = ?1"              \
		       " ORDER BY k.id")                                                                               \
	X(KEY_STATUS, "UPDATE keys SET status = ?2 WHERE id = ?1")                                                     \
	X(KEY_DELETE, "DELETE FROM keys WHERE id = ?1")                                                                \
	X(POLICY_DEACTIVATE, "UPDATE policies SET active = 0 WHERE active = 1")                                        \
	X(POLICY_INSERT, "INSERT INTO policies (created_ms, confirm_by_ms, active, actor, comment, text)"              \
			 " VALUES (?1, ?2, 1, ?3, ?4, ?5)")                                                            \
	X(POLICY_GET, "SELECT " POLICY_COLS ", text FROM policies WHERE id = ?1")                                      \
	X(POLICY_GET_ACTIVE, "SELECT " POLICY_COLS ", text FROM policies WHERE active = 1")                            \
	X(POLICY_CONFIRM, "UPDATE policies SET confirm_by_ms = 0 WHERE id = ?1")                                       \
	X(POLICY_EACH, "SELECT " POLICY_COLS " FROM policies ORDER BY id DESC")                                        \
	X(LIST_PUT, "INSERT INTO lists (list, cidr, reason, source, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)"           \
		    " ON CONFLICT (list, cidr) DO UPDATE SET reason = excluded.reason, source = excluded.source,"      \
		    " expires_ms = excluded.expires_ms")                                                               \
	X(LIST_DEL, "DELETE FROM lists WHERE list = ?1 AND cidr = ?2")                                                 \
	X(LIST_PAGE, "SELECT list, cidr, reason, source, expires_ms FROM lists WHERE list = ?1 AND cidr > ?2"          \
		     " ORDER BY cidr LIMIT ?3")                                                                        \
	X(LIST_COUNT, "SELECT count(*) FROM lists WHERE list = ?1")                                                    \
	X(LIST_ANY_EXPIRED, "SELECT EXISTS (SELECT 1 FROM lists WHERE expires_ms > 0 AND expires_ms <= ?1)")           \
	X(LIST_EXPIRE, "DELETE FROM lists WHERE expires_ms > 0 AND expires_ms <= ?1")                                  \
	X(BREAKER_PUT, "INSERT INTO breakers (deployment, state, force, openings, changed_ms, until_ms)"               \
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (deployment) DO UPDATE SET"                       \
		       " state = excluded.state, force = excluded.force, openings = excluded.openings,"                \
		       " changed_ms = excluded.changed_ms, until_ms = excluded.until_ms")                              \
	X(BREAKER_EACH, "SELECT deployment, state, force, openings, changed_ms, until_ms FROM breakers"                \
			" ORDER BY deployment")                                                                        \
	X(EVENT_INSERT, "INSERT INTO events (time_ms, kind, subject, detail) VALUES (?1, ?2, ?3, ?4)")                 \
	X(EVENT_PRUNE, "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?1")                             \
	X(EVENT_EACH, "SELECT id, time_ms, kind, subject, detail FROM events WHERE id < ?1 ORDER BY id DESC LIMIT ?2") \
	X(AUDIT_HEAD, "SELECT id, hash FROM audit_head")                                                               \
	X(AUDIT_INSERT, "INSERT INTO audit (id, time_ms, actor, action, target, detail, hash)"                         \
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                                        \
	X(AUDIT_HEAD_SET, "UPDATE audit_head SET id = ?1, hash = ?2")                                                  \
	X(AUDIT_EACH, "SELECT id, time_ms, actor, action, target, detail, hash FROM audit WHERE id > ?1 ORDER BY id")

enum store_statement {
#define X(sym, sql) STORE_SQL_##sym,
	STORE_STATEMENTS(X) STORE_BOOKS_STATEMENTS(X)
#undef X
		STORE_SQL_COUNT,
};

#endif
