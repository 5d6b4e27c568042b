/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One daemon a directory: two that write to the same pins or the same journal would undo each other's work. */
#ifndef CANARYD_LOCK_H
#define CANARYD_LOCK_H

/*
 * Locks the directory `path` for this process, until *ret_fd is closed. `key` is the configuration's key for it. -EBUSY:
 * another process has it; else a negative errno. *ret_error is a sentence, the caller's to free.
 */
int lock_directory(const char *path, const char *key, int *ret_fd, char **ret_error);

#endif
