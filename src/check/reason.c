// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* reason.c - see reason.h */
#include "check/reason.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static char *format_timeout(const struct sp_check_def *def, int is_connected, char *buf)
{
	int is_whole = def->timeout_ms % 1000 == 0;

	snprintf(buf, SP_CHECK_REASON_MAX, "timeout after %u%s: %s",
		 is_whole ? def->timeout_ms / 1000 : def->timeout_ms, is_whole ? "s" : "ms",
		 is_connected ? "connected, but no complete response" :
		 "no answer to the connection");
	return buf;
}

/* As of strerror(), in the middle of a sentence. */
static char *format_os_error(int os_err, char *buf)
{
	snprintf(buf, SP_CHECK_REASON_MAX, "%s", os_err ? strerror(os_err) : "no connection");
	buf[0] = tolower(buf[0]);
	return buf;
}

/* libcurl's own introduction says less than ours. */
static const char *skip_introduction(const char *detail)
{
	static const char *const known[] = { "SSL certificate problem: ", "SSL: " };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strncmp(detail, known[i], strlen(known[i])))
			return detail + strlen(known[i]);
	return detail;
}

static char *format_detail(const char *before, const struct sp_failure *f, char *buf)
{
	const char *detail = *f->detail ? f->detail : curl_easy_strerror(f->code);

	snprintf(buf, SP_CHECK_REASON_MAX, "%s%.90s", before, skip_introduction(detail));
	return buf;
}

static char *format_text(const char *text, char *buf)
{
	snprintf(buf, SP_CHECK_REASON_MAX, "%s", text);
	return buf;
}

char *sp_reason_format(const struct sp_check_def *def, const struct sp_failure *f, char *buf)
{
	switch (f->code) {
	case CURLE_OPERATION_TIMEDOUT:
		return format_timeout(def, f->is_connected, buf);
	case CURLE_COULDNT_CONNECT:
		return format_os_error(f->os_err, buf);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return format_detail("certificate: ", f, buf);
	case CURLE_SSL_CONNECT_ERROR:
		return format_detail("TLS: ", f, buf);
	case CURLE_GOT_NOTHING:
		return format_text("closed without a response", buf);
	case CURLE_PARTIAL_FILE:
		return format_text("closed in the middle of the response", buf);
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return format_text("reset in the middle of the exchange", buf);
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return format_text("the response is not HTTP/1", buf);
	default:
		return format_detail("", f, buf);
	}
}

char *sp_reason_of_status(const struct sp_check_def *def, unsigned int status, char *buf)
{
	if (sp_check_is_expected(def->expect, status))
		snprintf(buf, SP_CHECK_REASON_MAX, "HTTP %u", status);
	else
		snprintf(buf, SP_CHECK_REASON_MAX, "HTTP %u, expected %.60s", status, def->expect);
	return buf;
}
