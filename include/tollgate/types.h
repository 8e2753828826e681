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

/* A load that the compiler may not repeat, split or invent: user space writes these words concurrently. */
#define TG_READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define TG_WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#endif
