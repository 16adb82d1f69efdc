// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* main.c - the daemon of either role: options, start, event loop */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/access_sink.h"
#include "node/access_writer.h"
#include "node/checker.h"
#include "names/names.h"
#include "node/confine.h"
#include "base/keys.h"
#include "node/host.h"
#include "node/local.h"
#include "node/firewall.h"
#include "node/loader.h"
#include "node/worker.h"
#include "node/orders.h"
#include "node/reload.h"
#include "node/report_config.h"
#include "node/report.h"
#include "node/resets.h"
#include "node/role.h"
#include "node/trace.h"
#include "datapath/links.h"
#include "datapath/state.h"
#include "store/store.h"
#include "base/warnings.h"

#define STATUS_FAILED	1
#define STATUS_USAGE	2	/* also without a configuration */
#define CHECK_BEATS	4	/* heartbeats between two checks of the interfaces */
#define NAMES_WAIT_MS	500	/* for first look-ups, before the start */
#define CONSUME_MAX	64	/* reads of the ring in one turn of the loop */
/*
 * Time until proxies notice that an agent has ended, and packets sent to its datapath before have
 * arrived.
 */
#define UNLOAD_AFTER_US	1000000

struct daemon {
	const struct sp_role		*role;
	struct sp_datapath		*dp;
	struct sp_wire			*wire;
	struct sp_store			*store;
	struct sp_cluster		*cluster;
	struct sp_node			*node;
	struct sp_config		*config;
	struct sp_report		report;
	struct sp_starter		starter;
	int				starter_err;
	struct sp_access_sink		*sink;
	struct sp_checker		*checker;
	struct sp_names			*names;
	struct sp_resets		resets;
	struct sp_control_server	*control;
	__u64				hup_ticket;	/* 0: no SIGHUP to answer */
	const char			*path;
	unsigned int			beats;
	uv_loop_t			loop;
	uv_poll_t			events, policies, links;
	uv_prepare_t			flush;
	uv_timer_t			beat, tick, age, watchdog;
	uv_signal_t			hup, term, intr, usr1;
};

static const char usage[] =
	"usage: %1$s [--config FILE] [--verbose]\n"
	"       %1$s --check FILE | --unload [--config FILE] | --version | --help\n"
	"\n"
	"  --config FILE  configuration, see %1$s.yaml(5); default %2$s\n"
	"  --check FILE   parse FILE and print its normal form, or where it is wrong\n"
	"  --unload       detach and remove the datapath of a daemon that has ended; spliced connections end\n"
	"  --verbose      log more\n"
	"\n"
	"SIGHUP reads the configuration again; SIGUSR1 opens the files of access logs anew; SIGTERM ends the daemon, not the connections.\n";

static void print_usage(const struct sp_role *role, FILE *out)
{
	fprintf(out, usage, role->name, role->config_path);
}

static void on_event(void *ctx, const struct sp_event *ev)
{
	struct daemon *d = ctx;

	d->role->event(d->node, ev);
}

/*
 * The answer to a sent packet may be here at once, so read the ring again before the loop sleeps.
 * If there are many events, the loop turns in between. So the store works on the first events while
 * the daemon reads the next, and a flood does not delay the timers.
 */
static void consume_events(struct daemon *d)
{
	for (int i = 0; i < CONSUME_MAX; i++) {
		int n = sp_datapath_consume(d->dp);

		sp_wire_flush(d->wire);
		if (n <= 0 || n >= SP_EVENTS_AT_ONCE)
			break;
	}
}

static void on_events(uv_poll_t *handle, int status, int events)
{
	consume_events(handle->data);
}

/* An agent must get the introduction of a splice before its server gets the first packet. */
static void before_packets(void *ctx)
{
	sp_cluster_flush(((struct daemon *)ctx)->cluster);
}

/*
 * Send the packets and messages caused by this turn's answers of the store and of other proxies.
 */
static void on_flush(uv_prepare_t *prepare)
{
	struct daemon *d = prepare->data;

	sp_wire_flush(d->wire);
	sp_cluster_flush(d->cluster);
}

static void on_policies(uv_poll_t *handle, int status, int events)
{
	struct daemon *d = handle->data;

	sp_datapath_policies_changed(d->dp, sp_now_ns());
}

