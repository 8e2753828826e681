#include "fault_vfs.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static sqlite3_vfs *real_vfs, shim;

static struct {
	enum fault kind;
	unsigned n, more; /* the next one to fail is the n-th from now; then `more` others */
	bool happened;
} armed;

struct file {
	sqlite3_file base;
	sqlite3_file *real; /* right behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct file *)(void *)f)->real;
}

void fault_arm(enum fault kind, unsigned n, unsigned more)
{
	armed.kind = kind;
	armed.n = n;
	armed.more = more;
	armed.happened = false;
}

bool fault_disarm(void)
{
	armed.kind = FAULT_NONE;
	return armed.happened;
}

static bool due(void)
{
	if (armed.n > 1) {
		armed.n--;
		return false;
	}
	if (armed.n == 0)
		return false;
	armed.happened = true;
	if (armed.more)
		armed.more--;
	else
		armed.n = 0;
	return true;
}

static bool of_write(enum fault kind)
{
	return kind == FAULT_WRITE_FULL || kind == FAULT_WRITE_EIO || kind == FAULT_WRITE_SHORT ||
	       kind == FAULT_WRITE_TORN;
}

static int do_close(sqlite3_file *f)
{
	return real_of(f)->pMethods ? real_of(f)->pMethods->xClose(real_of(f)) : SQLITE_OK;
}

static int do_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int do_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	sqlite3_file *real = real_of(f);

	if (!of_write(armed.kind) || !due())
		return real->pMethods->xWrite(real, p, n, at);
	if (armed.kind == FAULT_WRITE_SHORT || armed.kind == FAULT_WRITE_TORN)
		real->pMethods->xWrite(real, p, n / 2, at);
	if (armed.kind == FAULT_WRITE_TORN) {
		char *junk = malloc((size_t)n);

		if (junk) {
			memset(junk, 0xa5, (size_t)n);
			real->pMethods->xWrite(real, junk, n - n / 2, at + n / 2);
			free(junk);
		}
	}
	return armed.kind == FAULT_WRITE_FULL || armed.kind == FAULT_WRITE_SHORT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int do_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	if (armed.kind == FAULT_TRUNCATE && due())
		return SQLITE_IOERR_TRUNCATE;
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int do_sync(sqlite3_file *f, int flags)
{
	(void)f;
	(void)flags;
	return armed.kind == FAULT_SYNC && due() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int do_file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int do_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int do_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int do_check_lock(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int do_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int do_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int do_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int do_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, p);
}

static int do_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void do_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int do_shm_unmap(sqlite3_file *f, int delete)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2, /* without memory mapping, which would read past the counters */
	.xClose = do_close,
	.xRead = do_read,
	.xWrite = do_write,
	.xTruncate = do_truncate,
	.xSync = do_sync,
	.xFileSize = do_file_size,
	.xLock = do_lock,
	.xUnlock = do_unlock,
	.xCheckReservedLock = do_check_lock,
	.xFileControl = do_control,
	.xSectorSize = do_sector,
	.xDeviceCharacteristics = do_traits,
	.xShmMap = do_shm_map,
	.xShmLock = do_shm_lock,
	.xShmBarrier = do_shm_barrier,
	.xShmUnmap = do_shm_unmap,
};

static int do_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	struct file *file = (struct file *)(void *)f;
	int rc;

	(void)vfs;
	file->real = (sqlite3_file *)(void *)(file + 1);
	rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out_flags);
	file->base.pMethods = file->real->pMethods ? &methods : NULL;
	return rc;
}

void fault_vfs_register(void)
{
	sqlite3_initialize();
	real_vfs = sqlite3_vfs_find(NULL);
	shim = *real_vfs; /* all but xOpen works on names, and takes any VFS object */
	shim.zName = "fault";
	shim.pNext = NULL;
	shim.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
	shim.xOpen = do_open;
	sqlite3_vfs_register(&shim, 1);
}
