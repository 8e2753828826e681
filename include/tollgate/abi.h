/* The kernel/user contract: map names, keys, values. Types and constants only.
 *
 * Invariants (tests cite them):
 *  A1  Every struct here has the same size and offsets for the BPF target and the host (asserted below).
 *  A2  A packet reads tg_control.generation once and uses only bank `generation & 1` and list entries valid
 *      in that generation: no packet is judged by a mixture of two policies.
 *  A3  User space writes a bank only while no packet can still read it: after flipping the generation it
 *      waits for an RCU grace period (membarrier) before the next apply may touch the old bank.
 *  A4  Rules (tg_rates) and state (tg_buckets, tg_slot_stats) never share a value: a policy swap can't refill,
 *      empty or overwrite a bucket or a counter.
 *  A5  A slot's number belongs to one tenant or key for its life; tg_subject.incarnation changes when the
 *      slot is given to another, so a stale tg_keys entry can't speak for the new owner.
 *  A6  Whoever changes an entry of a list map adds one to tg_control.list_epoch afterwards: the program remembers what
 *      the lists said of a source until it, or the generation, moves.
 */
#ifndef TOLLGATE_ABI_H
#define TOLLGATE_ABI_H

#include "tollgate/types.h"
#include "tollgate/verdict.h"

/* Bump whenever a key, value, size or meaning below changes. Pinned maps of another version are migrated or
 * refused with a message, never reinterpreted. A map that is added, and means nothing while all zero, is no change: the
 * next start makes and pins what is missing, and programs from before know nothing of it. */
#define TG_ABI_VERSION 2u
#define TG_ABI_MAGIC 0x746f6c6cu /* "toll" */

/* ---- subjects: whoever owns buckets -------------------------------------------------------------- */

/* Subject 0 is the gateway itself; tenants and keys get slots from the store. */
#define TG_SUBJECT_GATEWAY 0u
#define TG_SUBJECTS_MAX 65536u

/* Dimensions of one subject's bucket block. Route r of this subject's scope sits at TG_DIM_ROUTE0 + r. */
enum tg_dim {
	TG_DIM_REQUESTS = 0,
	TG_DIM_TOKENS = 1,
	TG_DIM_ROUTE0 = 2,
	TG_DIM_COUNT = 16,
};

/* Served API methods. Order is ABI. X(SYMBOL, "name") */
#define TG_ROUTES(X)                             \
	X(CHAT_COMPLETIONS, "chat.completions")  \
	X(EMBEDDINGS, "embeddings")              \
	X(MODELS, "models")                      \
	X(RESPONSES, "responses")                \
	X(MESSAGES, "messages")                  \
	X(GENERATE_CONTENT, "generate_content")  \
	X(BATCH, "batch.chat.completions")

enum tg_route {
#define X(sym, name) TG_ROUTE_##sym,
	TG_ROUTES(X)
#undef X
	TG_ROUTE_COUNT,
	TG_ROUTE_NONE = 255,
};

/* Wire dialects (whose error shape an answer has). */
enum tg_dialect {
	TG_DIALECT_OPENAI = 0,
	TG_DIALECT_ANTHROPIC = 1,
	TG_DIALECT_GEMINI = 2,
	TG_DIALECT_AZURE = 3,
	TG_DIALECT_COUNT = 4,
};

/* One GCRA rule. Costs are units * emission_q16 >> 16 nanoseconds, rounded up (gcra.h). */
#define TG_RATE_SHADOW 1u
struct tg_rate {
	__u64 emission_q16; /* ns per unit, 16 fractional bits; 0 = no limit */
	__u64 burst_ns;     /* admit iff max(tat, now) + cost - now <= burst_ns */
	__u32 limit;        /* units per period, for headers and display */
	__u32 flags;        /* TG_RATE_* */
};

/* State: theoretical arrival times, CLOCK_MONOTONIC ns. One block per subject, mmaped by the daemon. */
struct tg_bucket_block {
	__u64 tat_ns[TG_DIM_COUNT];
};

/* Rules of one subject. tg_rates has 2 * TG_SUBJECTS_MAX entries: index = subject + bank * TG_SUBJECTS_MAX. */
struct tg_rate_block {
	struct tg_rate rate[TG_DIM_COUNT];
};

