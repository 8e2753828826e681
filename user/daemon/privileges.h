/* From root to nobody in particular.
 *
 * Invariants (tests cite them):
 *  P1  After privileges_drop: no capability in any set, none to be had by exec, no new privileges, user and group are
 * the configured ones, supplementary groups are that user's. P2  After privileges_seccomp: a call outside the list
 * fails with EPERM; exec, ptrace and loading BPF programs kill the process. EPERM for the rest, because a C library
 * that learns a new call should lose a feature and not the gateway; a call that only an intruder makes ends it. (Builds
 * with SAN= have no filter and say so.) */
#ifndef DAEMON_PRIVILEGES_H
#define DAEMON_PRIVILEGES_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct identity {
	bool change; /* there is a user to become */
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* user NULL = stay. ERR_NOT_FOUND: no such user; ERR_PERM: only root can become another. */
int privileges_find(const char *user, struct identity *ret, struct err *err) MUST_CHECK;
/* Files made between these two belong to the identity. */
int privileges_assume(const struct identity *id, struct err *err) MUST_CHECK;
int privileges_resume(const struct identity *id, struct err *err) MUST_CHECK;
int privileges_drop(const struct identity *id, struct err *err) MUST_CHECK;
int privileges_seccomp(struct err *err) MUST_CHECK;
/* As many descriptors as `want`, as far as permitted; returns what there is. */
unsigned long privileges_files(unsigned long want);

#endif
