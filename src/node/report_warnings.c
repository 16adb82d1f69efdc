// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_warnings.c - see report_warnings.h */
#include "node/report_warnings.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/degraded.h"
#include "base/warnings.h"

#define CLOCK_WARN_MS	2000	/* half of SP_CLOCK_OFF_MS */

static void add_warning(json_t *list, const struct sp_warning *w)
{
	json_t *since = w->since_s ? json_integer(w->since_s) : json_null();

	json_array_append_new(list,
			      json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind",
					sp_warning_kind_name(w->kind),
					      "object", w->object, "text", w->text, "remedy",
					      w->remedy, "since", since));
}

/* A warning that each query computes anew. */
static struct sp_warning make_warning(enum sp_warning_kind kind, const char *object)
{
	struct sp_warning w = { .kind = kind };

	snprintf(w.object, sizeof(w.object), "%s", object);
	snprintf(w.remedy, sizeof(w.remedy), "%s", sp_warning_kind_remedy(kind));
	return w;
}

static void add_degraded(json_t *list, const struct sp_degraded *s)
{
	_Static_assert(SP_WARNING_TEXT_MAX >= SP_DEGRADED_STRLEN, "its text fits");

	for (size_t i = 0; s && i < s->config->service_count; i++) {
		struct sp_warning w =
			make_warning(SP_WARNING_MODE_SHORTFALL, s->config->services[i].name);

		if (sp_degradation_format(&s->config->services[i], &s->of[i], w.text))
			add_warning(list, &w);
	}
}

static void add_clocks(json_t *list, const struct sp_cluster *c)
{
	struct sp_member m;

	for (unsigned int i = 1; !sp_cluster_member(c, i, &m); i++) {
		struct sp_warning w = make_warning(SP_WARNING_CLOCK_OFF, m.name);

		if (llabs(m.ahead_ms) < CLOCK_WARN_MS)
			continue;
		snprintf(w.text, sizeof(w.text),
			 "the clock of %s is %lld ms %s ours: from %d s on nothing is adopted, "
			 "from %d s on it is unknown", m.name, llabs(m.ahead_ms), m.ahead_ms < 0 ?
				 "behind" : "ahead of",
			 SP_CLOCK_OFF_MS / 1000, SP_HELLO_FRESH_MS / 1000);
		add_warning(list, &w);
	}
}

json_t *sp_report_warnings(struct sp_node *node)
{
	const struct sp_warning *w = NULL;
	json_t *list = json_array();

	if (node->role->degraded)
		add_degraded(list, node->role->degraded(node));
	add_clocks(list, node->cluster);
	while ((w = sp_warnings_next(w)))
		add_warning(list, w);
	return list;
}

json_t *sp_report_warning_texts(const json_t *details)
{
	json_t *list = json_array();
	const json_t *one;
	size_t i;

	json_array_foreach(details, i, one)
		json_array_append(list, json_object_get(one, "text"));
	return list;
}
