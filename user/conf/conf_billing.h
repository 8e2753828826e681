/* Schema of `billing`. Private to the room. */
#ifndef CONF_BILLING_H
#define CONF_BILLING_H

#include "conf/conf.h"
#include "conf/schema.h"

extern const struct schema conf_billing_schema;

/* What concerns other sections too; the defaults are set. */
void conf_billing_check(struct reader *rd, const struct conf *c, const struct node *root);

#endif
