/* How a price came to be, as finance reads it: cost by token class, margin, price. From the API's `rule` and `steps`.
 */
#ifndef CTL_STEPS_H
#define CTL_STEPS_H

#include "ctl/view.h"

void steps_put(struct buf *out, json_t *rule, json_t *steps, int64_t now_ms);

#endif
