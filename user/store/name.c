/* Names that operators choose. */
#include "store/internal.h"

#include <string.h>

/* They're shown in tables and logs, where a control character could forge a line. */
int name_check(const char *what, const char *name, size_t size, struct err *err)
{
	size_t len = name ? strlen(name) : 0;

	if (!len || len >= size)
		return err_set(err, ERR_INVAL, "%s has %zu bytes; 1 to %zu are right", what, len, size - 1);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return err_set(err, ERR_INVAL, "%s has a control character at byte %zu; use printable text",
				       what, i + 1);
	return 0;
}
