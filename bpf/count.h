/* The one funnel: every packet's end is counted here, refusals are sampled here. */
#ifndef BPF_COUNT_H
#define BPF_COUNT_H

#include "work.h"

#define EVENT_WINDOW_NS 1000000000ull

/* May this CPU still write an event in the running second? Reads the clock at most once per tick when the budget is
 * spent, so that a flood costs nothing more. *now_ns is set when it may. */
TG_INLINE int event_budget(struct tg_health *h, __u32 per_second, __u64 *now_ns)
{
	__u64 jiffy;

	if (h->events_written >= per_second) {
		jiffy = bpf_jiffies64();
		if (jiffy == h->events_quiet)
			return 0;
		h->events_quiet = jiffy;
	}
	*now_ns = bpf_ktime_get_ns();
	if (*now_ns - h->events_window_ns >= EVENT_WINDOW_NS) {
		h->events_window_ns = *now_ns;
		h->events_written = 0;
		h->events_quiet = 0;
	}
	if (h->events_written >= per_second)
		return 0;
	h->events_written++;
	return 1;
}

/* `who`: of the request, or NULL. */
TG_INLINE void count_event(const struct pkt *p, const struct tg_policy *policy, __u32 out, const struct who *who)
{
	struct tg_health *health;
	struct tg_event *e;
	__u64 now_ns;

	if (!policy->events_per_second)
		return;
	health = health_get();
	if (!health)
		return;
	if (!event_budget(health, policy->events_per_second, &now_ns)) {
		health->events_throttled++;
		return;
	}
	e = bpf_ringbuf_reserve(&tg_events, sizeof(*e), 0);
	if (!e) {
		health->events_lost++;
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = now_ns;
	__builtin_memcpy(e->addr, p->src, sizeof(e->addr));
	e->port_be = p->src_port_be;
	e->verdict = (__u8)OUT_VERDICT(out);
	e->reason = (__u8)OUT_REASON(out);
	e->length = p->len;
	e->route = TG_ROUTE_NONE;
	if (who) {
		e->subject = who->key_subject;
		e->route = who->route;
	}
	bpf_ringbuf_submit(e, 0);
}

TG_INLINE void count_slot(__u32 subject, __u32 verdict, __u32 bytes)
{
	struct tg_slot_stat *s = bpf_map_lookup_elem(&tg_slot_stats, &subject);

	if (!s)
		return;
	if (verdict == TG_VERDICT_ANSWER) {
		s->answered++;
		s->bytes += bytes;
	} else if (verdict == TG_VERDICT_SHADOW) {
		s->shadowed++;
	} else {
		s->passed++;
	}
}

TG_INLINE void count_packet(__u32 out, __u32 bytes)
{
	__u32 index = OUT_VERDICT(out) * TG_STATS_STRIDE + OUT_REASON(out);
	struct tg_stat *s = bpf_map_lookup_elem(&tg_stats, &index);

	if (s) {
		s->packets++;
		s->bytes += bytes;
	}
}

TG_INLINE void count_end(const struct pkt *p, const struct tg_policy *policy, __u32 out)
{
	__u32 verdict = OUT_VERDICT(out);
	const struct who *who = 0;

	count_packet(out, p->len);
	if (p->request) {
		struct work *w = work_get();

		if (w && w->who.known) {
			who = &w->who;
			count_slot(TG_SUBJECT_GATEWAY, verdict, p->len);
			count_slot(who->tenant_subject, verdict, p->len);
			count_slot(who->key_subject, verdict, p->len);
		}
	}
	if (verdict == TG_VERDICT_DROP || verdict == TG_VERDICT_ANSWER || verdict == TG_VERDICT_SHADOW)
		count_event(p, policy, out, who);
}

#endif
