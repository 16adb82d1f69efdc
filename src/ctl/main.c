/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* main.c - splicectl(1): sends a request to a running daemon and prints the answer. */
#include "ctl/command.h"

int main(int argc, char **argv)
{
	struct sp_options options;
	char **words;
	int code = sp_options_parse(argc, argv, &options, &words);

	return code >= 0 ? code : sp_command_run(words, &options);
}
