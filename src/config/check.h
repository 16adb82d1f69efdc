/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* check.h - the section `check` of a pool: read, checked and printed. Only for src/config. */
#ifndef SP_CONFIG_CHECK_H
#define SP_CONFIG_CHECK_H

#include "config/doc.h"

/* @into: struct sp_check_conf */
int sp_value_check(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
/* Refuses more than SP_CHECKS_MAX in all pools up to @pool. */
int sp_check_count(struct sp_doc *doc, const yaml_node_t *at, const struct sp_pool_conf *pool);
void sp_check_print(const struct sp_check_conf *check, FILE *out);

#endif