/* State of one route, by enum tg_route. While every deployment that could serve it has its circuit open, requests are
 * answered 503 at the NIC until the first of them may be probed: the word is a time, so that probes get through also
 * when no daemon clears it. */
struct tg_route_state {
	__u64 open_until_ns; /* CLOCK_MONOTONIC; 0 = usable */
};

#define TG_SUBJECT_DISABLED 1u
#define TG_SUBJECT_BLOCKED 2u
struct tg_subject {
	__u32 flags;       /* TG_SUBJECT_*; effective at once, not bound to a generation */
	__u32 incarnation; /* A5 */
};

/* Learned by the daemon at a key's first authenticated request. Map key: SipHash-1-3 of the key's text under
 * the secret of tg_control. */
struct tg_key_entry {
	__u32 key_subject;
	__u32 tenant_subject;
	__u32 key_incarnation;
	__u32 tenant_incarnation;
};

/* ---- network buckets ------------------------------------------------------------------------------ */

enum tg_net_dim {
	TG_NET_PACKETS = 0,
	TG_NET_BYTES = 1,
	TG_NET_CONNS = 2,
	TG_NET_DIM_COUNT = 3,
};

enum tg_net_scope {
	TG_NET_SOURCE = 0,    /* one address */
	TG_NET_AGGREGATE = 1, /* /24 of IPv4, /64 of IPv6 */
	TG_NET_ALL = 2,
	TG_NET_SCOPE_COUNT = 3,
};

/* Key of tg_net_state (LRU: sources are not configured, they come and go). IPv4 sits in addr[3] with
 * addr[0..1] = 0 and addr[2] = htonl(0xffff). */
struct tg_net_key {
	__u32 addr[4]; /* network order, masked when scope is TG_NET_AGGREGATE */
	__u32 scope;   /* enum tg_net_scope */
};

struct tg_net_value {
	__u64 tat_ns[TG_NET_DIM_COUNT];
};

/* ---- lists ------------------------------------------------------------------------------------------ */

#define TG_LIST_NEVER (~0ull) /* expires_ns of an entry without TTL */

enum tg_list_source {
	TG_LIST_OPERATOR = 0,
	TG_LIST_RISK = 1,
	TG_LIST_PENALTY = 2,
	TG_LIST_POLICY = 3,
	TG_LIST_SOURCE_COUNT = 4,
};

/* One address or prefix can be listed by the policy (bound to generations) and by an operator, risk or
 * penalty decision (effective at once, with TTL): the two halves are independent.
 * Active iff (gen_from <= generation < gen_to) or expires_ns > now. */
struct tg_list_value {
	__u64 expires_ns; /* dynamic half: CLOCK_MONOTONIC ns; 0 = none, TG_LIST_NEVER = no TTL */
	__u32 gen_from;   /* policy half; gen_from == gen_to = none */
	__u32 gen_to;
	__u16 reason;     /* index into the daemon's table of reason texts; 0 = none given */
	__u8 source;      /* enum tg_list_source of the dynamic half */
	__u8 prefix_len;  /* of this very entry, so that an inactive LPM hit can be retried one bit shorter */
	__u32 reserved;
};

struct tg_lpm4 {
	__u32 prefix_len;
	__u32 addr; /* network order */
};

struct tg_lpm6 {
	__u32 prefix_len;
	__u32 addr[4];
};

/* ---- per-generation policy words --------------------------------------------------------------------- */

#define TG_PORTS_MAX 16u

#define TG_POLICY_SHADOW 1u         /* everything counts, nothing is refused */
#define TG_POLICY_MAP_FULL_CLOSED 2u /* a full state map drops instead of passing */
#define TG_POLICY_SCOPE_ALL 4u      /* network buckets count every IP packet, not just guarded ports */
#define TG_POLICY_ANSWER 8u         /* answer over-limit requests at the NIC; else pass them on */
#define TG_POLICY_ANSWER_OPEN 16u   /* also on established connections the daemon has marked idle */

/* Which subject owns a route's bucket. */
enum tg_route_scope {
	TG_ROUTE_SCOPE_NONE = 0,
	TG_ROUTE_SCOPE_GATEWAY = 1,
	TG_ROUTE_SCOPE_TENANT = 2,
	TG_ROUTE_SCOPE_KEY = 3,
};

