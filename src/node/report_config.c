// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_config.c - see report_config.h */
#include "node/report_config.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/checker.h"
#include "node/orders.h"
#include "node/reload.h"

#define NS_PER_MS 1000000

int sp_report_reload(struct sp_report *r, char error[SP_CONFIG_ERROR_MAX])
{
	__u64 start_ns = sp_now_ns();
	int err = sp_reload(r->config_path, r->node, error), took_ms;

	if (err)
		return err;
	sp_orders_apply(r->node);
	sp_checker_configure(r->checker);
	took_ms = (sp_now_ns() - start_ns) / NS_PER_MS;
	log_info("reload of %s done in %d ms", r->config_path, took_ms);
	return took_ms;
}

json_t *sp_report_reloaded(void *ctx)
{
	char error[SP_CONFIG_ERROR_MAX];
	int took_ms = sp_report_reload(ctx, error);

	if (took_ms < 0)
		return json_pack("{s:s}", "error", error);
	return json_pack("{s:i}", "took_ms", took_ms);
}

/* NULL: out of memory */
static json_t *print_config(const struct sp_config *config)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	json_t *json;

	if (!out)
		return NULL;
	sp_config_print(config, out);
	json = fclose(out) ? NULL : json_stringn(text, len);
	free(text);
	return json;
}

json_t *sp_report_config(void *ctx, const char *file)
{
	const struct sp_report *r = ctx;
	char error[SP_CONFIG_ERROR_MAX];
	struct sp_config *next;
	json_t *json;

	if (!file)
		return json_pack("{s:s, s:o}", "file", r->config_path, "config",
				 print_config(r->node->config));
	if (r->node->role->load(file, error, &next))
		return json_pack("{s:s}", "error", error);
	json = json_pack("{s:s, s:o, s:o, s:s?}", "file", file, "config",
			 print_config(r->node->config), "next", print_config(next),
			 "needs_start", sp_reload_needs_start(r->node, next));
	sp_config_put(next);
	return json;
}
