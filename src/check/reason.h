/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* reason.h - why a check failed, in words that a person can act on. No I/O. */
#ifndef SP_CHECK_REASON_H
#define SP_CHECK_REASON_H

#include <curl/curl.h>

#include "check/record.h"

/**
 * struct sp_failure - what libcurl knows of a failed run
 * @os_err:	errno of connect(), or 0
 * @is_connected: the handshake of TCP was complete
 * @detail:	text of libcurl, or empty
 */
struct sp_failure {
	CURLcode	code;
	int		os_err;
	int		is_connected;
	const char	*detail;
};

/* Into @buf of SP_CHECK_REASON_MAX bytes; returns @buf. */
char *sp_reason_format(const struct sp_check_def *def, const struct sp_failure *failure, char *buf);
char *sp_reason_of_status(const struct sp_check_def *def, unsigned int status, char *buf);

#endif
