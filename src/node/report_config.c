// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_config.c - see report_config.h */
#include "node/report_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/output.h"
#include "node/checker.h"
#include "node/loader.h"
#include "node/orders.h"
#include "node/reload.h"
#include "node/worker.h"

#define NS_PER_MS 1000000
#define PRINTS_MAX SP_CONTROL_CLIENTS_MAX	/* their clients may be gone */

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

/* ---- a configuration, and what a file would change ---- */

/**
 * struct print - printed in the worker
 * @now:	a reference, of the loop
 * @file:	to compare with, or NULL
 * @next:	of @file
 * @answer:	without its end
 */
struct print {
	struct sp_work			work;
	struct sp_report		*report;
	__u64				ticket;
	struct sp_config		*now, *next;
	char				*file;
	int				err;
	struct sp_control_output	answer;
};

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

static void run_print(struct sp_work *work)
{
	struct print *p = (struct print *)work;
	const struct sp_report *r = p->report;
	char error[SP_CONFIG_ERROR_MAX];

	if (p->file && r->node->role->load(p->file, error, &p->next)) {
		p->next = NULL;
		p->err = sp_control_output_open(&p->answer, json_pack("{s:s}", "error", error));
		return;
	}
	p->err = sp_control_output_open(&p->answer,
					json_pack("{s:s, s:o}", "file",
						  p->file ?: r->config_path, "config",
						  print_config(p->now)));
	if (p->next && !p->err)
		p->err = sp_control_output_text(&p->answer, ",\"next\":") ?:
			sp_control_output_json(&p->answer, print_config(p->next));
}

static void free_print(struct sp_work *work)
{
	struct print *p = (struct print *)work;

	p->report->prints--;
	sp_config_put(p->now);
	sp_config_put(p->next);
	free(p->file);
	free(p->answer.data);
	free(p);
}

static int end_answer(struct print *p)
{
	const char *setting;

	if (p->err || !p->next)
		return p->err ?: sp_control_output_text(&p->answer, "}\n");
	setting = sp_reload_needs_start(p->report->node, p->next);
	return sp_control_output_text(&p->answer, ",\"needs_start\":") ?:
		sp_control_output_json(&p->answer, setting ? json_string(setting) : json_null()) ?:
		sp_control_output_text(&p->answer, "}\n");
}

static void end_print(struct sp_work *work)
{
	struct print *p = (struct print *)work;

	if (end_answer(p)) {
		p->answer.len = 0;
		sp_control_output_add(&p->answer, json_pack("{s:s}", "error", "out of memory"));
	}
	sp_control_configured(p->report->control, p->ticket, &p->answer);
	free_print(work);
}

__u64 sp_report_config(void *ctx, const char *file)
{
	struct sp_report *r = ctx;
	struct print *p = r->prints < PRINTS_MAX ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		return 0;
	*p = (struct print){
		.work = { .run = run_print, .done = end_print, .drop = free_print }, .report = r,
		.ticket = ++r->print_ticket, .now = sp_config_get(r->node->config),
		.file = file ? strdup(file) : NULL,
	};
	r->prints++;
	if (file && !p->file) {
		free_print(&p->work);
		return 0;
	}
	sp_worker_add(r->worker, &p->work);
	return p->ticket;
}
