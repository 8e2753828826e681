/* The policy in force until an operator gives one. A test holds it equal to the schema's defaults. */
#include "conf/policy.h"

const char policy_default_text[] = "# The built-in policy. Change it with: tollctl policy show >policy.yaml; edit;\n"
				   "# tollctl policy apply policy.yaml\n"
				   "version: 1\n"
				   "limits:\n"
				   "  global: {requests: 100000, period: 60s}\n"
				   "  tenant: {requests: 10000, period: 60s, burst: 1500}\n"
				   "  key:\n"
				   "    requests: 1000\n"
				   "    period: 60s\n"
				   "    tokens: {tokens: 100000, period: 60s}\n"
				   "  routes:\n"
				   "    chat.completions: {requests: 500, period: 60s, scope: tenant}\n";
