/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rates.h - changes in a second, between two overviews. No I/O. Only for splicectl. */
#ifndef SP_CTL_RATES_H
#define SP_CTL_RATES_H

#include <jansson.h>

/**
 * struct sp_rates - per second; 0 if the daemon has restarted between
 * @lost:	packets dropped, and requests answered by spliced itself
 * @p50_us, @p99_us: of connects to backends; negative: there was none
 * @before, @now, @seconds: as given to sp_rates_take()
 */
struct sp_rates {
	double		requests, bytes, lost, p50_us, p99_us;
	const json_t	*before, *now;
	double		seconds;
};

/* @before, @now: answers to "overview"; borrowed as long as @ret_rates is in use */
void sp_rates_take(struct sp_rates *ret_rates, const json_t *before, const json_t *now,
		   unsigned int us);

/**
 * struct sp_service_rates - per second, of a service with an access log
 * @served:	requests that have ended; connections, where requests are not read
 * @bytes:	of these, both ways
 * @p50_us, @p99_us: from a request until the first byte of the response; negative: there was none
 */
struct sp_service_rates {
	double	served, bytes, p50_us, p99_us;
};

/* Return: 0; -ENOENT: no records are made of the service. */
int sp_rates_of_service(const struct sp_rates *rates, const char *name,
			struct sp_service_rates *ret_rates);

/* New connections to "POOL/BACKEND" in a second. */
double sp_rates_of_backend(const struct sp_rates *rates, const char *name);

#endif
