/* The holds file: a header and slots of fixed size, mapped into memory and shared with the page cache, so that what a
 * worker has stored survives the death of the process without a system call.
 *
 * Invariants (tests cite them):
 *  H1  A slot reads correctly whatever instant the process died at: identity is written while the state word says FREE
 *      and carries a checksum; the state word is the last store of a take and the first of an end.
 *  H2  Reported usage is written beside the copy in force and published by one store.
 *  H3  The file's blocks are allocated before it is mapped: a full disk can't end the process with SIGBUS.
 *  H4  One process has the file at a time.
 */
#ifndef LEDGER_SLOTS_H
#define LEDGER_SLOTS_H

#include "model/billing.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*  FREE -take-> OPEN -settle-> CLOSING -its record is in the slot-> SETTLING -committed-> FREE
 *               OPEN -void-> VOID -> FREE
 *               OPEN -its time is over, by the ledger thread-> EXPIRED -posted, and the worker has let go-> FREE
 * Leaving OPEN is one compare-and-swap: of a worker and the ledger thread one wins. Stored: append only. */
enum slot_state { SLOT_FREE, SLOT_OPEN, SLOT_CLOSING, SLOT_SETTLING, SLOT_VOID, SLOT_EXPIRED, SLOT_STATES };
/* The state word: the state, and above it a count of the slot's takes, so that a compare-and-swap can't mistake the
 * next hold in a slot for the one it looked at. */
#define SLOT_WORD(generation, state) ((uint32_t)(generation) << 8 | (uint32_t)(state))
#define SLOT_STATE_OF(word) ((word)&0xffu)
#define SLOT_GENERATION_OF(word) ((word) >> 8)

#define SLOT_FORWARDED 1u /* bits of `phase` */
#define SLOT_STREAM 2u

/* What is known at admission. */
struct slot_identity {
	uint8_t request_id[REQUEST_ID_BYTES];
	uint16_t route;
	uint8_t idempotent, zero;
	int64_t account_id, amount_nano, admitted_ms, expires_ms;
	char key_id[KEY_ID_MAX];
	uint64_t checksum; /* over all before it */
};
#define SLOT_IDENTITY_WORDS (sizeof(struct slot_identity) / sizeof(uint64_t))
#define SLOT_USAGE_WORDS (sizeof(struct usage) / sizeof(uint64_t))

/* Atomics throughout: listings and the expiry read what the lane's worker writes. */
struct slot {
	_Atomic uint32_t word; /* SLOT_WORD */
	_Atomic uint32_t phase;
	_Atomic uint64_t identity[SLOT_IDENTITY_WORDS]; /* struct slot_identity */
	/* Progress, by the worker. */
	_Atomic int64_t rule_id;
	_Atomic uint64_t input_estimate, delivered;
	_Atomic uint64_t usage[2][SLOT_USAGE_WORDS]; /* struct usage; the one in force is reports & 1 */
	_Atomic uint32_t reports;                    /* how often usage was written; 0 = never */
	/* The record, complete in state SETTLING. */
	uint16_t flags, status;
	int64_t cost_nano, price_nano;
	uint64_t bytes;
	uint32_t latency_us;
	uint8_t source, zero[11];
};
_Static_assert(sizeof(struct slot_identity) == 96, "layout of the holds file");
_Static_assert(sizeof(struct slot) == 256, "layout of the holds file");

struct slots {
	int fd;
	void *map;
	size_t map_len;
	struct slot *at;
	uint32_t count;
};

/* Opens, or makes, the file. It keeps the slot count it has: slots_resize comes after recovery. `count` is for a new
 * file. Errors: ERR_BUSY (another process has it), ERR_VERSION, ERR_CORRUPT (not a holds file), ERR_FULL, system's. */
int slots_open(struct slots *s, const char *path, uint32_t count, struct err *err) MUST_CHECK;
/* All slots must be free. */
int slots_resize(struct slots *s, uint32_t count, struct err *err) MUST_CHECK;
/* To the disk, waiting for it. */
int slots_flush(struct slots *s, struct err *err) MUST_CHECK;
/* Writes back what has changed, without waiting. */
int slots_write_back(struct slots *s);
void slots_close(struct slots *s);

/* Fills in the checksum. */
void slot_identity_seal(struct slot_identity *id);
void slot_identity_put(struct slot *s, const struct slot_identity *id);
/* False: the checksum doesn't fit (damaged, or just being written). *ret is what is there all the same. */
bool slot_identity_get(const struct slot *s, struct slot_identity *ret);
void slot_usage_put(struct slot *s, const struct usage *u);
/* False: none was reported. */
bool slot_usage_get(const struct slot *s, struct usage *ret);

#endif
