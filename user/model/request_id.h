/* Request ids as text: "req_" and 24 lower-case hex digits. */
#ifndef MODEL_REQUEST_ID_H
#define MODEL_REQUEST_ID_H

#include "base/err.h"
#include "model/billing.h"

#define REQUEST_ID_TEXT (4 + 2 * REQUEST_ID_BYTES + 1) /* NUL included */

/* ERR_INVAL: not exactly of that form; *ret then untouched. */
int request_id_parse(const char *s, size_t len, struct request_id *ret) MUST_CHECK;
void request_id_format(const struct request_id *id, char buf[REQUEST_ID_TEXT]);

#endif
