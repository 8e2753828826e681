/* Texts of list reasons by number. Entries in the kernel's maps outlive the daemon and carry only the number, so the
 * table is a file that only grows: line n is reason n. [control] */
#ifndef GATEWAY_REASONS_H
#define GATEWAY_REASONS_H

#include "base/err.h"

#include <stdint.h>

#define REASONS_MAX 4096u
#define REASON_TEXT_MAX 96u

struct reasons;

/* path NULL: kept in memory only. */
int reasons_open(const char *path, struct reasons **ret, struct err *err) MUST_CHECK;
void reasons_free(struct reasons *r);
/* The number of a text, a new one when it is new; 0 = none (empty text, full table, file not writable). Line breaks
 * and control characters become blanks; longer texts are cut. */
uint16_t reasons_number(struct reasons *r, const char *text);
const char *reasons_text(const struct reasons *r, uint16_t number);

#endif