struct tg_policy {
	__u32 flags;             /* TG_POLICY_* */
	__u32 events_per_second; /* budget of sampled refusals, per CPU */
	struct tg_rate net[TG_NET_SCOPE_COUNT][TG_NET_DIM_COUNT];
	__u8 route_scope[TG_DIM_COUNT]; /* enum tg_route_scope by enum tg_route */
};

/* ---- control word ------------------------------------------------------------------------------------- */

/* Written by user space only, mmaped. */
struct tg_control {
	__u32 magic;
	__u32 abi_version;
	__u32 generation;   /* A2 */
	__u32 armed;        /* 0: every packet passes uncounted (detach in progress, maintenance) */
	__u64 sip_key[2];   /* secret of tg_keys, random per boot */
	__u32 have_allow;   /* number of allow-list entries (v4 + v6); 0 lets the program skip the look-up */
	__u32 have_block_net; /* likewise: block-list prefixes */
	__u16 port_be[TG_PORTS_MAX];       /* guarded plaintext ports, network order, 0 ends */
	__u16 tls_port_be[TG_PORTS_MAX];   /* guarded TLS ports: buckets and lists, no HTTP scan */
	__u32 list_epoch;   /* A6 */
	__u32 have_block;   /* number of exact block-list entries (v4 + v6) */
	__u64 boot_id_hash; /* tells a stale pin from a live one after kexec-like surprises */
};

/* ---- answers at the NIC ---------------------------------------------------------------------------------- */

/* Prepared by the daemon, one per dialect and reason; digits are filled in by the kernel. Every *_off is an
 * even offset into text (so that a field's checksum can be added to csum), 0 = field absent. Fields are
 * fixed-width, filled with spaces in the template; padding stays legal there (header values). */
#define TG_ANSWER_TEXT_MAX 960u
#define TG_ANSWER_DIGITS 6u      /* retry-after: seconds, left-aligned, space-padded */
#define TG_ANSWER_MS_DIGITS 10u  /* retry-after-ms */
#define TG_ANSWER_LIMIT_DIGITS 10u
#define TG_ANSWER_ID_DIGITS 16u  /* request id: lower-case hex */
struct tg_answer {
	__u16 len;          /* bytes of text; even, 0 = no template: pass instead */
	__u16 status;       /* HTTP status, for events */
	__u16 retry_off;    /* TG_ANSWER_DIGITS bytes */
	__u16 retry_ms_off; /* TG_ANSWER_MS_DIGITS bytes */
	__u16 limit_off;    /* TG_ANSWER_LIMIT_DIGITS bytes */
	__u16 id_off;       /* TG_ANSWER_ID_DIGITS bytes */
	__u32 csum;         /* one's complement sum of text with all fields zeroed, not folded, not inverted */
	char text[TG_ANSWER_TEXT_MAX];
};
/* Index into tg_answers. */
#define TG_ANSWERS_MAX 256u
TG_INLINE __u32 tg_answer_index(__u32 dialect, __u32 reason)
{
	return dialect * 64u + reason;
}

/* A refused flow. Keyed by client and server address and port. */
struct tg_flow_key {
	__u32 client[4]; /* network order, IPv4 as in tg_net_key */
	__u32 server[4];
	__u16 client_port_be;
	__u16 server_port_be;
	__u32 ifindex;
};

/* ---- statistics ----------------------------------------------------------------------------------------------- */

/* tg_stats: per-CPU array, index = verdict * TG_STATS_STRIDE + reason. */
#define TG_STATS_STRIDE 64u
struct tg_stat {
	__u64 packets;
	__u64 bytes;
};

/* tg_slot_stats: per-CPU array by subject. */
struct tg_slot_stat {
	__u64 answered;  /* refused at the NIC */
	__u64 shadowed;  /* would have been */
	__u64 passed;    /* requests handed to the daemon */
	__u64 bytes;     /* of refused packets */
};

