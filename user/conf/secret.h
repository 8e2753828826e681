/* Secrets of the configuration: never written in it, only where to find them. Private to the room. */
#ifndef CONF_SECRET_H
#define CONF_SECRET_H

#include "conf/schema.h"

/* "env:NAME" or "file:PATH" -> the secret, in the reader's arena. False after an error, which never holds the
 * value (T3), nor what was given instead of a reference. */
bool secret_resolve(struct reader *rd, const struct node *n, char **ret);

#endif
