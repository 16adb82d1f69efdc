/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe.h - runs of checks, by libcurl on the event loop. A run is a connection to a backend, up to
 * the end of the handshake, or of the response's head or body.
 */
#ifndef SP_CHECK_PROBE_H
#define SP_CHECK_PROBE_H

#include <uv.h>

#include "check/list.h"

struct sp_prober;
struct sp_probe;

/* NONE: this machine lacks ports, descriptors or memory: no word about the backend. */
enum sp_probe_outcome { SP_PROBE_PASSED, SP_PROBE_FAILED, SP_PROBE_NONE };

/* @reason: borrowed for the call. The run is over. */
typedef void (*sp_probe_done)(void *ctx, struct sp_check *check, enum sp_probe_outcome outcome,
			      unsigned int took_ms, const char *reason);

/* Return: 0 or -errno. */
int sp_prober_open(uv_loop_t *loop, sp_probe_done done, void *ctx, struct sp_prober **ret_prober);
/* Local ports of later probes; 0: the kernel's choice. */
void sp_prober_set_ports(struct sp_prober *prober, unsigned int first, unsigned int last);

/*
 * A run. @check: borrowed until its @probe is freed, which may stay for the next run. Return: 0 or
 * -ENOMEM.
 */
int sp_probe_begin(struct sp_prober *prober, struct sp_check *check);
/* NULL: 0 */
int sp_probe_is_running(const struct sp_probe *probe);
/* The probe, and the result of its run, are for @check, equal to the check so far. */
void sp_probe_move(struct sp_probe *probe, struct sp_check *check);
/* A run under way has no result. */
void sp_probe_free(struct sp_probe *probe);

#endif