/* tg_health: per-CPU array of one. */
struct tg_health {
	__u64 events_lost;      /* ring buffer full */
	__u64 events_throttled; /* over the budget */
	__u64 state_full;       /* insertion into tg_net_state or tg_flows failed */
	__u64 gcra_contended;   /* compare-and-swap gave up: judged as over the limit */
	__u64 helper_failed;
	/* Private to the program: the budget of events. */
	__u64 events_window_ns; /* begin of the running second */
	__u64 events_quiet;     /* jiffy in which the budget was found spent: nothing more to be asked in it */
	__u64 events_written;   /* in the running second */
};

/* Record in the tg_events ring buffer. */
struct tg_event {
	__u64 time_ns;
	__u32 addr[4]; /* source, as in tg_net_key */
	__u16 port_be; /* source port */
	__u8 verdict;
	__u8 reason;
	__u32 subject; /* key's subject when known, else 0 */
	__u32 length;  /* packet bytes */
	__u8 route;
	__u8 reserved[7];
};

/* tg_idle: mmaped array of cookies. tg_idle[cookie & (TG_IDLE_MAX - 1)] == cookie <=> the daemon says this
 * connection is between two requests. */
#define TG_IDLE_MAX 65536u

_Static_assert(sizeof(struct tg_rate) == 24, "A1");
_Static_assert(sizeof(struct tg_bucket_block) == 128, "A1");
_Static_assert(sizeof(struct tg_rate_block) == 384, "A1");
_Static_assert(sizeof(struct tg_subject) == 8, "A1");
_Static_assert(sizeof(struct tg_key_entry) == 16, "A1");
_Static_assert(sizeof(struct tg_net_key) == 20, "A1");
_Static_assert(sizeof(struct tg_net_value) == 24, "A1");
_Static_assert(sizeof(struct tg_list_value) == 24, "A1");
_Static_assert(sizeof(struct tg_policy) == 240, "A1");
_Static_assert(sizeof(struct tg_answer) == 16 + TG_ANSWER_TEXT_MAX, "A1");
_Static_assert(sizeof(struct tg_flow_key) == 40, "A1");
_Static_assert(sizeof(struct tg_event) == 48, "A1");
_Static_assert((int)TG_ROUTE_COUNT <= (int)TG_DIM_COUNT - (int)TG_DIM_ROUTE0, "routes fit the block");
_Static_assert((int)TG_REASON_COUNT <= (int)TG_STATS_STRIDE, "reasons fit the stride");

/* ---- names -------------------------------------------------------------------------------------------------------
 * Map              type                       key                 value
 * tg_control       ARRAY, mmap, 1             u32                 struct tg_control
 * tg_policy        ARRAY, 2                   u32 (bank)          struct tg_policy
 * tg_buckets       ARRAY, mmap                u32 (subject)       struct tg_bucket_block
 * tg_rates         ARRAY, mmap                u32 (bank, subject) struct tg_rate_block
 * tg_subjects      ARRAY, mmap                u32 (subject)       struct tg_subject
 * tg_routes        ARRAY, mmap                u32 (route)         struct tg_route_state [TG_DIM_COUNT]
 * tg_keys          HASH                       u64                 struct tg_key_entry
 * tg_net_state     LRU_HASH                   struct tg_net_key   struct tg_net_value
 * tg_net_all       ARRAY, 1                   u32                 struct tg_net_value
 * tg_block4/6      HASH                       u32 / u32[4]        struct tg_list_value
 * tg_block_net4/6  LPM_TRIE                   struct tg_lpm4/6    struct tg_list_value
 * tg_allow_net4/6  LPM_TRIE                   struct tg_lpm4/6    struct tg_list_value
 * tg_answers       ARRAY                      u32                 struct tg_answer
 * tg_flows         HASH or LRU_HASH           struct tg_flow_key  private to bpf/
 * tg_stats         PERCPU_ARRAY               u32                 struct tg_stat
 * tg_slot_stats    PERCPU_ARRAY               u32 (subject)       struct tg_slot_stat
 * tg_health        PERCPU_ARRAY, 1            u32                 struct tg_health
 * tg_events        RINGBUF                    -                   struct tg_event
 * tg_idle          ARRAY, mmap                u32                 u64
 * Programs: tg_xdp (section "xdp"), tg_tc_ingress (section "tc").
 * Pins: PIN_DIR/maps/NAME, PIN_DIR/links/IFNAME-{xdp,tc}. */
#endif
