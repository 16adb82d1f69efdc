/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * section.h - sections of the file, each with a table of keys. Only for src/config and its tests.
 */
#ifndef SP_CONFIG_SECTION_H
#define SP_CONFIG_SECTION_H

#include "config/doc.h"

/* Items of the top level's lists. */
int sp_pool_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item);
int sp_service_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item);
/* Mappings of the top level. @into: struct sp_store_conf; struct sp_cluster_conf */
int sp_value_store(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
int sp_value_cluster(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		     void *into);
/* Refuses a shared store without a cluster. */
int sp_cluster_check(struct sp_doc *doc, const yaml_node_t *root, const struct sp_config *config);
/* @into: struct sp_service_conf */
int sp_value_routes(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		    void *into);
/* Changes of heads. @into: struct sp_service_conf */
int sp_value_forwarded(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       void *into);
int sp_value_forwarded_trust(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			     void *into);
int sp_value_request_headers(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			     void *into);
int sp_value_accept_proxy(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			  void *into);
/* Refused clients of a service. @into: struct sp_admission_conf */
int sp_value_per_source(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into);
int sp_value_allow(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
int sp_value_deny(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
int sp_admission_check(struct sp_doc *doc, yaml_node_t *node,
		       const struct sp_service_conf *service);
struct sp_admission_conf sp_admission_default(void);
/* @into: struct sp_access_conf */
int sp_value_access_log(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into);
/* Refuses a format for which too little is read. */
int sp_access_check(struct sp_doc *doc, yaml_node_t *node, const struct sp_service_conf *service);
void sp_print_access_log(const struct sp_service_conf *service, FILE *out);
/* The name of a pool that was read before. @into: int, its index */
int sp_value_pool(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
/* Refuses a pool (named @at) without backends of a family on which the service listens. */
int sp_pool_check_families(struct sp_doc *doc, const yaml_node_t *at,
			   const struct sp_service_conf *service,
			   int pool_idx);

/*
 * Backends, written or in a file. @list: the node of all, with those of names between; @pool: may
 * have no backends.
 */
int sp_backend_read(struct sp_doc *doc, yaml_node_t *node, const struct sp_pool_conf *pool,
		    struct sp_backend_conf *backend);
int sp_backend_check_source(struct sp_doc *doc, yaml_node_t *at, const struct sp_pool_conf *pool,
			    const struct sp_backend_conf *backend);
int sp_backends_check_twins(struct sp_doc *doc, yaml_node_t *list, const struct sp_pool_conf *pool);

/* Names whose addresses are looked up. @into: struct sp_name_conf */
#define SP_SRV_ALLOWED	"the name of an SRV record, as in _http._tcp.app.example.internal"
int sp_node_is_name(struct sp_doc *doc, yaml_node_t *node);
int sp_value_host_port(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       void *into);
int sp_value_srv(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
/* Refuses more than SP_NAMES_MAX in all pools up to @pool. */
int sp_names_check_count(struct sp_doc *doc, const yaml_node_t *at,
			 const struct sp_pool_conf *pool);
void sp_print_names(const struct sp_pool_conf *pool, FILE *out);
/* @into: struct sp_resolvers_conf */
int sp_value_resolvers(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       void *into);
void sp_print_resolvers(const struct sp_config *config, FILE *out);

/* How a pool chooses. @into: struct sp_pool_conf */
int sp_value_balance(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		     void *into);
/* Refuses a pool (named @at) that hashes requests, in a service of protocol tls or tcp. */
int sp_pool_check_hash(struct sp_doc *doc, const yaml_node_t *at, struct sp_service_conf *service,
		       int pool_idx);
void sp_print_balance(const struct sp_pool_conf *pool, FILE *out);

/* The death of a backend. @into: enum sp_on_death; struct sp_pool_conf */
int sp_value_on_death(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into);
int sp_value_continue(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into);
/* Refuses a pool (named @at) that continues requests, in a service that reads none. */
int sp_pool_check_death(struct sp_doc *doc, const yaml_node_t *at, struct sp_service_conf *service,
			int pool_idx);
/* Refuses such a pool beside a shared store. */
int sp_death_check(struct sp_doc *doc, const yaml_node_t *root, const struct sp_config *config);
void sp_print_death(const struct sp_pool_conf *pool, FILE *out);

#endif
