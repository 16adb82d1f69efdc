// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* text.c - the file that `spliced --init` writes */
#include <string.h>

#include "base/addr.h"
#include "setup/setup.h"

static void print_endpoint(const struct sp_endpoint *at, FILE *out)
{
	char text[SP_ENDPOINT_STRLEN];

	fprintf(out, "\"%s\"", sp_endpoint_format(&at->addr, at->port_be, text));
}

static void print_top(const struct sp_setup *s, FILE *out)
{
	char text[SP_ADDR_STRLEN];

	fprintf(out, "# Written by `spliced --init`. Every key: spliced.yaml(5). After a change: "
		"`spliced --check %s`, then\n# `systemctl reload spliced`.\n\n", s->output);
	fprintf(out, "# On which packets of clients and of backends come in.\ninterfaces: [");
	for (size_t i = 0; i < s->interface_count; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : "", s->interfaces[i]);
	fprintf(out, "]\n\n# For root alone; proxies that share connections have the same.\n"
		"key_file: \"%s\"\n\n", s->key_file);
	fprintf(out, "# Backends see these addresses in the place of the client's, and answer to them.\n"
		"source:\n  addresses: [");
	for (size_t i = 0; i < s->snat_count; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : "", sp_addr_format(&s->snat[i], text));
	fprintf(out, "]\n  ports: %u-%u\n\n", s->port_first, s->port_last);
}

static void print_pool(const struct sp_setup *s, FILE *out)
{
	fprintf(out, "pools:\n  - name: main\n"
		"    balance: round_robin        # or: least_connections, random_two, {hash: source}\n"
		"    check: {type: tcp}          # better for HTTP: {type: http, path: /health}\n"
		"    backends:\n");
	for (size_t i = 0; i < s->backend_count; i++) {
		fprintf(out, "      - {address: ");
		print_endpoint(&s->backends[i], out);
		fprintf(out, "}\n");
	}
}

static void print_service(const struct sp_setup *s, FILE *out)
{
	fprintf(out, "\nservices:\n  - name: front\n    protocol: %s\n    listen: [", s->protocol);
	for (size_t i = 0; i < s->listen_count; i++) {
		fprintf(out, "%s", i ? ", " : "");
		print_endpoint(&s->listens[i], out);
	}
	fprintf(out, "]\n");
	if (!strcmp(s->protocol, "http"))
		fprintf(out, "    # routes:                   # the first whose conditions all hold\n"
			"    #   - {host: example.org, path: /api, pool: api}\n");
	else if (!strcmp(s->protocol, "tls"))
		fprintf(out, "    # routes:                   # by server name and protocols\n"
			"    #   - {host: example.org, alpn: [h2], pool: other}\n");
	fprintf(out, "    default: main\n");
}

void sp_setup_print(const struct sp_setup *s, FILE *out)
{
	print_top(s, out);
	print_pool(s, out);
	print_service(s, out);
}
