/* The models that were asked for. Bounded: calls of further ones are served and not counted by model. */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include "sim/sim.h"

#define SIM_MODELS_MAX 256

struct sim_table;
struct sim_model;

struct sim_table *sim_table_new(void);
void sim_table_free(struct sim_table *t);
/* Names are raw JSON string content. NULL: none of that name; no room for one. Models stay where they are. */
struct sim_model *sim_table_find(struct sim_table *t, const char *name);
struct sim_model *sim_table_get(struct sim_table *t, const char *name);
/* {"MODEL":{...},...} */
void sim_table_stats(const struct sim_table *t, struct buf *o);
void sim_table_scripts_clear(struct sim_table *t);

/* A request came: counted and kept as the last one. */
void sim_model_request(struct sim_model *m, const char *head, size_t head_len, const char *body, size_t len);
/* A call is under way, is over. */
void sim_model_begin(struct sim_model *m);
void sim_model_end(struct sim_model *m);
/* False: there was no request yet. */
bool sim_model_last(struct sim_model *m, struct buf *o);

/* Steps "NAME[*TIMES]" between blanks, NAME a scenario's with or without "sim-". ERR_INVAL, ERR_RANGE, ERR_NOMEM: the
 * old script stays. */
int sim_model_script_set(struct sim_model *m, const char *text, size_t len, struct err *err) MUST_CHECK;
void sim_model_script_clear(struct sim_model *m);
uint64_t sim_model_script_left(const struct sim_model *m);
/* The scenario that the next request meets; false: the script is over. */
bool sim_model_script_next(struct sim_model *m, char *ret, size_t size);

#endif
