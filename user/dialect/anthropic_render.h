/* Anthropic messages: between anthropic_render.c and anthropic_turns.c. */
#ifndef DIALECT_ANTHROPIC_RENDER_H
#define DIALECT_ANTHROPIC_RENDER_H

#include "dialect/anthropic.h"

/* ,"system":...,"messages":[...] */
int anthropic_put_conversation(const struct chat *c, struct buf *out, struct dialect_fault *fault) MUST_CHECK;

#endif
