/* The kernel's side without the daemon: maps pinned by it, through the kernel room. */
#ifndef CTL_PINNED_H
#define CTL_PINNED_H

#include "ctl/command.h"
#include "kernel/kernel.h"

#include <jansson.h>

/* After api_call failed with `rc` and *err: may the pinned maps answer instead? They may when no daemon listens. Opens
 * them and says on standard error that it did (T3). Otherwise returns a negative code, *err telling both stories. */
int pinned_instead(struct ctl *ctl, int rc, struct kernel **ret, struct err *err) MUST_CHECK;
void pinned_closep(struct kernel **k);

/* {attachments: [{interface, mode, note}], generation, ...}; new reference. */
int pinned_status(struct kernel *k, json_t **ret, struct err *err) MUST_CHECK;
/* The same shape as GET /admin/v1/stats, layer "nic" only. */
int pinned_stats(struct kernel *k, json_t **ret, struct err *err) MUST_CHECK;
const char *pinned_mode_name(enum kernel_mode mode);

#endif
