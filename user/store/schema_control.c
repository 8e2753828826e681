/* The control database: what operators configure. */
#include "store/schema.h"

#include "base/util.h"

static const char *const steps[] = {
	/* 1: tenants, keys, policies, lists, audit */
	"CREATE TABLE slots ("
	" slot INTEGER PRIMARY KEY CHECK (slot >= 1),"
	" incarnation INTEGER NOT NULL CHECK (incarnation BETWEEN 1 AND 4294967295),"
	" used INTEGER NOT NULL CHECK (used IN (0, 1))) STRICT;"
	"CREATE INDEX slots_free ON slots (slot) WHERE used = 0;"

	"CREATE TABLE tenants ("
	" id TEXT PRIMARY KEY,"
	" name TEXT NOT NULL,"
	" status INTEGER NOT NULL CHECK (status IN (0, 1)),"
	" slot INTEGER NOT NULL UNIQUE REFERENCES slots (slot),"
	" created_ms INTEGER NOT NULL) STRICT;"

	"CREATE TABLE keys ("
	" id TEXT PRIMARY KEY,"
	" tenant_id TEXT NOT NULL REFERENCES tenants (id),"
	" name TEXT NOT NULL,"
	" hint TEXT NOT NULL,"
	" hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),"
	" status INTEGER NOT NULL CHECK (status IN (0, 1)),"
	" slot INTEGER NOT NULL UNIQUE REFERENCES slots (slot),"
	" created_ms INTEGER NOT NULL,"
	" expires_ms INTEGER NOT NULL CHECK (expires_ms >= 0)) STRICT;"
	"CREATE INDEX keys_of_tenant ON keys (tenant_id, id);"

	"CREATE TABLE policies ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" created_ms INTEGER NOT NULL,"
	" confirm_by_ms INTEGER NOT NULL CHECK (confirm_by_ms >= 0),"
	" active INTEGER NOT NULL CHECK (active IN (0, 1)),"
	" actor TEXT NOT NULL,"
	" comment TEXT NOT NULL,"
	" text TEXT NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX policies_one_active ON policies (active) WHERE active = 1;"

	"CREATE TABLE lists ("
	" list INTEGER NOT NULL CHECK (list IN (0, 1)),"
	" cidr TEXT NOT NULL,"
	" reason TEXT NOT NULL,"
	" source INTEGER NOT NULL,"
	" expires_ms INTEGER NOT NULL CHECK (expires_ms >= 0),"
	" PRIMARY KEY (list, cidr)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX lists_expiring ON lists (expires_ms) WHERE expires_ms > 0;"

	SQL_AUDIT_TABLES "PRAGMA application_id = 1953459308;",

	/* 2: price tiers */
	"ALTER TABLE tenants ADD COLUMN tier TEXT NOT NULL DEFAULT 'free' CHECK (tier <> '');",

	/* 3: breakers, events. State and force are guard's numbers, which may grow. */
	"CREATE TABLE breakers ("
	" deployment TEXT PRIMARY KEY CHECK (deployment <> ''),"
	" state INTEGER NOT NULL CHECK (state >= 0),"
	" force INTEGER NOT NULL CHECK (force >= 0),"
	" openings INTEGER NOT NULL CHECK (openings BETWEEN 0 AND 4294967295),"
	" changed_ms INTEGER NOT NULL,"
	" until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE events ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" time_ms INTEGER NOT NULL,"
	" kind TEXT NOT NULL CHECK (kind <> ''),"
	" subject TEXT NOT NULL,"
	" detail TEXT NOT NULL) STRICT;",
};

const struct schema schema_control = {
	.application_id = SCHEMA_CONTROL_ID,
	.steps = steps,
	.n_steps = ARRAY_SIZE(steps),
};
