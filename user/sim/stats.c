/* GET /_sim/stats: the sums of all threads. */
#include "sim/table.h"

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

#define SUM(field)                                                                                                     \
	({                                                                                                             \
		uint64_t sum_ = 0;                                                                                     \
		for (unsigned i_ = 0; i_ < w->config->threads; i_++)                                                   \
			sum_ += atomic_load_explicit(&w->all[i_].stats.field, memory_order_relaxed);                   \
		(unsigned long long)sum_;                                                                              \
	})

static void dialect_render(const struct sim_worker *w, unsigned d, struct buf *o)
{
	static const char *const names[TG_DIALECT_COUNT] = {"openai", "anthropic", "gemini", "azure"};

	buf_printf(o, "%s\"%s\":{\"calls\":%llu,\"streams\":%llu,\"refused\":%llu}", d ? "," : ",\"by_dialect\":{",
		   names[d], SUM(by_dialect[d]), SUM(streams_by_dialect[d]), SUM(refused_by_dialect[d]));
}

void sim_stats_render(const struct sim_worker *w, struct buf *o)
{
	char sep = '{';

#define X(name)                                                                                                        \
	buf_printf(o, "%c\"" #name "\":%llu", sep, SUM(name));                                                         \
	sep = ',';
	STATS(X)
#undef X
	for (unsigned d = 0; d < TG_DIALECT_COUNT; d++)
		dialect_render(w, d, o);
	buf_puts(o, "},\"by_model\":");
	sim_table_stats(w->table, o);
	buf_puts(o, "}\n");
}
