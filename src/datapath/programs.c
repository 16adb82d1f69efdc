// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * programs.c - pinned programs, for the next daemon
 *
 * Theory of operation
 *
 * The verifier needs most of the time of a start (0.7 s). Meanwhile clients wait whose requests the
 * daemon must read. So each program is pinned as "prog_NAME_DIGEST", and the next daemon of the
 * same build takes the pinned program. The digest covers the object file, its constants, and the
 * identities of the pinned maps. Another build or a new map changes the digest: then all programs
 * are loaded.
 */
#include "datapath/programs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/response.h"
#include "abi/siphash.h"
#include "base/log.h"
#include "proxy.skel.h"

#define PREFIX		"prog_"
#define DIGEST_CHARS	16
#define PATH_LEN	600

static struct bpf_program *program_at(struct proxy_bpf *skel, enum sp_program which)
{
	switch (which) {
#define X(up, low) case SP_PROGRAM_##up: return skel->progs.low;
	SP_PROGRAMS(X)
#undef X
	case SP_PROGRAM_COUNT: break;
	}
	return NULL;
}

/* ---- the digest ---- */

static __u64 add_word(__u64 digest, __u64 word)
{
	static const __u64 key[2] = { 0x70726f6772616d73, 0x6f6620612064702e };
	const __u64 words[2] = { digest, word };

	return sp_siphash_words(key, words, 2);
}

static __u64 add_bytes(__u64 digest, const void *bytes, size_t len)
{
	__u64 word;

	digest = add_word(digest, len);
	for (size_t at = 0; at < len; at += sizeof(word)) {
		size_t n = len - at < sizeof(word) ? len - at : sizeof(word);

		word = 0;
		memcpy(&word, (const char *)bytes + at, n);
		digest = add_word(digest, word);
	}
	return digest;
}

/* Return: 0: nothing is pinned there. */
static __u32 pinned_id(const char *path)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.id = 0;
	close(fd);
	return info.id;
}

/* Before the load: the object, and its constants. */
static __u64 digest_of_build(struct proxy_bpf *skel)
{
	struct bpf_map *map;
	size_t len;
	const void *bytes = proxy_bpf__elf_bytes(&len);
	__u64 digest = add_bytes(0, bytes, len);

	bpf_object__for_each_map(map, skel->obj) {
		bytes = bpf_map__is_internal(map) ? bpf_map__initial_value(map, &len) : NULL;
		if (bytes)
			digest = add_bytes(digest, bytes, len);
	}
	return digest;
}

/* Return: 0: a map is not pinned. */
static __u64 add_maps(struct proxy_bpf *skel, __u64 digest)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, skel->obj) {
		__u32 id;

		if (bpf_map__is_internal(map) || !bpf_map__autocreate(map))
			continue;
		id = bpf_map__pin_path(map) ? pinned_id(bpf_map__pin_path(map)) : 0;
		if (!id)
			return 0;
		digest = add_word(digest, id);
	}
	return digest;
}

/* ---- pins ---- */

static void pin_path(char path[PATH_LEN], const char *dir, const struct bpf_program *program,
		     __u64 digest)
{
	snprintf(path, PATH_LEN, "%s/" PREFIX "%s_%0*llx", dir, bpf_program__name(program),
		 DIGEST_CHARS, (unsigned long long)digest);
}

/* All programs that are chosen, or none. Return: whether all were found. */
static int find_pinned(struct proxy_bpf *skel, const char *dir, struct sp_programs *programs)
{
	char path[PATH_LEN];

	programs->are_found = 1;
	for (enum sp_program i = 0; i < SP_PROGRAM_COUNT; i++) {
		if (!bpf_program__autoload(program_at(skel, i)))
			continue;
		pin_path(path, dir, program_at(skel, i), programs->digest);
		programs->fd[i] = bpf_obj_get(path);
		if (programs->fd[i] >= 0)
			continue;
		sp_programs_close(programs);
		return 0;
	}
	return 1;
}

static int load_maps_only(struct proxy_bpf *skel)
{
	int err = 0;

	for (enum sp_program i = 0; !err && i < SP_PROGRAM_COUNT; i++)
		err = bpf_program__set_autoload(program_at(skel, i), 0);
	return err ?: proxy_bpf__load(skel);
}

/* Without a pin the next start takes longer. */
static void pin_all(struct proxy_bpf *skel, const char *dir, struct sp_programs *programs)
{
	char path[PATH_LEN];

	for (enum sp_program i = 0; i < SP_PROGRAM_COUNT; i++) {
		programs->fd[i] = bpf_program__fd(program_at(skel, i));
		if (programs->fd[i] < 0 || !programs->digest)
			continue;
		pin_path(path, dir, program_at(skel, i), programs->digest);
		unlink(path);
		if (bpf_obj_pin(programs->fd[i], path))
			log_warn_errno(-errno, "%s: can't pin the program: the next start takes longer",
				       path);
	}
}

static void clear_fds(struct sp_programs *programs)
{
	for (enum sp_program i = 0; i < SP_PROGRAM_COUNT; i++)
		programs->fd[i] = -1;
	programs->are_found = 0;
}

int sp_programs_load(struct proxy_bpf *skel, const char *dir, struct sp_programs *ret_programs)
{
	__u64 build = digest_of_build(skel);
	int err;

	clear_fds(ret_programs);
	ret_programs->digest = add_maps(skel, build);
	if (ret_programs->digest && find_pinned(skel, dir, ret_programs)) {
		log_debug("the programs of a former daemon are of this build, and go on");
		return load_maps_only(skel);
	}
	err = proxy_bpf__load(skel);
	if (err)
		return err;
	ret_programs->digest = add_maps(skel, build);
	pin_all(skel, dir, ret_programs);
	return 0;
}

static int is_of_other(const char *name, __u64 digest)
{
	char own[DIGEST_CHARS + 1];
	size_t len = strlen(name);

	snprintf(own, sizeof(own), "%0*llx", DIGEST_CHARS, (unsigned long long)digest);
	return !strncmp(name, PREFIX, sizeof(PREFIX) - 1) &&
	       (len < DIGEST_CHARS || strcmp(name + len - DIGEST_CHARS, own));
}

void sp_programs_sweep(const struct sp_programs *programs, const char *dir)
{
	DIR *files = opendir(dir);
	struct dirent *entry;

	while (files && (entry = readdir(files)))
		if (is_of_other(entry->d_name, programs->digest))
			unlinkat(dirfd(files), entry->d_name, 0);
	if (files)
		closedir(files);
}

void sp_programs_close(struct sp_programs *programs)
{
	for (enum sp_program i = 0; programs->are_found && i < SP_PROGRAM_COUNT; i++)
		if (programs->fd[i] >= 0)
			close(programs->fd[i]);
	clear_fds(programs);
}
