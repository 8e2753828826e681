/* What the tests of Gemini's wire share. Texts in their tables have ' for ", for people's eyes. */
#ifndef TESTS_GEMINI_FIXTURE_H
#define TESTS_GEMINI_FIXTURE_H

#include "dialect/gemini.h"

#include <stdlib.h>
#include <string.h>

/* malloc'ed; ' becomes ". */
static inline char *quoted(const char *text)
{
	char *copy = strdup(text ? text : "");

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static inline const char *text_of(const struct buf *b)
{
	return b->data ? b->data : "";
}

struct gemini_recording {
	const char *name, *text; /* text as it came, with ' for " */
	unsigned choices;
	/* what is to be read */
	bool complete, error;
	bool have_usage;
	struct usage usage;
	const char *held; /* where what is held back begins; NULL = nothing is */
};
extern const struct gemini_recording recorded_gemini[];
extern const size_t n_recorded_gemini;

#endif
