/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "user/error.h"

int lock_directory(const char *path, const char *key, int *ret_fd, char **ret_error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return error_set(ret_error, -errno, "cannot open %s %s: %m (run as root, or choose another)", key, path);
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		*ret_fd = fd;
		return 0;
	}
	r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	if (r == -EBUSY)
		return error_set(ret_error, r, "another canaryd uses %s %s (stop it, or set another `%s:`)", key, path, key);
	errno = -r;
	return error_set(ret_error, r, "cannot lock %s %s: %m (choose another)", key, path);
}
