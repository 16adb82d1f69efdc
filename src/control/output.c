// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "control/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

static int append_bytes(const char *data, size_t len, void *arg)
{
	struct sp_control_output *out = arg;

	if (out->size - out->len < len) {
		size_t size = (out->len + len) * 2;
		char *bigger = realloc(out->data, size);

		if (!bigger)
			return -ENOMEM;
		out->data = bigger;
		out->size = size;
	}
	memcpy(out->data + out->len, data, len);
	out->len += len;
	return 0;
}

int sp_control_output_text(struct sp_control_output *out, const char *text)
{
	return append_bytes(text, strlen(text), out);
}

int sp_control_output_json(struct sp_control_output *out, json_t *json)
{
	int err = json && !json_dump_callback(json, append_bytes, out,
					     JSON_COMPACT | JSON_ENCODE_ANY) ? 0 : -ENOMEM;

	json_decref(json);
	return err;
}

int sp_control_output_open(struct sp_control_output *out, json_t *json)
{
	int err = sp_control_output_json(out, json);

	out->len -= !err;
	return err;
}

int sp_control_output_add(struct sp_control_output *out, json_t *json)
{
	return sp_control_output_json(out, json) ?: sp_control_output_text(out, "\n");
}

json_t *sp_control_row_json(const struct sp_connection_row *row)
{
	char client[SP_ENDPOINT_STRLEN], vip[SP_ENDPOINT_STRLEN];
	char proxy[SP_ENDPOINT_STRLEN], backend[SP_ENDPOINT_STRLEN];

	sp_endpoint_format(&row->front.saddr, row->front.sport, client);
	sp_endpoint_format(&row->front.daddr, row->front.dport, vip);
	sp_endpoint_format(&row->back.saddr, row->back.sport, proxy);
	sp_endpoint_format(&row->back.daddr, row->back.dport, backend);
	return json_pack("{s:{s:s,s:s}, s:{s:s,s:s}, s:s?, s:s?, s:s?, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
			 "front", "from", client, "to", vip, "back", "from", proxy, "to", backend,
			 "service", row->service, "pool", row->pool, "backend", row->backend,
			 "state", row->state,
			 "age_ms", (json_int_t)(row->age_ns / 1000000),
			 "idle_ms", (json_int_t)(row->idle_ns / 1000000),
			 "bytes_up", (json_int_t)row->bytes_up, "bytes_down",
			 (json_int_t)row->bytes_down,
			 "pkts_up", (json_int_t)row->pkts_up, "pkts_down",
			 (json_int_t)row->pkts_down, "exchanges",
			 row->exchanges ? json_integer(row->exchanges) : json_null());
}
