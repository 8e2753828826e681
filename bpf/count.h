/* The one funnel: every packet's end is counted here, refusals are sampled here. */
#ifndef BPF_COUNT_H
#define BPF_COUNT_H

#include "work.h"

#define EVENT_WINDOW_NS 1000000000ull

/* May this CPU still write an event in the running second? Reads the clock at most once per tick when the budget is
 * spent, so that a flood costs nothing more. *now_ns is set when it may. */
TG_INLINE int event_budget(struct work *w, __u32 per_second, __u64 *now_ns)
{
	__u64 jiffy;

	if (w->events >= per_second) {
		jiffy = bpf_jiffies64();
		if (jiffy == w->event_jiffy)
			return 0;
		w->event_jiffy = jiffy;
	}
	*now_ns = bpf_ktime_get_ns();
	if (*now_ns - w->event_window_ns >= EVENT_WINDOW_NS) {
		w->event_window_ns = *now_ns;
		w->events = 0;
	}
	if (w->events >= per_second)
		return 0;
	w->events++;
	return 1;
}

TG_INLINE void count_event(const struct pkt *p, const struct tg_policy *policy, __u32 out, struct work *w)
{
	struct tg_event *e;
	__u64 now_ns;

	if (!policy->events_per_second)
		return;
	if (!event_budget(w, policy->events_per_second, &now_ns)) {
		HEALTH_COUNT(events_throttled);
		return;
	}
	e = bpf_ringbuf_reserve(&tg_events, sizeof(*e), 0);
	if (!e) {
		HEALTH_COUNT(events_lost);
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
	if (p->request && w->who.known) {
		e->subject = w->who.key_subject;
		e->route = w->who.route;
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
	struct work *w;

	count_packet(out, p->len);
	if (verdict == TG_VERDICT_PASS && !p->request)
		return;
	w = work_get();
	if (!w)
		return;
	if (p->request && w->who.known) {
		count_slot(TG_SUBJECT_GATEWAY, verdict, p->len);
		count_slot(w->who.tenant_subject, verdict, p->len);
		count_slot(w->who.key_subject, verdict, p->len);
	}
	if (verdict == TG_VERDICT_DROP || verdict == TG_VERDICT_ANSWER || verdict == TG_VERDICT_SHADOW)
		count_event(p, policy, out, w);
}

#endif
