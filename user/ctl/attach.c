/* attach, detach: on the kernel itself. */
#include "ctl/api.h"
#include "ctl/output.h"
#include "ctl/pinned.h"

#include <string.h>

static enum kernel_want want_of(const char *mode)
{
	static const struct {
		const char *name;
		enum kernel_want want;
	} rows[] = {
		{"native", KERNEL_WANT_NATIVE},
		{"generic", KERNEL_WANT_GENERIC},
		{"tc", KERNEL_WANT_TC},
	};

	for (size_t i = 0; mode && i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, mode) == 0)
			return rows[i].want;
	return KERNEL_WANT_AUTO;
}

/* Loading with other sizes than the pinned maps have would rebuild them under a running daemon: take theirs. */
static void keep_sizes(const char *pin_dir, struct kernel_opts *opts)
{
	_cleanup_(pinned_closep) struct kernel *k = NULL;
	struct kernel_fill fill[32];
	size_t n = ARRAY_SIZE(fill);

	if (kernel_open_pinned(pin_dir, &k, NULL) < 0 || kernel_fill(k, fill, &n, NULL) < 0)
		return; /* nothing pinned, or nothing usable: kernel_open says which */
	for (size_t i = 0; i < n; i++) {
		if (strcmp(fill[i].map, "tg_block4") == 0)
			opts->list_entries_max = (unsigned)fill[i].max;
		else if (strcmp(fill[i].map, "tg_net_state") == 0)
			opts->net_sources_max = (unsigned)fill[i].max;
		else if (strcmp(fill[i].map, "tg_flows") == 0)
			opts->flows_max = (unsigned)fill[i].max;
	}
}

static void view_attached(struct buf *out, json_t *json, int64_t now_ms)
{
	(void)now_ms;
	buf_printf(out, "attached to %s, mode %s\n", json_string_value(json_object_get(json, "interface")),
		   json_string_value(json_object_get(json, "mode")));
}

int ctl_run_attach(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(pinned_closep) struct kernel *k = NULL;
	_cleanup_(json_decrefp) json_t *result = NULL;
	struct kernel_opts opts = KERNEL_OPTS_DEFAULT;
	struct kernel_attachment a;
	int rc;

	opts.pin_dir = ctl->pin_dir;
	keep_sizes(ctl->pin_dir, &opts);
	rc = kernel_open(&opts, &k, err);
	if (rc == 0)
		rc = kernel_attach(k, args->positional[0], want_of(ctl_option(args, "mode")), &a, err);
	if (rc < 0)
		return rc;
	kernel_set_armed(k, true);
	if (*a.note)
		output_note("WARNING: %s: %s", a.ifname, a.note);
	result = json_pack("{s:s, s:s, s:s}", "interface", a.ifname, "mode", pinned_mode_name(a.mode), "note", a.note);
	return output(ctl, result, view_attached, err);
}

static void view_detached(struct buf *out, json_t *json, int64_t now_ms)
{
	const char *interface = json_string_value(json_object_get(json, "interface"));

	(void)now_ms;
	if (interface)
		buf_printf(out, "detached from %s\n", interface);
	else
		buf_puts(out, "detached from all interfaces; nothing is pinned any more\n");
}

static int detach_one(struct ctl *ctl, const char *interface, struct err *err)
{
	_cleanup_(pinned_closep) struct kernel *k = NULL;
	int rc = kernel_open_pinned(ctl->pin_dir, &k, err);

	return rc < 0 ? rc : kernel_detach(k, interface, err);
}

int ctl_run_detach(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *interface = args->n_positional ? args->positional[0] : NULL;
	_cleanup_(json_decrefp) json_t *result = NULL;
	int rc;

	if (interface && ctl_option(args, "all")) {
		err_set(err, ERR_INVAL, "an interface and --all exclude each other");
		return CTL_USAGE;
	}
	rc = interface ? detach_one(ctl, interface, err) : kernel_detach_all(ctl->pin_dir, err);
	if (rc < 0)
		return rc;
	result = json_pack("{s:s?, s:b}", "interface", interface, "all", interface == NULL);
	return output(ctl, result, view_detached, err);
}
