// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/proxy.h"

int main(int argc, char **argv)
{
	return sp_main(&sp_proxy_role, argc, argv);
}
