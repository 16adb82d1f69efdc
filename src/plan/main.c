// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* main.c - spliced-plan(1): how many machines, and what they are worth. */
#include <gsl/gsl_errno.h>
#include <string.h>

#include "command.h"

int main(int argc, char **argv)
{
	gsl_set_error_handler_off();
	if (argc > 1 && !strcmp(argv[1], "model"))
		return sp_command_model(argc - 1, argv + 1);
	return sp_command_cluster(argc, argv);
}