static void check_interfaces(struct daemon *d)
{
	const struct sp_node *node = d->node;

	d->report.detached = sp_datapath_check_attached(d->dp, node->config, sp_now_ns());
	sp_datapath_let_go(d->dp, node->ager.oldest_s, node->ager.oldest_walk_s);
	sp_datapath_follow_mtu(d->dp, node->config);
}

/* An interface that has come back gets the datapath at once, not at the next beat. */
static void on_links(uv_poll_t *handle, int status, int events)
{
	struct daemon *d = handle->data;
	int fd;

	if (!uv_fileno((const uv_handle_t *)handle, &fd))
		sp_links_drain(fd);
	check_interfaces(d);
}

static void watch_links(struct daemon *d)
{
	int fd = sp_links_open();

	if (fd < 0) {
		log_warn_errno(fd, "changes of interfaces are noticed each second only");
		return;
	}
	uv_poll_init(&d->loop, &d->links, fd);
	d->links.data = d;
	uv_poll_start(&d->links, UV_READABLE, on_links);
}

static void on_beat(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	sp_datapath_heartbeat(d->dp);
	sp_datapath_trace(d->dp, sp_trace_is_on());
	sp_report_send_state(&d->report);
	sp_firewall_tick(d->wire, d->node->config, sp_now_ns());
	if (!(d->beats++ % CHECK_BEATS)) {
		check_interfaces(d);
		sp_host_tick(d->node->config);
	}
	sp_datapath_policies_tick(d->dp, sp_now_ns());
	sp_warnings_tick(sp_now_ns());
}

static void on_tick(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	d->role->tick(d->node);
	if (d->role->backends)
		sp_resets_tick(&d->resets, d->node, sp_now_ns());
	sp_wire_flush(d->wire);
}

static void on_age(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	uv_timer_start(timer, on_age, sp_node_age(d->node), 0);
}

/* Tell the service manager that the loop turns. */
static void on_watchdog(uv_timer_t *timer)
{
	sd_notify(0, "WATCHDOG=1");
}

static void on_loaded(void *ctx, __u64 ticket, int err, const char *error, struct sp_config *next)
{
	struct daemon *d = ctx;

	sp_control_reloaded(d->control, ticket, sp_report_reloaded(&d->report, err, error, next));
	if (!d->hup_ticket || d->hup_ticket > ticket)
		return;
	d->hup_ticket = 0;
	sd_notify(0, "READY=1");
}

/* As after a reload. */
static void on_names(void *ctx)
{
	struct daemon *d = ctx;

	if (sp_reload_names(d->node))
		return;
	sp_orders_apply(d->node);
	sp_checker_configure(d->checker);
}

static void on_hup(uv_signal_t *signal, int signum)
{
	struct daemon *d = signal->data;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)uv_hrtime() / 1000);
	d->hup_ticket = sp_report_reload(&d->report);
}

/* Files of access logs were renamed. */
static void on_usr1(uv_signal_t *signal, int signum)
{
	struct daemon *d = signal->data;

	if (d->node->access)
		sp_access_sink_reopen(d->node->access);
}

static void on_term(uv_signal_t *signal, int signum)
{
	sd_notify(0, "STOPPING=1");
	uv_stop(signal->loop);
}

static void start_timer(struct daemon *d, uv_timer_t *timer, uv_timer_cb fn, int ms)
{
	uv_timer_init(&d->loop, timer);
	timer->data = d;
	uv_timer_start(timer, fn, 0, ms);
}

static void start_signal(struct daemon *d, uv_signal_t *signal, uv_signal_cb fn, int signum)
{
	uv_signal_init(&d->loop, signal);
	signal->data = d;
	uv_signal_start(signal, fn, signum);
}

