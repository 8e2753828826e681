/* What libbpf says goes into messages, not to standard error. */
#ifndef KERNEL_TRACE_H
#define KERNEL_TRACE_H

/* Forget what was said on this thread, and listen. */
void trace_start(void);
/* The end of what libbpf and the verifier have said since; "" when nothing. Valid until trace_start. */
const char *trace_tail(void);

#endif
