// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* init.c - options of `spliced --init`, and the order of its work */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "setup/setup.h"

#define PATH		"/etc/spliced/spliced.yaml"
#define FILE_MODE	0600
#define STATUS_USAGE	2

static const char usage[] =
	"usage: spliced --init --listen ADDRESS:PORT... --backend ADDRESS:PORT...\n"
	"               [--protocol http|tls|tcp] [--snat ADDRESS...] [--interface NAME...] [--output FILE]\n"
	"\n"
	"  --listen ADDRESS:PORT   where clients connect to; IPv6: \"[2001:db8::1]:80\"\n"
	"  --backend ADDRESS:PORT  a server\n"
	"  --protocol NAME         default http\n"
	"  --snat ADDRESS          that backends see; default: this machine's own towards them\n"
	"  --interface NAME        where clients' packets come in; default: of the route to them\n"
	"  --output FILE           default " PATH "; -: standard output, and no key\n"
	"\n"
	"Writes a configuration for this machine alone, and its key, and says what is left to do.\n";

static int refuse_option(const char *option, const char *found, const char *allowed)
{
	fprintf(stderr, "spliced --init: --%s: found `%s`; allowed: %s\n", option, found, allowed);
	return -EINVAL;
}

static int add_endpoint(const char *option, const char *text, size_t *count,
			struct sp_endpoint *at)
{
	if (*count == SP_SETUP_MAX ||
	    sp_endpoint_parse(text, &at[*count].addr, &at[*count].port_be))
		return refuse_option(option, text, "an address and a port as 192.0.2.1:80, 64 times");
	++*count;
	return 0;
}

static int add_source(struct sp_setup *s, const char *text)
{
	if (s->snat_count == SP_SETUP_MAX || sp_addr_parse(text, &s->snat[s->snat_count]))
		return refuse_option("snat", text, "an address, 64 times");
	s->snat_count++;
	return 0;
}

static int name_interface(struct sp_setup *s, const char *text)
{
	if (s->interface_count == SP_SETUP_MAX || !if_nametoindex(text))
		return refuse_option("interface", text, "names that `ip link` prints");
	snprintf(s->interfaces[s->interface_count++], sizeof(s->interfaces[0]), "%s", text);
	return 0;
}

static int set_protocol(struct sp_setup *s, const char *text)
{
	if (strcmp(text, "http") && strcmp(text, "tls") && strcmp(text, "tcp"))
		return refuse_option("protocol", text, "http, tls, tcp");
	s->protocol = text;
	return 0;
}

static int take_option(struct sp_setup *s, int opt, const char *text)
{
	switch (opt) {
	case 'l': return add_endpoint("listen", text, &s->listen_count, s->listens);
	case 'b': return add_endpoint("backend", text, &s->backend_count, s->backends);
	case 'p': return set_protocol(s, text);
	case 's': return add_source(s, text);
	case 'i': return name_interface(s, text);
	case 'o': s->output = text; return 0;
	default: return -EINVAL;
	}
}

static int take_options(struct sp_setup *s, int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "backend", required_argument, NULL, 'b' },
		{ "protocol", required_argument, NULL, 'p' },
		{ "snat", required_argument, NULL, 's' },
		{ "interface", required_argument, NULL, 'i' },
		{ "output", required_argument, NULL, 'o' }, {},
	};
	int opt, err = 0;

	while (!err && (opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		err = take_option(s, opt, optarg);
	if (!err && (optind < argc || !s->listen_count || !s->backend_count)) {
		fputs(usage, stderr);
		err = -EINVAL;
	}
	return err;
}

/* The key lies beside the file; with standard output, beside the default file. */
static void name_key(struct sp_setup *s)
{
	const char *of = strcmp(s->output, "-") ? s->output : PATH;
	const char *slash = strrchr(of, '/');

	snprintf(s->key_file, sizeof(s->key_file), "%.*scookie.key",
		 slash ? (int)(slash + 1 - of) : 0, of);
}

static int refuse_file(const char *path, int err)
{
	fprintf(stderr, "spliced --init: %s: can't be written: %s\n", path, strerror(-err));
	return err;
}

static int write_file(const struct sp_setup *s, const char *text)
{
	int is_key_made = sp_setup_key(s);
	FILE *file;

	if (is_key_made < 0)
		return refuse_file(s->key_file, is_key_made);
	file = fopen(s->output, "we");
	if (!file || fputs(text, file) < 0 || fchmod(fileno(file), FILE_MODE) || fclose(file))
		return refuse_file(s->output, -errno);
	printf("%s: written\n%s: %s\n", s->output, s->key_file, is_key_made ? "made" :
	       "was there, and stays");
	return 0;
}

/* Check the text as the daemon would. */
static int load_text(const struct sp_setup *s, const char *text, struct sp_config **ret_config)
{
	char error[SP_CONFIG_ERROR_MAX];
	int err = sp_config_load_bytes(s->output, text, strlen(text), error, ret_config);

	if (err)
		fprintf(stderr, "spliced --init: %s\n", error);
	return err;
}

static int write_all(const struct sp_setup *s)
{
	int is_stdout = !strcmp(s->output, "-"), err;
	struct sp_config *config;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return -ENOMEM;
	sp_setup_print(s, out);
	fclose(out);
	err = load_text(s, text, &config);
	if (!err && is_stdout)
		fputs(text, stdout);
	else if (!err)
		err = write_file(s, text);
	if (!err)
		sp_setup_steps(s, config, is_stdout ? stderr : stdout);
	if (!err)
		sp_config_free(config);
	free(text);
	return err;
}

int sp_setup_main(int argc, char **argv)
{
	static struct sp_setup s = { .protocol = "http", .output = PATH };

	if (take_options(&s, argc - 1, argv + 1))
		return STATUS_USAGE;
	name_key(&s);
	if (strcmp(s.output, "-") && !sp_config_is_blank(s.output)) {
		fprintf(stderr, "spliced --init: %s has a configuration already: move it away, or give --output FILE\n",
			s.output);
		return 1;
	}
	return sp_setup_plan(&s) || write_all(&s) ? 1 : 0;
}