static int start_loop(struct daemon *d)
{
	uint64_t watchdog_us;
	int fd, err;

	err = sp_datapath_subscribe(d->dp, on_event, d, &fd);
	if (err)
		return err;
	uv_poll_init(&d->loop, &d->events, fd);
	d->events.data = d;
	uv_poll_start(&d->events, UV_READABLE, on_events);
	watch_links(d);
	if (sp_datapath_policies_fd(d->dp) >= 0) {
		uv_poll_init(&d->loop, &d->policies, sp_datapath_policies_fd(d->dp));
		d->policies.data = d;
		uv_poll_start(&d->policies, UV_READABLE, on_policies);
	}
	uv_prepare_init(&d->loop, &d->flush);
	d->flush.data = d;
	uv_prepare_start(&d->flush, on_flush);
	start_timer(d, &d->beat, on_beat, SP_HEARTBEAT_MS);
	start_timer(d, &d->tick, on_tick, SP_TICK_MS);
	start_timer(d, &d->age, on_age, 0);
	if (sd_watchdog_enabled(0, &watchdog_us) > 0)
		start_timer(d, &d->watchdog, on_watchdog, watchdog_us / 3000);
	start_signal(d, &d->hup, on_hup, SIGHUP);
	start_signal(d, &d->term, on_term, SIGTERM);
	start_signal(d, &d->usr1, on_usr1, SIGUSR1);
	start_signal(d, &d->intr, on_term, SIGINT);
	on_beat(&d->beat);
	if (!d->config->is_agent &&
	    sp_checker_open(&d->loop, d->node, &d->starter, d->starter_err, &d->checker))
		return -ENOMEM;
	d->report.checker = d->checker;
	if (d->names)
		sp_names_on_change(d->names, on_names, d);
	err = sp_control_open(&d->loop, d->config->control, &sp_report_ops, &d->report,
			      &d->control);
	d->report.control = d->control;
	err = err ?: sp_worker_open(&d->loop, &d->report.worker);
	return err ?: sp_loader_new(d->report.worker, d->role, d->report.config_path, on_loaded, d,
				    &d->report.loader);
}

/* Stop all callbacks first: they use resources that are closed next. */
static void stop_loop(struct daemon *d)
{
	uv_poll_stop(&d->events);
	uv_timer_stop(&d->tick);
	uv_timer_stop(&d->age);
	sp_worker_close(d->report.worker);
	sp_loader_free(d->report.loader);
	sp_checker_close(d->checker);
	sp_names_close(d->names);
	sp_control_close(d->control);
	sp_orders_close(d->node);
	sp_cluster_close(d->cluster);
	sp_store_close(d->store);
	uv_run(&d->loop, UV_RUN_NOWAIT);
}

static int open_store(struct daemon *d)
{
	struct sp_store *local;
	int err = sp_store_local_open(d->dp, &local);

	if (err)
		return err;
	if (d->config->store.kind == SP_STORE_REDIS)
		return sp_store_redis_open(&d->loop, d->config, local, &d->store);
	d->store = local;
	return 0;
}

/*
 * The backends of names, which take some ms as a rule. Without resolver the daemon starts without
 * them. Clients wait meanwhile: their SYNs are not answered.
 */
static int find_backends(struct daemon *d)
{
	struct sp_config *written = d->config;
	int err;

	if (written->is_agent)
		return 0;
	err = sp_names_open(&d->loop, &d->names);
	err = err ?: sp_names_configure(d->names, written, NULL);
	if (err)
		return err;
	sp_names_wait(d->names, NAMES_WAIT_MS);
	err = sp_names_extend(d->names, &d->config);
	if (!err)
		sp_config_put(written);
	return err;
}

/* Return: the exit status. With STATUS_USAGE systemd does not start the daemon again. */
static int refuse_config(const struct sp_role *role, const char *path, const char *error)
{
	if (!sp_config_is_blank(path)) {
		log_err("%s", error);
		return STATUS_FAILED;
	}
	log_err("%s: nothing is configured yet: %s", path, role->first_steps);
	return STATUS_USAGE;
}

/* Small processes of a proxy, which need what the confined daemon gives up. */
static int open_helpers(struct daemon *d)
{
	int closes[2], fd;

	d->starter_err = sp_starter_open(&d->starter);
	closes[0] = d->starter.orders;
	closes[1] = d->starter.records;
	fd = sp_access_writer_open(closes, 2);
	if (fd < 0)
		log_warn_errno(fd, "access logs can't be written");
	return sp_access_sink_new(fd, &d->sink);
}

