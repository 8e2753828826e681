/* Fixed-width types for headers that both the kernel program and user space compile. */
#ifndef TOLLGATE_TYPES_H
#define TOLLGATE_TYPES_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#include <stddef.h>
#endif

/* Inlining is a correctness matter in BPF (clang 14 without it emits calls the verifier can't follow). */
#define TG_INLINE static inline __attribute__((always_inline))

/* A load or store that the compiler may not repeat, split or invent: others work on these words at the same time. For user
 * space in the form that the thread sanitizer knows. */
#ifdef __bpf__
#define TG_READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define TG_WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#else
#define TG_READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define TG_WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#endif

#endif
