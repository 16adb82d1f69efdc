/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_control.c - requests of the control socket: parsed, then matched against two rows. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "control/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sp_connection_row rows[] = {
	{ .service = "www", .pool = "web", .backend = "b1", .state = "open" },
	{ .front.sport = 1, .state = "closed" }, /* without names: they are gone */
};

static void check_request(const struct sp_control_request *request)
{
	assert(request->command < SP_CONTROL_COMMAND_COUNT);
	assert(request->term_count <= SP_CONTROL_TERMS_MAX);
	assert(request->is_undo == 0 || request->is_undo == 1);
	assert(!request->is_undo || sp_control_request_changes(request));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int is_match = sp_control_request_match(request, &rows[i]);

		assert(is_match == 0 || is_match == 1);
		assert(is_match || request->term_count);
	}
}

/* The error must be short, and harmless to a terminal. */
static void check_error(const char *error)
{
	size_t len = strnlen(error, SP_CONTROL_ERROR_MAX);

	assert(len > 0 && len < SP_CONTROL_ERROR_MAX);
	for (; *error; error++)
		assert(*error >= ' ' && *error <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sp_control_request request;
	char error[SP_CONTROL_ERROR_MAX];

	if (size >= SP_CONTROL_REQUEST_MAX) /* the server reads no more, newline included */
		return 0;
	if (sp_control_request_parse((const char *)data, size, error, &request))
		check_error(error);
	else
		check_request(&request);
	return 0;
}
