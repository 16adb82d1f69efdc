/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * backends_file.c - the file of a pool's further backends, written by other programs: a list of
 * mappings as in `backends`, or of plain ADDRESS:PORT. JSON is YAML, too.
 */
#include "config/section.h"
#include "config/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

#define FILE_ALLOWED	"a list of backends, as in [{address: \"192.0.2.1:80\", weight: 1}]"

struct loaded_list {
	struct sp_backend_list	list;
	struct sp_doc_chunk	*chunks;
};

static const struct sp_doc_key file_key = {
	.name = "backends", .max = SP_CONFIG_BACKENDS_MAX, .allowed = FILE_ALLOWED,
};
static const struct sp_doc_key item_key = { .name = "backends", .allowed = SP_ENDPOINT_ALLOWED };

/* A backend without keys. */
static int scalar_read(struct sp_doc *doc, yaml_node_t *node, const struct sp_pool_conf *pool,
		       struct sp_backend_conf *backend)
{
	char text[SP_ENDPOINT_STRLEN];
	int err = sp_value_endpoint(doc, &item_key, node, &backend->at);

	if (err)
		return err;
	backend->weight = 1;
	sp_endpoint_format(&backend->at.addr, backend->at.port_be, text);
	backend->name = sp_doc_strdup(doc, text);
	return backend->name ? sp_backend_check_source(doc, node, pool, backend) : -ENOMEM;
}

/* The address of a written backend is allowed again, and no second backend. */
static int check_written(struct sp_doc *doc, yaml_node_t *node, const struct sp_pool_conf *pool,
			 const struct sp_backend_conf *backend)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		if (!strcmp(pool->backends[i].name, backend->name) &&
		    sp_endpoint_compare(&pool->backends[i].at, &backend->at))
			return sp_doc_refuse(doc, node, "name: found \"%s\", a backend of the configuration; "
					     "allowed: each name once in a pool", backend->name);
	return 0;
}

static int item_read(struct sp_doc *doc, yaml_node_t *node, const struct sp_pool_conf *pool,
		     struct sp_backend_conf *backend)
{
	int err;

	if (node->type == YAML_SCALAR_NODE)
		err = scalar_read(doc, node, pool, backend);
	else if (sp_node_is_name(doc, node))
		err = sp_doc_refuse(doc, node, "backends: found a name; allowed: addresses. Names are for "
				    "\"backends\" of the configuration");
	else
		err = sp_backend_read(doc, node, pool, backend);
	return err ? err : check_written(doc, node, pool, backend);
}

static int list_read(struct sp_doc *doc, const struct sp_pool_conf *pool,
		     struct sp_backend_list *list)
{
	yaml_node_t *root = yaml_document_get_root_node(&doc->tree);
	struct sp_pool_conf own = *pool;
	struct sp_doc_items items;
	int err;

	if (!root)
		return sp_doc_refuse_mark(doc, (yaml_mark_t){ 0 }, "found nothing; allowed: "
					  FILE_ALLOWED ", or [] for none");
	err = sp_doc_list(doc, &file_key, root, &items);
	if (err)
		return err;
	list->all = sp_doc_alloc(doc, items.count, sizeof(*list->all));
	if (!list->all)
		return -ENOMEM;
	for (size_t i = 0; !err && i < items.count; i++)
		err = item_read(doc, sp_doc_item(doc, &items, i), pool, &list->all[list->count++]);
	own.backends = list->all;
	own.backend_count = list->count;
	return err ? err : sp_backends_check_twins(doc, root, &own);
}

int sp_backend_list_load(const char *path, const void *bytes, size_t size,
			 const struct sp_config *config, const struct sp_pool_conf *pool,
			 char error[SP_CONFIG_ERROR_MAX], struct sp_backend_list **ret_list)
{
	struct sp_doc doc = { .path = path, .error = error, .config = (struct sp_config *)config };
	struct loaded_list *loaded = calloc(1, sizeof(*loaded));
	int err;

	if (!loaded) {
		snprintf(error, SP_CONFIG_ERROR_MAX, "%s: out of memory", path);
		return -ENOMEM;
	}
	err = sp_doc_open(&doc, bytes, size);
	if (!err) {
		err = list_read(&doc, pool, &loaded->list);
		sp_doc_close(&doc);
	}
	loaded->chunks = doc.chunks;
	if (err)
		sp_backend_list_free(&loaded->list);
	else
		*ret_list = &loaded->list;
	return err;
}

void sp_backend_list_free(struct sp_backend_list *list)
{
	struct loaded_list *loaded = (struct loaded_list *)list; /* first member */

	if (!loaded)
		return;
	sp_chunks_free(loaded->chunks);
	free(loaded);
}
