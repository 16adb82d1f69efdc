// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "node/program.h"

const struct sp_program sp_program = {
	.name = "spliced", .config_path = "/etc/spliced/spliced.yaml", .load = sp_config_load,
};
