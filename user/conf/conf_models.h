/* Schemas of one provider and one model. Private to the room. */
#ifndef CONF_CONF_MODELS_H
#define CONF_CONF_MODELS_H

#include "conf/schema.h"

/* Models refer to providers: these are read first. */
extern const struct schema conf_provider_schema, conf_model_schema;

#endif
