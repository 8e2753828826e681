#include "ctl/pinned.h"

#include "ctl/output.h"

#include <string.h>

void pinned_closep(struct kernel **k)
{
	kernel_close(*k);
}

int pinned_instead(struct ctl *ctl, int rc, struct kernel **ret, struct err *err)
{
	struct err why = {0};
	int pinned_rc;

	if (rc != ERR_CLOSED)
		return rc;
	pinned_rc = kernel_open_pinned(ctl->pin_dir, ret, &why);
	if (pinned_rc == ERR_NOT_FOUND)
		return rc; /* nothing is pinned either: that no daemon runs is the whole story */
	if (pinned_rc < 0)
		return err_set(err, pinned_rc, "tollgated doesn't answer at %s, and the maps in %s can't be used: %s",
			       ctl->socket, ctl->pin_dir, why.msg);
	output_note("tollgated doesn't answer at %s; working on the maps pinned in %s", ctl->socket, ctl->pin_dir);
	return 0;
}

const char *pinned_mode_name(enum kernel_mode mode)
{
	switch (mode) {
	case KERNEL_MODE_NONE:
		return "none";
	case KERNEL_MODE_XDP_NATIVE:
		return "xdp_native";
	case KERNEL_MODE_XDP_GENERIC:
		return "xdp_generic";
	case KERNEL_MODE_TC:
		return "tc";
	}
	return "unknown";
}

static int out_of_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}

static int append_attachment(const struct kernel_attachment *a, void *arg)
{
	return json_array_append_new(arg, json_pack("{s:s, s:s, s:s}", "interface", a->ifname, "mode",
						    pinned_mode_name(a->mode), "note", a->note))
		       ? ERR_NOMEM
		       : 0;
}

int pinned_status(struct kernel *k, json_t **ret, struct err *err)
{
	json_t *attachments = json_array();
	int rc;

	if (!attachments)
		return out_of_memory(err);
	rc = kernel_attachments(k, append_attachment, attachments, err);
	if (rc < 0) {
		json_decref(attachments);
		return rc == ERR_NOMEM ? out_of_memory(err) : rc;
	}
	*ret = json_pack("{s:i, s:b, s:o}", "generation", (int)kernel_control(k)->generation, "armed",
			 (int)kernel_control(k)->armed != 0, "attachments", attachments);
	return *ret ? 0 : out_of_memory(err);
}

static json_t *verdict_rows(const struct kernel_stats *stats)
{
	static const char *const verdicts[] = {
#define X(sym, name, text) [TG_VERDICT_##sym] = name,
		TG_VERDICTS(X)
#undef X
	};
	static const char *const reasons[] = {
#define X(sym, name, text) [TG_REASON_##sym] = name,
		TG_REASONS(X)
#undef X
	};
	json_t *rows = json_array();

	for (size_t v = 0; v < TG_VERDICT_COUNT; v++)
		for (size_t r = 0; r < TG_REASON_COUNT; r++) {
			const struct tg_stat *s = &stats->by[v][r];

			if (!s->packets)
				continue;
			json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:I, s:I}", "layer", "nic", "verdict",
							      verdicts[v], "reason", reasons[r], "packets",
							      (json_int_t)s->packets, "bytes", (json_int_t)s->bytes));
		}
	return rows;
}

static int fill_rows(struct kernel *k, json_t **ret, struct err *err)
{
	struct kernel_fill fill[32];
	size_t n = ARRAY_SIZE(fill);
	json_t *rows;
	int rc;

	rc = kernel_fill(k, fill, &n, err);
	if (rc < 0)
		return rc;
	rows = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows, json_pack("{s:s, s:I, s:I}", "map", fill[i].map, "used",
						      (json_int_t)fill[i].used, "max", (json_int_t)fill[i].max));
	*ret = rows;
	return 0;
}

int pinned_stats(struct kernel *k, json_t **ret, struct err *err)
{
	_cleanup_(freep) struct kernel_stats *stats = calloc(1, sizeof(*stats));
	json_t *fill = NULL;
	int rc;

	if (!stats)
		return out_of_memory(err);
	rc = kernel_stats(k, stats, err);
	if (rc == 0)
		rc = fill_rows(k, &fill, err);
	if (rc < 0)
		return rc;
	*ret = json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "verdicts", verdict_rows(stats), "fill", fill,
			 "events_lost", (json_int_t)stats->health.events_lost, "events_throttled",
			 (json_int_t)stats->health.events_throttled, "state_full", (json_int_t)stats->health.state_full,
			 "gcra_contended", (json_int_t)stats->health.gcra_contended, "helper_failed",
			 (json_int_t)stats->health.helper_failed);
	return *ret ? 0 : out_of_memory(err);
}
