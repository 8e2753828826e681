/* GET /_sim/stats: the sums of all threads. */
#include "sim/sim.h"

#define STATS(X)                                                                                                       \
	X(requests)                                                                                                    \
	X(chat)                                                                                                        \
	X(streams)                                                                                                     \
	X(embeddings)                                                                                                  \
	X(models)                                                                                                      \
	X(cancelled)                                                                                                   \
	X(cancelled_streams)                                                                                           \
	X(connections)                                                                                                 \
	X(connections_open)                                                                                            \
	X(tls_handshakes)                                                                                              \
	X(bytes_in)                                                                                                    \
	X(bytes_out)                                                                                                   \
	X(reports)                                                                                                     \
	X(input_tokens)                                                                                                \
	X(cached_input_tokens)                                                                                         \
	X(output_tokens)

void sim_stats_render(const struct sim_worker *w, struct buf *o)
{
	char sep = '{';

#define X(name)                                                                                                        \
	{                                                                                                              \
		uint64_t sum = 0;                                                                                      \
		for (unsigned i = 0; i < w->config->threads; i++)                                                      \
			sum += atomic_load_explicit(&w->all[i].stats.name, memory_order_relaxed);                      \
		buf_printf(o, "%c\"" #name "\":%llu", sep, (unsigned long long)sum);                                   \
		sep = ',';                                                                                             \
	}
	STATS(X)
#undef X
	buf_puts(o, "}\n");
}
