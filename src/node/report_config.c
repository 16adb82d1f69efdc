// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_config.c - see report_config.h */
#include "node/report_config.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/checker.h"
#include "node/loader.h"
#include "node/orders.h"
#include "node/reload.h"

#define NS_PER_MS 1000000

__u64 sp_report_reload(void *ctx)
{
	struct sp_report *r = ctx;

	r->reload_ns = sp_now_ns();
	return sp_loader_start(r->loader);
}

/* Return: 0 or -errno, logged. */
static int use_config(struct sp_report *r, struct sp_config *next,
		      char error[SP_CONFIG_ERROR_MAX])
{
	int err = sp_reload(r->config_path, r->node, next, error);

	if (err)
		return err;
	sp_orders_apply(r->node);
	sp_checker_configure(r->checker);
	return 0;
}

json_t *sp_report_reloaded(struct sp_report *r, int err, const char *reason,
			   struct sp_config *next)
{
	__u64 start_ns = sp_now_ns();
	char error[SP_CONFIG_ERROR_MAX];
	int took_ms, paused_ms;

	if (err) {
		log_err("reload refused, nothing is changed: %s", reason);
		return json_pack("{s:s}", "error", reason);
	}
	if (use_config(r, next, error))
		return json_pack("{s:s}", "error", error);
	took_ms = (sp_now_ns() - r->reload_ns) / NS_PER_MS;
	paused_ms = (sp_now_ns() - start_ns) / NS_PER_MS;
	log_info("reload of %s done in %d ms", r->config_path, took_ms);
	return json_pack("{s:i, s:i}", "took_ms", took_ms, "paused_ms", paused_ms);
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
