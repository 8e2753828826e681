/* A gateway in memory mode with one worker's slot: for suites' .init and .fini. */
#ifndef TEST_GATEWAY_FIXTURE_H
#define TEST_GATEWAY_FIXTURE_H

#include "gateway/state.h"

extern struct kernel *k;
extern struct metrics *metrics;
extern struct gateway *gw;

void fixture_setup(void);
void fixture_teardown(void);
/* A policy's text behind its first line, put in force. */
int fixture_policy(const char *rest);

#endif
