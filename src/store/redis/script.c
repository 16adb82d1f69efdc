// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* script.c - texts of the scripts, from scripts/, and commands in the protocol of the servers */
#include "store/redis/script.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const texts[SP_SCRIPT_COUNT] = {
#include "store/redis/scripts/scripts.inc"
};

const char *sp_script_text(enum sp_script script)
{
	return texts[script];
}

static void put_bytes(struct sp_cmd *cmd, const void *bytes, size_t len)
{
	assert(len <= sizeof(cmd->bytes) - cmd->len);
	memcpy(cmd->bytes + cmd->len, bytes, len);
	cmd->len += len;
}

static void put_count(struct sp_cmd *cmd, char kind, size_t count)
{
	char text[24];

	put_bytes(cmd, text, snprintf(text, sizeof(text), "%c%zu\r\n", kind, count));
}

void sp_cmd_begin(struct sp_cmd *cmd, unsigned int args)
{
	cmd->len = 0;
	put_count(cmd, '*', args);
}

void sp_cmd_arg(struct sp_cmd *cmd, const void *bytes, size_t len)
{
	put_count(cmd, '$', len);
	put_bytes(cmd, bytes, len);
	put_bytes(cmd, "\r\n", 2);
}

void sp_cmd_text(struct sp_cmd *cmd, const char *text)
{
	sp_cmd_arg(cmd, text, strlen(text));
}

void sp_cmd_number(struct sp_cmd *cmd, __u64 number)
{
	char text[24];

	sp_cmd_arg(cmd, text, snprintf(text, sizeof(text), "%llu", number));
}
