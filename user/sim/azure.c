/* What Azure adds to OpenAI's answers. */
#include "sim/sim.h"

#define SAFE                                                                                                           \
	"{\"hate\":{\"filtered\":false,\"severity\":\"safe\"},\"self_harm\":{\"filtered\":false,\"severity\":"         \
	"\"safe\"},"                                                                                                   \
	"\"sexual\":{\"filtered\":false,\"severity\":\"safe\"},\"violence\":{\"filtered\":false,\"severity\":"         \
	"\"safe\"}}"

void sim_azure_prompt_filter(struct buf *o)
{
	SIM_PUT(o, ",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":" SAFE "}]");
}

void sim_azure_choice_filter(struct buf *o)
{
	SIM_PUT(o, ",\"content_filter_results\":" SAFE);
}
