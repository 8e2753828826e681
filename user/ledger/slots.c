/* Layout, opening and growing of the holds file; reading and writing of one slot. */
#include "ledger/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SLOTS_MAGIC 0x31534c4f48474c54ull /* "TLGHOLS1" */
#define SLOTS_LAYOUT 1u
#define SLOTS_HEADER_LEN 4096u

struct slots_header {
	uint64_t magic; /* written last: a file without it was never finished */
	uint32_t layout;
	uint32_t slot_len;
	uint32_t count;
	uint32_t zero;
};

static size_t file_len(uint32_t count)
{
	return SLOTS_HEADER_LEN + (size_t)count * sizeof(struct slot);
}

/* Zeros are written, not only reserved: blocks that are merely reserved are converted when they are first written back,
 * which costs a journal commit each time and would not be on disk after slots_write_back. */
static int fill(int fd, size_t from, size_t to, struct err *err)
{
	static const char zeros[65536];
	int rc = posix_fallocate(fd, (off_t)from, (off_t)(to - from));

	if (rc && rc != EOPNOTSUPP && rc != EINVAL)
		return err_errno(err, rc, "holds file: reserving %zu bytes", to - from);
	while (from < to) {
		size_t n = to - from < sizeof(zeros) ? to - from : sizeof(zeros);
		ssize_t done = pwrite(fd, zeros, n, (off_t)from);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_errno(err, errno, "holds file: writing");
		from += (size_t)done;
	}
	return 0;
}

static int header_write(int fd, uint32_t count, struct err *err)
{
	struct slots_header h = {
		.magic = SLOTS_MAGIC, .layout = SLOTS_LAYOUT, .slot_len = sizeof(struct slot), .count = count};
	ssize_t n;

	if (fdatasync(fd) < 0)
		return err_errno(err, errno, "holds file: syncing");
	do
		n = pwrite(fd, &h, sizeof(h), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, errno, "holds file: writing its header");
	if (n != sizeof(h))
		return err_set(err, ERR_IO, "holds file: header written in part");
	if (fsync(fd) < 0)
		return err_errno(err, errno, "holds file: syncing");
	return 0;
}

/* *ret_count 0: the file is new, or its making was interrupted. */
static int header_read(int fd, uint32_t *ret_count, struct err *err)
{
	struct slots_header h = {0};
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "holds file");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVAL, "holds file: not a regular file");
	do
		n = pread(fd, &h, sizeof(h), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, errno, "holds file: reading");
	if (h.magic == 0 && h.layout == 0 && h.count == 0) {
		*ret_count = 0;
		return 0;
	}
	if (h.magic != SLOTS_MAGIC)
		return err_set(err, ERR_CORRUPT, "holds file: not a holds file");
	if (h.layout != SLOTS_LAYOUT || h.slot_len != sizeof(struct slot))
		return err_set(err, ERR_VERSION,
			       "holds file: layout %u with slots of %u bytes, this program has %u and %zu; start the "
			       "version that wrote it once, so that it resolves what is open, and stop it",
			       h.layout, h.slot_len, SLOTS_LAYOUT, sizeof(struct slot));
	if (h.count == 0 || (uint64_t)st.st_size < file_len(h.count))
		return err_set(err, ERR_CORRUPT, "holds file: %lld bytes are too few for its %u slots",
			       (long long)st.st_size, h.count);
	*ret_count = h.count;
	return 0;
}

static int map_file(struct slots *s, uint32_t count, struct err *err)
{
	size_t len = file_len(count);
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);

	if (map == MAP_FAILED)
		return err_errno(err, errno, "holds file: mapping %zu bytes", len);
	s->map = map;
	s->map_len = len;
	s->at = (struct slot *)(void *)((char *)map + SLOTS_HEADER_LEN);
	s->count = count;
	return 0;
}

