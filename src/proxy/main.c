// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "proxy/proxy.h"
#include "setup/setup.h"

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--init"))
		return sp_setup_main(argc, argv);
	return sp_main(&sp_proxy_role, argc, argv);
}
