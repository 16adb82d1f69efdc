// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* reload.c - see reload.h */
#include "node/reload.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "names/names.h"

#define NS_PER_US 1000

static int is_same_source(const struct sp_config *a, const struct sp_config *b)
{
	return a->snat_port_first == b->snat_port_first && a->snat_port_last == b->snat_port_last &&
	       a->snat_count == b->snat_count &&
	       !memcmp(a->snat_addrs, b->snat_addrs, a->snat_count * sizeof(*a->snat_addrs));
}

static int is_same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static int is_same_store(const struct sp_store_conf *a, const struct sp_store_conf *b)
{
	if (a->kind != b->kind || a->server_count != b->server_count || a->copies != b->copies ||
	    a->commit != b->commit || a->loss != b->loss || a->timeout_ns != b->timeout_ns ||
	    !is_same_text(a->password_file, b->password_file))
		return 0;
	for (size_t i = 0; i < a->server_count; i++)
		if (strcmp(a->servers[i].text, b->servers[i].text))
			return 0;
	return 1;
}

static int is_same_member(const struct sp_cluster_conf *a, const struct sp_cluster_conf *b)
{
	if (a->peer_count != b->peer_count)
		return 0;
	for (size_t i = 0; i < a->peer_count; i++)
		if (strcmp(a->peers[i].name, b->peers[i].name) ||
		    sp_endpoint_compare(&a->peers[i].at, &b->peers[i].at))
			return 0;
	return is_same_text(a->name, b->name) && !sp_endpoint_compare(&a->relay, &b->relay);
}

static int is_same_interfaces(const struct sp_config *a, const struct sp_config *b)
{
	if (a->interface_count != b->interface_count)
		return 0;
	for (size_t i = 0; i < a->interface_count; i++)
		if (strcmp(a->interfaces[i], b->interfaces[i]))
			return 0;
	return 1;
}

/* Return: the first changed setting that needs a restart; NULL: none. */
static const char *needs_start(const struct sp_datapath *dp, const struct sp_config *a,
			       const struct sp_config *b)
{
	if (!is_same_interfaces(a, b) && !sp_datapath_can_attach(dp))
		return "interfaces (by clsact)";
	if (strcmp(a->state_dir, b->state_dir))
		return "state_dir";
	if (strcmp(a->control, b->control))
		return "control";
	if (!is_same_source(a, b))
		return "source";
	if (a->limits.pending != b->limits.pending)
		return "limits: pending";
	if (!is_same_store(&a->store, &b->store))
		return "store";
	if (!is_same_member(&a->cluster, &b->cluster))
		return "cluster: name, relay or members";
	return NULL;
}

static int attach_interfaces(struct sp_datapath *dp, const struct sp_config *from,
			     const struct sp_config *to)
{
	return is_same_interfaces(from, to) ? 0 : sp_datapath_attach(dp, to);
}

/*
 * The step most likely to fail is first; steps are undone in reverse. @ret_is_undone: set after an
 * error
 */
static int apply_config(struct sp_node *n, struct sp_config *next, int *ret_is_undone)
{
	const struct sp_config *now = n->config;
	struct sp_keys keys;
	int err = sp_keys_read(next->key_file, &keys);

	*ret_is_undone = 1;
	if (err)
		return err;
	err = attach_interfaces(n->dp, now, next);
	err = err ?: sp_datapath_apply(n->dp, next);
	err = err ?: n->role->configure(n, next);
	if (err)
		*ret_is_undone = !sp_datapath_apply(n->dp, now) && !attach_interfaces(n->dp, next, now);
	if (!err && sp_datapath_set_keys(n->dp, &keys))
		sp_node_rekey(n, &keys);
	return err;
}

/* @next: as written; extended by the backends found so far. */
static int find_backends(struct sp_node *n, struct sp_config **next)
{
	struct sp_config *written = *next;
	int err;

	if (!n->names)
		return 0;
	err = sp_names_configure(n->names, written, n->config);
	err = err ?: sp_names_extend(n->names, next);
	if (!err)
		sp_config_put(written);
	return err;
}

static void restore_names(struct sp_node *n)
{
	if (n->names)
		sp_names_configure(n->names, sp_config_written(n->config), n->config);
}

/* Offers and decisions of the datapath stay: pools and services are the same. */
int sp_reload_names(struct sp_node *n)
{
	__u64 start_ns = sp_now_ns();
	struct sp_config *next;
	int err = sp_names_extend(n->names, &next);

	if (err) {
		log_err_errno(err, "backends found by names or in files are not in use");
		return err;
	}
	err = sp_datapath_apply_origins(n->dp, next) ?: n->role->configure(n, next);
	if (err)
		log_err_errno(err, "backends found by names or in files are not in use");
	log_debug("backends found by names or in files: done in %llu us",
		  (sp_now_ns() - start_ns) / NS_PER_US);
	sp_config_put(next);
	return err;
}

const char *sp_reload_needs_start(const struct sp_node *n, const struct sp_config *next)
{
	return needs_start(n->dp, n->config, next);
}

int sp_reload(const char *path, struct sp_node *n, struct sp_config *next,
	      char error[SP_CONFIG_ERROR_MAX])
{
	const char *setting;
	int is_undone, err;

	setting = needs_start(n->dp, n->config, next);
	if (setting) {
		snprintf(error, SP_CONFIG_ERROR_MAX, "%s: %s differs, which is read at the start alone; "
			 "restart %s: connections outlive that", path, setting, n->role->name);
		log_err("reload refused, nothing is changed: %s", error);
		err = -EBUSY;
	} else {
		is_undone = 1;
		err = find_backends(n, &next) ?: apply_config(n, next, &is_undone);
		if (err) {
			restore_names(n);
			snprintf(error, SP_CONFIG_ERROR_MAX, "reload of %s failed, %s: %s", path, is_undone ?
				 "nothing is changed" :
				 "and some settings are new: restart the daemon, connections outlive that",
				 strerror(-err));
			log_err("%s", error);
		}
	}
	sp_config_put(next);
	return err;
}
