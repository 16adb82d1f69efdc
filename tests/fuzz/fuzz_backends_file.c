// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_backends_file.c - any bytes as a file of backends: refused with one line, or a list without
 * twins.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "config/doc.h"

static struct sp_addr sources[2] = { { .w = { 0, 0, SP_V4_MAPPED, 1 } }, { .w = { 1 } } };
static struct sp_pool_conf pool = { .name = "web" };
static const struct sp_config config = { .snat_count = 2, .snat_addrs = sources };

static void check_error(const char *error)
{
	size_t line = 0, column = 0;

	PROMISE(sscanf(error, "fuzz:%zu:%zu: ", &line, &column) == 2 && line > 0 && column > 0);
	PROMISE(strlen(error) < SP_CONFIG_ERROR_MAX && !strpbrk(error, "\r\n"));
}

static void check_list(const struct sp_backend_list *list)
{
	PROMISE(list->count <= SP_CONFIG_BACKENDS_MAX);
	for (size_t i = 0; i < list->count && i < 64; i++) {
		PROMISE(list->all[i].name[0] && list->all[i].weight <= SP_WEIGHT_MAX);
		for (size_t k = 0; k < i; k++)
			PROMISE(sp_endpoint_compare(&list->all[i].at, &list->all[k].at));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_backend_list *list = NULL;
	int err = sp_backend_list_load("fuzz", data, size, &config, &pool, error, &list);

	if (err)
		check_error(error);
	else
		check_list(list);
	sp_backend_list_free(list);
	return 0;
}
