// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "setup/setup.h"

#define KEY_BYTES	16

static int write_key(int fd)
{
	unsigned char key[KEY_BYTES];
	char line[2 * KEY_BYTES + 2];

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	for (int i = 0; i < KEY_BYTES; i++)
		snprintf(line + 2 * i, 3, "%02x", key[i]);
	line[2 * KEY_BYTES] = '\n';
	return write(fd, line, 2 * KEY_BYTES + 1) == 2 * KEY_BYTES + 1 ? 0 : -EIO;
}

int sp_setup_key(const struct sp_setup *s)
{
	int fd = open(s->key_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	err = write_key(fd);
	close(fd);
	if (err)
		unlink(s->key_file);
	return err ?: 1;
}
