#include "room.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

void room_enter(void)
{
	if (geteuid() != 0 || access("/sys/kernel/btf/vmlinux", R_OK))
		cr_skip_test("needs root and a kernel with BTF");
	cr_assert_eq(unshare(CLONE_NEWNS | CLONE_NEWNET), 0, "unshare: %s", strerror(errno));
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("tmpfs", ROOM_DIR, "tmpfs", 0, NULL), 0, "tmpfs: %s", strerror(errno));
	cr_assert_eq(mkdir(ROOM_DIR "/bpf", 0700), 0);
	cr_assert_eq(mount("bpf", ROOM_DIR "/bpf", "bpf", 0, "mode=0700"), 0, "bpffs: %s", strerror(errno));
	RUN("ip", "link", "set", "lo", "up");
}

void room_run(const char *const argv[])
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	cr_assert_gt(pid, 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s %s ... failed", argv[0], argv[1] ? argv[1] : "");
}

void room_veth(void)
{
	RUN("ip", "link", "add", "tg0", "type", "veth", "peer", "name", "tg1");
	RUN("ip", "link", "set", "tg0", "up");
	RUN("ip", "link", "set", "tg1", "up");
}

struct kernel_opts room_opts(void)
{
	struct kernel_opts o = KERNEL_OPTS_DEFAULT;

	o.pin_dir = ROOM_PIN;
	o.list_entries_max = 4096;
	o.net_sources_max = 1024;
	o.flows_max = 1024;
	return o;
}

struct kernel *room_open_with(const struct kernel_opts *opts)
{
	struct kernel *k = NULL;
	struct err err = {0};

	cr_assert_eq(kernel_open(opts, &k, &err), 0, "%s", err.msg);
	return k;
}

struct kernel *room_open(void)
{
	struct kernel_opts o = room_opts();

	return room_open_with(&o);
}

struct kernel_cidr room_cidr(const char *text)
{
	struct kernel_cidr c = {.v6 = strchr(text, ':') != NULL};
	const char *slash = strchr(text, '/');
	char addr[64] = "";

	snprintf(addr, sizeof(addr), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	c.prefix_len = (uint8_t)(slash ? atoi(slash + 1) : c.v6 ? 128 : 32);
	cr_assert_eq(inet_pton(c.v6 ? AF_INET6 : AF_INET, addr, c.addr), 1, "'%s'", text);
	return c;
}

struct kernel_list_entry room_entry(const char *text, uint64_t ttl_ns)
{
	return (struct kernel_list_entry){
		.cidr = room_cidr(text),
		.expires_ns = ttl_ns ? clock_mono_ns() + ttl_ns : TG_LIST_NEVER,
		.source = TG_LIST_OPERATOR,
	};
}

void room_put(struct kernel *k, enum kernel_list list, const char *text, uint64_t ttl_ns)
{
	struct kernel_list_entry e = room_entry(text, ttl_ns);
	struct err err = {0};
	size_t done = 0;

	cr_assert_eq(kernel_list_put(k, list, &e, 1, &done, &err), 0, "%s", err.msg);
	cr_assert_eq(done, 1);
}

bool room_listed(struct kernel *k, enum kernel_list list, const char *address)
{
	struct kernel_cidr c = room_cidr(address);
	struct kernel_list_entry e;
	int rc = kernel_list_match(k, list, &c, &e);

	cr_assert(rc == 0 || rc == ERR_NOT_FOUND, "%s: %d", address, rc);
	return rc == 0;
}

static int count_one(enum kernel_list list, const struct kernel_list_entry *e, void *arg)
{
	(void)list;
	(void)e;
	++*(size_t *)arg;
	return 0;
}

size_t room_list_size(struct kernel *k, enum kernel_list list)
{
	struct err err = {0};
	size_t n = 0;

	cr_assert_eq(kernel_list_each(k, list, count_one, &n, &err), 0, "%s", err.msg);
	return n;
}

uint64_t room_used(struct kernel *k, const char *map)
{
	struct kernel_fill fill[16];
	size_t n = ARRAY_SIZE(fill);
	struct err err = {0};

	cr_assert_eq(kernel_fill(k, fill, &n, &err), 0, "%s", err.msg);
	for (size_t i = 0; i < n; i++)
		if (strcmp(fill[i].map, map) == 0)
			return fill[i].used;
	cr_assert_fail("no fill of map %s", map);
	return 0;
}

static void policy_rates(uint32_t subject, struct tg_rate_block *ret, void *arg)
{
	const struct room_policy *p = arg;

	for (size_t i = 0; i < TG_DIM_COUNT; i++) {
		ret->rate[i].limit = p->mark;
		ret->rate[i].emission_q16 = subject + 1;
	}
}

static void policy_publish(uint32_t generation, void *arg)
{
	struct room_policy *p = arg;

	if (p->n_published == ARRAY_SIZE(p->published))
		return;
	p->published[p->n_published] = generation;
	p->word_then[p->n_published++] = kernel_control(p->k)->generation;
}

void room_policy_init(struct room_policy *p, struct kernel *k, uint32_t mark, uint32_t n_subjects)
{
	*p = (struct room_policy){.mark = mark, .k = k};
	p->in.rates = policy_rates;
	p->in.publish = policy_publish;
	p->in.arg = p;
	p->in.n_subjects = n_subjects;
	p->in.policy.events_per_second = mark;
}
