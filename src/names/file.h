/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * file.h - the backends_file of a pool: when to read it, and its last good contents. Context: event
 * loop. Reads are of local files, bounded in size.
 */
#ifndef SP_NAMES_FILE_H
#define SP_NAMES_FILE_H

#include <sys/stat.h>

#include "config/config.h"

/*
 * Theory of operation. The directory is watched by inotify, and the file is examined all
 * SP_FILE_POLL_NS, since a watch misses changes behind symbolic links. The file is read
 *
 *	- at once, if it was closed after writing, or came by a rename;
 *	- else if its stat() differs, and is the same at the next look: a writer may be at work.
 *
 * A bad, missing or too long file changes nothing.
 */
#define SP_FILE_POLL_NS	400000000ULL

/* Seen by the watch since the last look: something in the directory, the file was written. */
enum sp_file_poke { SP_FILE_QUIET, SP_FILE_MAYBE, SP_FILE_WRITTEN };

/**
 * struct sp_file - @pool: of the written configuration, borrowed
 * @is_new:	since the last reload
 * @seen:	at the last look; @read: when it was read; both zero at first
 * @wd:		of the watch of its directory; -1: none
 * @list:	NULL: never read well
 * @error:	of the last read; "": none
 * @read_ns:	time of the last good read
 */
struct sp_file {
	const struct sp_pool_conf	*pool;
	struct stat			seen, read;
	enum sp_file_poke		poke;
	int				is_new, is_missing, wd;
	__u64				look_ns, read_ns;
	struct sp_backend_list		*list;
	char				error[SP_CONFIG_ERROR_MAX];
	__u64				reads, failed_reads;
};

/* @config: as written. Return: whether the list has changed. */
int sp_file_read(struct sp_file *file, const struct sp_config *config, __u64 now_ns);

/* Look at the file, and read it if it is due. Return: as sp_file_read(). */
int sp_file_look(struct sp_file *file, const struct sp_config *config, __u64 now_ns);

/* All files of a configuration, for --check. Return: 0 or -EINVAL: a file is bad. Logs. */
int sp_files_check(const struct sp_config *config);

/* Watch the directory, unless it is. @fd: of inotify */
void sp_file_watch(struct sp_file *file, int fd);
/* @event: of inotify, for any directory. */
struct inotify_event;
void sp_file_note(struct sp_file *file, const struct inotify_event *event);

#endif
