/* The pinned layout: PIN_DIR/maps/NAME and PIN_DIR/links/IFNAME-{xdp,tc,clsact}. */
#ifndef KERNEL_PIN_H
#define KERNEL_PIN_H

#include "base/err.h"

#include <bpf/libbpf.h>
#include <stdbool.h>

#define PIN_PATH_MAX 4096
/* A name under PIN_DIR/maps or /links, escaped: bpffs refuses dots, and interfaces (VLANs) have them. */
#define PIN_NAME_MAX 64

enum pin_kind { PIN_MAPS, PIN_LINKS };

/* ERR_RANGE when it is too long. `name` NULL: the folder. */
int pin_path(char buf[PIN_PATH_MAX], const char *pin_dir, enum pin_kind kind, const char *name,
	     struct err *err) MUST_CHECK;
void pin_escape(char buf[PIN_NAME_MAX], const char *ifname, const char *suffix);
/* The interface's name out of a pin's; false when it doesn't end in the suffix. */
bool pin_unescape(char ifname[16], const char *pin, const char *suffix);
/* Pins fd as NAME, replacing what is there without a moment of neither. */
int pin_replace(const char *path, int fd, struct err *err) MUST_CHECK;

/* bpffs and folders; mounts the bpffs when there is none. */
int pin_prepare(const char *pin_dir, struct err *err) MUST_CHECK;
typedef int (*pin_cb)(const char *path, const char *name, void *arg, struct err *err);
/* Each pin of a kind; an absent folder has none. Stops at the first failure of cb. */
int pin_each(const char *pin_dir, enum pin_kind kind, pin_cb cb, void *arg, struct err *err) MUST_CHECK;
/* Removes the folders; what isn't ours stays and is an error. */
int pin_remove_dirs(const char *pin_dir, struct err *err) MUST_CHECK;

#endif
