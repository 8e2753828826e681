#include "kernel/pin.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define BPFFS_USUAL "/sys/fs/bpf"

int pin_path(char buf[PIN_PATH_MAX], const char *pin_dir, enum pin_kind kind, const char *name, struct err *err)
{
	int n = snprintf(buf, PIN_PATH_MAX, "%s/%s%s%s", pin_dir, kind == PIN_MAPS ? "maps" : "links", name ? "/" : "",
			 name ? name : "");

	if (n < 0 || n >= PIN_PATH_MAX)
		return err_set(err, ERR_RANGE, "pin directory's name is too long");
	return 0;
}

void pin_escape(char buf[PIN_NAME_MAX], const char *ifname, const char *suffix)
{
	size_t at = 0;

	for (const char *p = ifname; *p && at + 4 < PIN_NAME_MAX; p++) {
		if (*p == '.' || *p == '%')
			at += (size_t)snprintf(buf + at, PIN_NAME_MAX - at, "%%%02x", (unsigned char)*p);
		else
			buf[at++] = *p;
	}
	snprintf(buf + at, PIN_NAME_MAX - at, "-%s", suffix);
}

bool pin_unescape(char ifname[16], const char *pin, const char *suffix)
{
	size_t len = strlen(pin), tail = strlen(suffix) + 1, at = 0;
	char name[16];

	if (len <= tail || pin[len - tail] != '-' || strcmp(pin + len - tail + 1, suffix) != 0)
		return false;
	for (size_t i = 0; i < len - tail; i++) {
		unsigned c = (unsigned char)pin[i];

		if (at + 1 >= sizeof(name))
			return false;
		if (c == '%') {
			if (i + 2 >= len || sscanf(pin + i + 1, "%2x", &c) != 1)
				return false;
			i += 2;
		}
		name[at++] = (char)c;
	}
	name[at] = '\0';
	memcpy(ifname, name, sizeof(name));
	return true;
}

int pin_replace(const char *path, int fd, struct err *err)
{
	char fresh[PIN_PATH_MAX + 8];

	snprintf(fresh, sizeof(fresh), "%s-new", path);
	unlink(fresh); /* left by a crash between the two steps below */
	if (bpf_obj_pin(fd, fresh))
		return err_errno(err, errno, "can't pin %s", path);
	if (rename(fresh, path)) {
		int rc = err_errno(err, errno, "can't pin %s", path);

		unlink(fresh);
		return rc;
	}
	return 0;
}

static int is_bpffs(const char *dir, bool *ret, struct err *err)
{
	struct statfs fs;

	if (statfs(dir, &fs))
		return err_errno(err, errno, "%s", dir);
	*ret = (unsigned)fs.f_type == BPF_FS_MAGIC;
	return 0;
}

/* mkdir -p */
static int make_dirs(const char *dir, struct err *err)
{
	char path[PIN_PATH_MAX];

	snprintf(path, sizeof(path), "%s", dir);
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			return err_errno(err, errno, "can't make directory %s", path);
		if (c == '\0')
			return 0;
		*p = c;
	}
}

/* The deepest directory on the way to `dir` that exists. */
static void existing_parent(char buf[PIN_PATH_MAX], const char *dir)
{
	struct stat st;

	snprintf(buf, PIN_PATH_MAX, "%s", dir);
	while (stat(buf, &st)) {
		char *slash = strrchr(buf, '/');

		if (!slash || slash == buf) {
			snprintf(buf, PIN_PATH_MAX, "/");
			return;
		}
		*slash = '\0';
	}
}

static int mount_bpffs(const char *pin_dir, struct err *err)
{
	size_t usual = strlen(BPFFS_USUAL);
	bool beneath = strncmp(pin_dir, BPFFS_USUAL, usual) == 0 && (pin_dir[usual] == '/' || pin_dir[usual] == '\0');
	const char *where = beneath ? BPFFS_USUAL : pin_dir;
	int rc;

	/* /sys/fs/bpf itself is the kernel's to make. */
	rc = beneath ? 0 : make_dirs(pin_dir, err);
	if (rc)
		return rc;
	if (mount("bpf", where, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return err_errno(err, errno,
				 "%s is not on a BPF file system and none could be mounted: run as root once, or "
				 "`mount -t bpf bpf %s`",
				 pin_dir, where);
	return 0;
}

int pin_prepare(const char *pin_dir, struct err *err)
{
	char parent[PIN_PATH_MAX], sub[PIN_PATH_MAX];
	bool ok = false;
	int rc;

	if (pin_dir[0] != '/' || strlen(pin_dir) + 16 + PIN_NAME_MAX > PIN_PATH_MAX)
		return err_set(err, ERR_INVAL, "pin directory \"%.200s\" must be an absolute path of reasonable length",
			       pin_dir);
	existing_parent(parent, pin_dir);
	rc = is_bpffs(parent, &ok, err);
	if (rc == 0 && !ok)
		rc = mount_bpffs(pin_dir, err);
	for (enum pin_kind kind = PIN_MAPS; rc == 0 && kind <= PIN_LINKS; kind++) {
		rc = pin_path(sub, pin_dir, kind, NULL, err);
		if (rc == 0)
			rc = make_dirs(sub, err);
	}
	return rc;
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

int pin_each(const char *pin_dir, enum pin_kind kind, pin_cb cb, void *arg, struct err *err)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	char folder[PIN_PATH_MAX], path[PIN_PATH_MAX + 256];
	struct dirent *d;
	int rc = pin_path(folder, pin_dir, kind, NULL, err);

	if (rc)
		return rc;
	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT ? 0 : err_errno(err, errno, "can't read %s", folder);
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, d->d_name);
		rc = cb(path, d->d_name, arg, err);
		if (rc)
			return rc;
	}
	return 0;
}

int pin_remove_dirs(const char *pin_dir, struct err *err)
{
	char path[PIN_PATH_MAX];

	for (enum pin_kind kind = PIN_MAPS; kind <= PIN_LINKS; kind++) {
		int rc = pin_path(path, pin_dir, kind, NULL, err);

		if (rc)
			return rc;
		if (rmdir(path) && errno != ENOENT)
			return err_errno(err, errno, "can't remove %s", path);
	}
	/* EBUSY: the bpffs itself is mounted here; who mounted it may want it. */
	if (rmdir(pin_dir) && errno != ENOENT && errno != EBUSY)
		return err_errno(err, errno, "can't remove %s", pin_dir);
	return 0;
}
