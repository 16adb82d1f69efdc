// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_PARAM = 1000 }; /* and above: a parameter by its number */

static const struct option common[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "plot", required_argument, NULL, 'p' },
	{ "file", required_argument, NULL, 'f' },
	{ "large", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
};

#define COMMON (sizeof(common) / sizeof(common[0]))

int sp_fail(enum sp_exit code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("spliced-plan: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

int sp_fail_errno(int err)
{
	return sp_fail(SP_EXIT_FAILED, "%s", err == -EDOM ?
		       "these rates are too far apart to be solved" : strerror(-err));
}

/* "NAME WHAT" out of "WHAT\ttext" */
static void print_param(const struct sp_param *param)
{
	const char *text = strchr(param->what, '\t');
	char left[64];

	snprintf(left, sizeof(left), "--%s %.*s", param->name, (int)(text - param->what),
		 param->what);
	printf("  %-28s", left);
	for (text++; *text; text++)
		if (*text == '\n')
			printf("\n%30s", "");
		else
			putchar(*text);
	putchar('\n');
}

static void print_help(const struct sp_param *list, const char *usage)
{
	puts(usage);
	for (const struct sp_param *p = list; p->name; p++)
		print_param(p);
	puts("  --file FILE                 lines `name = value`, names as above\n"
	     "  --json                      print JSON instead of text\n"
	     "  --plot FILE                 draw an SVG into FILE\n"
	     "  --large                     go on however long it takes\n"
	     "  --help, --version");
}

static struct option *all_options(const struct sp_param *list)
{
	size_t count = 0;
	struct option *all;

	while (list[count].name)
		count++;
	all = calloc(count + COMMON + 1, sizeof(*all));
	for (size_t i = 0; all && i < count; i++)
		all[i] = (struct option){ list[i].name, required_argument, NULL,
					  OPTION_PARAM + (int)i };
	if (all)
		memcpy(all + count, common, sizeof(common));
	return all;
}

static int take_option(int option, const struct sp_param *list, void *params, const char *usage,
		       struct sp_command_options *o)
{
	char error[SP_PLAN_ERROR_MAX];
	int err = 0;

	switch (option) {
	case 'j':
		o->is_json = 1;
		return 0;
	case 'l':
		o->is_large = 1;
		return 0;
	case 'p':
		o->plot = optarg;
		return 0;
	case 'h':
		print_help(list, usage);
		return -1;
	case 'V':
		puts("spliced-plan " SP_VERSION);
		return -1;
	case '?':
		return SP_EXIT_USAGE;
	case 'f':
		err = sp_param_read(list, params, optarg, error);
		break;
	default:
		err = sp_param_set(list, params, list[option - OPTION_PARAM].name, optarg, error);
	}
	return err ? sp_fail(SP_EXIT_USAGE, "%s", error) : 0;
}

int sp_command_parse(int argc, char **argv, const struct sp_param *list, void *params,
		     const char *usage,
		     struct sp_command_options *ret_options)
{
	struct option *options = all_options(list);
	int option, code = options ? 0 : sp_fail_errno(-ENOMEM);

	*ret_options = (struct sp_command_options){ 0 };
	while (!code && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
		code = take_option(option, list, params, usage, ret_options);
	if (!code && optind < argc)
		code = sp_fail(SP_EXIT_USAGE, "unknown argument `%s`", argv[optind]);
	free(options);
	return code;
}
