/* Each test of the kernel room gets its own mount and network namespace: whatever it mounts, pins, attaches or makes
 * ends with its process, also when it crashes. */
#ifndef TESTS_KERNEL_ROOM_H
#define TESTS_KERNEL_ROOM_H

#include "kernel/kernel.h"

#include <criterion/criterion.h>

#define ROOM_DIR "/mnt"             /* a tmpfs of the test's own */
#define ROOM_PIN ROOM_DIR "/bpf/tg" /* on a bpffs of its own */

/* Skips the test unless root on a kernel with BTF. */
void room_enter(void);
/* tg0 <-> tg1, both up, in this namespace. */
void room_veth(void);
/* Runs a program and asserts that it succeeds. */
void room_run(const char *const argv[]);
#define RUN(...) room_run((const char *const[]){__VA_ARGS__, NULL})

/* Small maps, so that tests are quick. */
struct kernel_opts room_opts(void);
struct kernel *room_open(void);
struct kernel *room_open_with(const struct kernel_opts *opts);

/* "192.0.2.0/24", "2001:db8::1". */
struct kernel_cidr room_cidr(const char *text);
/* An entry from now on for ttl_ns; 0 = for ever. */
struct kernel_list_entry room_entry(const char *text, uint64_t ttl_ns);
void room_put(struct kernel *k, enum kernel_list list, const char *text, uint64_t ttl_ns);
/* Is this address listed now? */
bool room_listed(struct kernel *k, enum kernel_list list, const char *address);
size_t room_list_size(struct kernel *k, enum kernel_list list);
uint64_t room_used(struct kernel *k, const char *map);

/* A policy of n_subjects whose every rate has limit `mark`, and these lists. */
struct room_policy {
	struct kernel_policy_input in;
	uint32_t mark;
	uint32_t published[4];
	uint32_t word_then[4]; /* the generation word at that moment */
	size_t n_published;
	struct kernel *k;
};
void room_policy_init(struct room_policy *p, struct kernel *k, uint32_t mark, uint32_t n_subjects);

#endif
