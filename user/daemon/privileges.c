#include "daemon/privileges.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

int privileges_find(const char *user, struct identity *ret, struct err *err)
{
	struct passwd *pw;

	*ret = (struct identity){.uid = geteuid(), .gid = getegid()};
	if (!user || !*user)
		return 0;
	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return err_set(
			err, ERR_NOT_FOUND,
			"user: there is no user '%s' on this system; make it (adduser --system --group %s) or name "
			"another one",
			user, user);
	if (pw->pw_uid == geteuid())
		return 0;
	if (geteuid() != 0)
		return err_set(err, ERR_PERM, "user: only root can become '%s'; start as root or as '%s'", user, user);
	ret->change = true;
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	snprintf(ret->name, sizeof(ret->name), "%s", user);
	return 0;
}

int privileges_assume(const struct identity *id, struct err *err)
{
	if (!id->change)
		return 0;
	if (initgroups(id->name, id->gid) < 0 || setegid(id->gid) < 0 || seteuid(id->uid) < 0)
		return err_errno(err, errno, "becoming %s for a while", id->name);
	return 0;
}

int privileges_resume(const struct identity *id, struct err *err)
{
	if (!id->change)
		return 0;
	if (seteuid(0) < 0 || setegid(0) < 0)
		return err_errno(err, errno, "becoming root again");
	return 0;
}

static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return err_errno(err, errno, "clearing ambient capabilities");
	if (syscall(SYS_capset, &head, none) < 0)
		return err_errno(err, errno, "clearing capabilities");
	return 0;
}

/* P3 */
static int check_alone(struct err *err)
{
	unsigned threads = 0;
	DIR *d = opendir("/proc/self/task");

	if (!d)
		return 0; /* no /proc: nothing to count by */
	for (const struct dirent *e; (e = readdir(d));)
		threads += e->d_name[0] != '.';
	closedir(d);
	return threads <= 1 ? 0 : err_set(err, ERR_PERM, "%u threads run before privileges are dropped", threads);
}

int privileges_drop(const struct identity *id, struct err *err)
{
	if (check_alone(err) < 0)
		return ERR_PERM;
	/* The bounding set first, while that is still permitted. */
	for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL && geteuid() == 0)
			return err_errno(err, errno, "dropping capability %lu from the bounding set", cap);
	if (id->change && (initgroups(id->name, id->gid) < 0 || setresgid(id->gid, id->gid, id->gid) < 0 ||
			   setresuid(id->uid, id->uid, id->uid) < 0))
		return err_errno(err, errno, "becoming %s", id->name);
	if (drop_capabilities(err) < 0)
		return err ? err->code : ERR_PERM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "no new privileges");
	if (id->change && (setuid(0) == 0 || seteuid(0) == 0))
		return err_set(err, ERR_PERM, "root could be had back after dropping it");
	return 0;
}

/* ---- seccomp */

static const int allowed[] = {
	/* loop, sockets */
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(eventfd2),
	SCMP_SYS(accept4),
	SCMP_SYS(accept),
	SCMP_SYS(connect),
	SCMP_SYS(socket),
	SCMP_SYS(socketpair),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendfile),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(ioctl),
	/* files: the store, reloads, name resolution */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(stat),
	SCMP_SYS(fstat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),
	SCMP_SYS(fcntl),
	SCMP_SYS(flock),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(sync_file_range),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(mkdir),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchown),
	SCMP_SYS(umask),
	SCMP_SYS(getdents64),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(pipe2),
	SCMP_SYS(fadvise64),
	/* memory, threads, time */
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(msync),
	SCMP_SYS(membarrier),
	SCMP_SYS(futex),
	SCMP_SYS(futex_waitv),
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(get_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(getcpu),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	/* the process itself */
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getgroups),
	SCMP_SYS(getrlimit),
	SCMP_SYS(setrlimit),
	SCMP_SYS(prlimit64),
	SCMP_SYS(getrusage),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(prctl),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(signalfd4),
	SCMP_SYS(tgkill),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(capget),
};

/* Nothing here makes these: whoever does isn't us. */
static const int fatal[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(mount),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
};

/* Elements of maps we hold, and looking at objects; programs and new maps are over. */
static const unsigned bpf_commands[] = {
	BPF_MAP_LOOKUP_ELEM,
	BPF_MAP_UPDATE_ELEM,
	BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY,
	BPF_MAP_LOOKUP_BATCH,
	BPF_MAP_UPDATE_BATCH,
	BPF_MAP_DELETE_BATCH,
	BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	BPF_OBJ_GET_INFO_BY_FD,
	BPF_OBJ_GET,
	BPF_MAP_LOOKUP_AND_DELETE_BATCH,
};

/* Memory never becomes executable: mprotect(PROT_EXEC) is refused, mmap(PROT_EXEC) is left to the loader of NSS
 * modules. */
static int add_rules(scmp_filter_ctx ctx)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(allowed); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(fatal); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, fatal[i], 0);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(bpf_commands); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
				      SCMP_CMP(0, SCMP_CMP_EQ, bpf_commands[i], 0));
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(bpf), 1,
				      SCMP_CMP(0, SCMP_CMP_EQ, BPF_PROG_LOAD, 0));
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return rc;
}

int privileges_seccomp(struct err *err)
{
#ifdef TOLLGATE_SANITIZED
	/* ASan's leak check ptraces and TSan changes its address space: builds that test, never the product. */
	(void)err;
	log_warn(NULL, "BUILT WITH A SANITIZER, FOR TESTS: no seccomp filter");
	return 0;
#endif
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc;

	if (!ctx)
		return err_set(err, ERR_NOMEM, "seccomp: no memory");
	rc = add_rules(ctx);
	/* The hottest calls in few comparisons. */
	if (!rc)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc ? err_errno(err, -rc, "seccomp") : 0;
}

unsigned long privileges_files(unsigned long want)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return 0;
	if (r.rlim_max != RLIM_INFINITY && r.rlim_max < want && geteuid() == 0) {
		struct rlimit more = {.rlim_cur = want, .rlim_max = want};

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return want;
	}
	if (r.rlim_cur < want) {
		r.rlim_cur = r.rlim_max == RLIM_INFINITY || r.rlim_max > want ? want : r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
	return getrlimit(RLIMIT_NOFILE, &r) < 0 ? 0 : r.rlim_cur;
}
