/* A VFS over the system's own that fails on demand: the n-th write or sync from now on. */
#ifndef TESTS_STORE_FAULT_VFS_H
#define TESTS_STORE_FAULT_VFS_H

#include <stdbool.h>

enum fault {
	FAULT_NONE,
	FAULT_WRITE_FULL,  /* ENOSPC, nothing written */
	FAULT_WRITE_EIO,   /* EIO, nothing written */
	FAULT_WRITE_SHORT, /* half of it is written, then ENOSPC */
	FAULT_WRITE_TORN,  /* half of it is written, the rest is junk, then EIO */
	FAULT_SYNC,        /* fsync fails */
	FAULT_TRUNCATE,
	FAULTS,
};

/* Becomes the process's default VFS. Syncs are counted, not done: a test's crash is a process's, not a machine's. */
void fault_vfs_register(void);
/* The n-th operation of that kind fails, and `more` after it. */
void fault_arm(enum fault kind, unsigned n, unsigned more);
/* Did it happen? Nothing fails any more. */
bool fault_disarm(void);

#endif