static int run_daemon(const struct sp_role *role, const char *path)
{
	static struct daemon d;
	struct sp_node_parts parts;
	char error[SP_CONFIG_ERROR_MAX];
	int err;

	d.role = role;
	d.path = path;
	uv_loop_init(&d.loop);
	err = role->load(path, error, &d.config);
	if (err)
		return refuse_config(role, path, error);
	err = d.config->is_agent ? 0 : open_helpers(&d);
	err = err ?: find_backends(&d);
	if (err) {
		log_err_errno(err, "can't start");
		return 1;
	}
	if (sp_datapath_open(d.config, &d.dp))
		return 1;
	err = sp_wire_open(&d.wire);
	err = err ?: open_store(&d);
	err = err ?: sp_cluster_open(&d.loop, d.config, d.store, &d.cluster);
	parts = (struct sp_node_parts){ .dp = d.dp, .wire = d.wire, .store = d.store,
					.cluster = d.cluster };
	err = err ?: role->open(&parts, d.config, &d.node);
	if (err) {
		log_err_errno(err, "can't start");
		return 1;
	}
	d.node->names = d.names;
	d.node->access = d.sink;
	sp_wire_before(d.wire, before_packets, &d);
	sp_splice_recount(d.dp, d.node->ports);
	if (role->recover)
		role->recover(d.node);
	if (role->backends && sp_orders_open(d.node))
		return 1;
	sp_orders_apply(d.node);
	d.report = (struct sp_report){
		.node = d.node, .config_path = path, .start_ns = sp_now_ns(),
	};
	err = start_loop(&d);
	if (err) {
		log_err_errno(err, "%s: can't start", d.config->control);
		return 1;
	}
	err = sp_confine();
	if (err) {
		log_err_errno(err, "can't give up privileges");
		return 1;
	}
	sp_config_put(d.config);	/* the node has a reference */
	log_info("ready");
	sd_notify(0, "READY=1");
	uv_run(&d.loop, UV_RUN_DEFAULT);
	stop_loop(&d);
	log_info("ended; spliced connections go on");
	return 0;
}

/* --check may run without root, or on another machine: then an unreadable key file is a warning. */
static int check_keys(const char *path)
{
	char error[SP_KEYS_ERROR_MAX];
	struct sp_keys keys;
	int err = sp_keys_load(path, error, &keys);

	if (err)
		sp_log(err == -EINVAL ? SP_LOG_ERR : SP_LOG_WARN, "%s", error);
	return err == -EINVAL ? err : 0;
}

static int check_config(const struct sp_role *role, const char *path)
{
	char error[SP_CONFIG_ERROR_MAX];
	struct sp_local_walk walk = { 0 };
	struct sp_config *config;
	int err;

	if (role->load(path, error, &config)) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	sp_config_print(config, stdout);
	fflush(stdout);
	sp_log_init(role->name, SP_LOG_INFO);
	err = check_keys(config->key_file) ?: sp_files_check(config);
	sp_local_begin(&walk, config, 0);
	while (walk.left)
		sp_local_tick(&walk, config);
	if (role->warn_of_host)
		role->warn_of_host(config);
	sp_config_free(config);
	return err ? 1 : 0;
}

static int unload_datapath(const struct sp_role *role, const char *path)
{
	char error[SP_CONFIG_ERROR_MAX];
	struct sp_config *config;
	int err;

	if (role->load(path, error, &config)) {
		if (sp_config_is_blank(path))
			return !!sp_state_remove(role->state_dir);
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	if (config->is_agent)
		usleep(UNLOAD_AFTER_US);
	err = sp_state_remove(config->state_dir);
	sp_config_free(config);
	return !!err;
}

int sp_main(const struct sp_role *role, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
			{ "check", required_argument, NULL, 'k' },
		{ "unload", no_argument, NULL, 'u' }, { "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' }, { "help", no_argument, NULL, 'h' }, {},
	};
	enum sp_log_level level = SP_LOG_INFO;
	const char *path = role->config_path;
	int is_unload = 0, opt;

	while ((opt = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (opt) {
		case 'c': path = optarg; break;
		case 'k': return check_config(role, optarg);
		case 'u': is_unload = 1; break;
		case 'v': level = SP_LOG_DEBUG; break;
		case 'V': printf("%s %s\n", role->name, SP_VERSION); return 0;
		case 'h': print_usage(role, stdout); return 0;
		default: print_usage(role, stderr); return STATUS_USAGE;
		}
	}
	if (optind < argc) {
		print_usage(role, stderr);
		return STATUS_USAGE;
	}
	sp_log_init(role->name, level);
	return is_unload ? unload_datapath(role, path) : run_daemon(role, path);
}
