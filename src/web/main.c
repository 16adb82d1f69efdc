// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* main.c - spliced-web(8): metrics and a page of a running daemon, over HTTP */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/sockaddr.h"
#include "control/control.h"
#include "web/privileges.h"
#include "web/server.h"

#define LISTEN_DEFAULT	"127.0.0.1:9180"
#define BACKLOG		64

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
	const char	*listen, *socket, *user;
};

static const struct option long_options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "socket", required_argument, NULL, 's' },
	{ "user", required_argument, NULL, 'u' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static void print_help(FILE *out)
{
	fputs("usage: spliced-web [OPTION...]\n\n"
	      "  -l, --listen ADDRESS:PORT  where to serve HTTP (" LISTEN_DEFAULT ")\n"
	      "  -s, --socket PATH          control socket of the daemon (" SP_CONTROL_PATH ")\n"
	      "  -u, --user NAME            if started by root: whom to become (nobody)\n"
	      "  -h, --help                 print this\n"
	      "  -V, --version              print the version\n\n"
	      "Serves / (a page), /api/status (JSON) and /metrics (Prometheus), to all clients.\n",
	      out);
}

/* Return: -1 to go on, else an exit code. */
static int parse_options(int argc, char **argv, struct options *options)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "l:s:u:hV", long_options, NULL)) >= 0) {
		switch (letter) {
		case 'l': options->listen = optarg; break;
		case 's': options->socket = optarg; break;
		case 'u': options->user = optarg; break;
		case 'h': print_help(stdout); return EXIT_DONE;
		case 'V': puts("spliced-web " SP_VERSION); return EXIT_DONE;
		default: return EXIT_USAGE;
		}
	}
	if (argv[optind]) {
		log_err("'%s': no arguments are taken; see --help", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/* Return: a listening socket or -errno. */
static int open_listener(const struct sp_addr *addr, __be16 port_be)
{
	union sp_sockaddr at;
	socklen_t len = sp_sockaddr_make(addr, port_be, &at);
	int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1,
	    err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, &at.any, len) && !listen(fd, BACKLOG))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void wait_for_end(void)
{
	sigset_t ends;
	int number;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigwait(&ends, &number);
}

/* Threads that are made later inherit the mask, so the signals wait for wait_for_end(). */
static void block_ends(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int serve_until_end(const struct options *options, int fd)
{
	struct sp_source source = { .path = options->socket };
	struct MHD_Daemon *server;
	int err = sp_privileges_drop(options->user, options->socket);

	if (err) {
		log_err_errno(err, "becoming '%s'", options->user);
		close(fd);
		return EXIT_FAILED;
	}
	block_ends();
	err = sp_server_start(fd, &source, &server);
	if (err) {
		log_err_errno(err, "starting the server");
		return EXIT_FAILED;
	}
	log_info("serving http://%s/ of the daemon at %s", options->listen, options->socket);
	wait_for_end();
	sp_server_stop(server);
	sp_source_fini(&source);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct options options = { .listen = LISTEN_DEFAULT, .socket = SP_CONTROL_PATH,
				   .user = "nobody" };
	struct sp_addr addr;
	__be16 port_be;
	int code, fd;

	sp_log_init("spliced-web", SP_LOG_INFO);
	code = parse_options(argc, argv, &options);
	if (code >= 0)
		return code;
	if (sp_endpoint_parse(options.listen, &addr, &port_be)) {
		log_err("--listen '%s': allowed: ADDRESS:PORT or [ADDRESS]:PORT", options.listen);
		return EXIT_USAGE;
	}
	fd = open_listener(&addr, port_be);
	if (fd < 0) {
		log_err_errno(fd, "listening on %s", options.listen);
		return EXIT_FAILED;
	}
	return serve_until_end(&options, fd);
}