static int open_and_lock(const char *path, int *ret_fd, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "holds file %s", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		rc = errno == EWOULDBLOCK ? err_set(err, ERR_BUSY, "holds file %s: another process has it open", path)
					  : err_errno(err, errno, "holds file %s: locking", path);
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

int slots_open(struct slots *s, const char *path, uint32_t count, struct err *err)
{
	uint32_t found = 0;
	int rc;

	*s = (struct slots){.fd = -1};
	rc = open_and_lock(path, &s->fd, err);
	if (rc == 0)
		rc = header_read(s->fd, &found, err);
	if (rc == 0 && !found) {
		rc = fill(s->fd, 0, file_len(count), err);
		if (rc == 0)
			rc = header_write(s->fd, count, err);
		found = count;
	}
	if (rc == 0)
		rc = map_file(s, found, err);
	if (rc < 0)
		slots_close(s);
	return rc;
}

int slots_resize(struct slots *s, uint32_t count, struct err *err)
{
	uint32_t old = s->count;
	int rc;

	if (count == old)
		return 0;
	munmap(s->map, s->map_len);
	s->map = NULL;
	/* The header never promises more than is there. */
	rc = count > old ? fill(s->fd, file_len(old), file_len(count), err) : 0;
	if (rc == 0)
		rc = header_write(s->fd, count, err);
	if (rc == 0 && count < old && ftruncate(s->fd, (off_t)file_len(count)) < 0)
		rc = err_errno(err, errno, "holds file: shortening");
	return rc < 0 ? rc : map_file(s, count, err);
}

int slots_flush(struct slots *s, struct err *err)
{
	if (msync(s->map, s->map_len, MS_SYNC) < 0)
		return err_errno(err, errno, "holds file: syncing");
	return 0;
}

/* Why not msync(MS_SYNC) or fdatasync: both wait for the device, on the thread that commits. This starts the writing of
 * the dirty pages and returns; blocks were written once before (fill), so that no metadata is due, and the device's
 * cache is flushed by the next commit's fsync of the database beside it. Only a power cut needs the disk's copy: a
 * killed process leaves its stores in the page cache. */
int slots_write_back(struct slots *s)
{
	return sync_file_range(s->fd, 0, 0, SYNC_FILE_RANGE_WRITE) < 0 ? ERR_IO : 0;
}

void slots_close(struct slots *s)
{
	if (s->map)
		munmap(s->map, s->map_len);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct slots){.fd = -1};
}

/* Finds torn and rotten slots; not meant against anybody. */
static uint64_t checksum(const struct slot_identity *id)
{
	uint64_t w[SLOT_IDENTITY_WORDS], h = 0x9e3779b97f4a7c15ull;

	memcpy(w, id, sizeof(w));
	for (size_t i = 0; i < SLOT_IDENTITY_WORDS - 1; i++) {
		h = (h ^ w[i]) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	return h;
}

void slot_identity_seal(struct slot_identity *id)
{
	id->checksum = checksum(id);
}

void slot_identity_put(struct slot *s, const struct slot_identity *id)
{
	uint64_t w[SLOT_IDENTITY_WORDS];

	memcpy(w, id, sizeof(w));
	for (size_t i = 0; i < SLOT_IDENTITY_WORDS; i++)
		atomic_store_explicit(&s->identity[i], w[i], memory_order_relaxed);
}

bool slot_identity_get(const struct slot *s, struct slot_identity *ret)
{
	uint64_t w[SLOT_IDENTITY_WORDS];

	for (size_t i = 0; i < SLOT_IDENTITY_WORDS; i++)
		w[i] = atomic_load_explicit(&s->identity[i], memory_order_relaxed);
	memcpy(ret, w, sizeof(*ret));
	if (ret->checksum == checksum(ret))
		return true;
	ret->key_id[KEY_ID_MAX - 1] = '\0';
	return false;
}

void slot_usage_put(struct slot *s, const struct usage *u)
{
	uint32_t n = atomic_load_explicit(&s->reports, memory_order_relaxed) + 1;
	uint64_t w[SLOT_USAGE_WORDS];

	memcpy(w, u, sizeof(w));
	for (size_t i = 0; i < SLOT_USAGE_WORDS; i++)
		atomic_store_explicit(&s->usage[n & 1][i], w[i], memory_order_relaxed);
	atomic_store_explicit(&s->reports, n ? n : 2, memory_order_release);
}

bool slot_usage_get(const struct slot *s, struct usage *ret)
{
	uint32_t n = atomic_load_explicit(&s->reports, memory_order_acquire), again;
	uint64_t w[SLOT_USAGE_WORDS];

	if (!n)
		return false;
	for (;;) {
		for (size_t i = 0; i < SLOT_USAGE_WORDS; i++)
			w[i] = atomic_load_explicit(&s->usage[n & 1][i], memory_order_acquire);
		again = atomic_load_explicit(&s->reports, memory_order_relaxed);
		if (again == n)
			break;
		n = again; /* reported anew meanwhile: that copy may be under way to being overwritten */
	}
	memcpy(ret, w, sizeof(*ret));
	return true;
}
