/* The verdict table: every way a packet or a request can end, in one place.
 * Kernel program, daemon, metrics, tollctl and documentation all expand it. Order is ABI (statistics are
 * indexed by it): append only, and bump TG_ABI_VERSION when a row moves.
 *
 * TG_REASONS(X): X(SYMBOL, "metric_name", "text for people")
 */
#ifndef TOLLGATE_VERDICT_H
#define TOLLGATE_VERDICT_H

#include "tollgate/types.h"

/* What happened to it. */
#define TG_VERDICTS(X)                                                  \
	X(PASS, "pass", "handed on")                                    \
	X(DROP, "drop", "dropped without an answer")                    \
	X(ANSWER, "answer", "refused with an HTTP answer")              \
	X(ABSORB, "absorb", "consumed while closing a refused flow")    \
	X(SHADOW, "shadow", "would have been refused (shadow mode)")

/* Why. */
#define TG_REASONS(X)                                                                   \
	X(NONE, "none", "nothing to object to")                                         \
	X(NOT_IP, "not_ip", "neither IPv4 nor IPv6 (ARP, LLDP and the like)")           \
	X(ICMP, "icmp", "ICMP or ICMPv6: needed for path MTU and neighbour discovery")  \
	X(ALLOW_LIST, "allow_list", "source is on the allow list")                      \
	X(BLOCK_LIST, "block_list", "source is on the block list")                      \
	X(OTHER_PORT, "other_port", "not addressed to a guarded port")                  \
	X(FRAGMENT, "fragment", "a later fragment: no ports to look at")                \
	X(MALFORMED, "malformed", "headers contradict each other or the length")        \
	X(PACKETS_SOURCE, "packets_source", "packet limit of the source address")       \
	X(PACKETS_AGGREGATE, "packets_aggregate", "packet limit of the source network") \
	X(PACKETS_ALL, "packets_all", "packet limit of the gateway")                    \
	X(BYTES_SOURCE, "bytes_source", "byte limit of the source address")             \
	X(BYTES_AGGREGATE, "bytes_aggregate", "byte limit of the source network")       \
	X(BYTES_ALL, "bytes_all", "byte limit of the gateway")                          \
	X(CONNS_SOURCE, "connections_source", "new-connection limit of the source address")       \
	X(CONNS_AGGREGATE, "connections_aggregate", "new-connection limit of the source network") \
	X(CONNS_ALL, "connections_all", "new-connection limit of the gateway")          \
	X(STATE_FULL, "state_full", "a state map is full; the policy's map_full decides") \
	X(NO_REQUEST, "no_request", "TCP without the start of an HTTP request")         \
	X(HEAD_INCOMPLETE, "head_incomplete", "request head doesn't end in this segment") \
	X(HEAD_AMBIGUOUS, "head_ambiguous", "request head only the daemon may judge")   \
	X(NO_KEY, "no_key", "no API key in the request head")                           \
	X(UNKNOWN_KEY, "unknown_key", "API key not known to the kernel (yet)")          \
	X(UNKNOWN_ROUTE, "unknown_route", "not a served API method")                    \
	X(CONN_BUSY, "connection_busy", "connection has an exchange under way")         \
	X(GLOBAL_REQUESTS, "global_requests", "request limit of the whole gateway")     \
	X(TENANT_REQUESTS, "tenant_requests", "request limit of the tenant")            \
	X(KEY_REQUESTS, "key_requests", "request limit of the API key")                 \
	X(KEY_TOKENS, "key_tokens", "token limit of the API key")                       \
	X(ROUTE_REQUESTS, "route_requests", "request limit of the route")               \
	X(KEY_DISABLED, "key_disabled", "API key is disabled")                          \
	X(KEY_BLOCKED, "key_blocked", "API key is blocked")                             \
	X(TENANT_DISABLED, "tenant_disabled", "tenant is disabled")                     \
	X(FLOW_RETRANSMIT, "flow_retransmit", "refused request seen again: same answer again") \
	X(FLOW_CLOSE, "flow_close", "closing a refused flow")                           \
	X(TOO_LARGE, "too_large", "request could never fit its token limit")            \
	X(INTERNAL, "internal", "a helper failed; passed to the daemon")                \
	X(CIRCUIT_OPEN, "circuit_open", "every deployment behind the route has its circuit open")   \
	X(BULKHEAD_FULL, "bulkhead_full", "too many calls of the tenant or the deployment under way")

enum tg_verdict {
#define X(sym, name, text) TG_VERDICT_##sym,
	TG_VERDICTS(X)
#undef X
	TG_VERDICT_COUNT,
};

enum tg_reason {
#define X(sym, name, text) TG_REASON_##sym,
	TG_REASONS(X)
#undef X
	TG_REASON_COUNT,
};

#endif
