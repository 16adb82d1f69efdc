/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fuzz_config.c - any bytes as a configuration: refused with one line, or printed in a form that
 * loads as an equal configuration.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) do {			\
	if (!(condition))			\
		abort();			\
} while (0)

static char *printed(const struct sp_config *config, size_t *ret_size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_size);

	must(out);
	sp_config_print(config, out);
	fclose(out);
	return text;
}

/* An error is a position and a sentence, on one line. */
static void check_error(int err, const char *error)
{
	size_t line = 0, column = 0;

	must(err == -EINVAL);
	must(sscanf(error, "fuzz:%zu:%zu: ", &line, &column) == 2 && line > 0 && column > 0);
	must(strlen(error) < SP_CONFIG_ERROR_MAX && !strpbrk(error, "\r\n"));
}

static void check_round_trip(const struct sp_config *config)
{
	char error[SP_CONFIG_ERROR_MAX] = "", *first, *second;
	struct sp_config *again = NULL;
	size_t first_size, second_size;

	first = printed(config, &first_size);
	must(!sp_config_load_bytes("fuzz", first, first_size, error, &again));
	second = printed(again, &second_size);
	must(!strcmp(first, second));
	free(first);
	free(second);
	sp_config_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;
	int err;

	err = sp_config_load_bytes("fuzz", data, size, error, &config);
	if (err)
		check_error(err, error);
	else
		check_round_trip(config);
	sp_config_free(config);
	return 0;
}
