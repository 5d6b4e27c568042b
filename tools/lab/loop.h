/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop of the lab's programs: file descriptors by epoll, timers in a heap, SIGINT and SIGTERM as an end.
 * Watches and timers are embedded in the objects they belong to. An object may be freed in the callback of its own
 * watch, of a timer or of a signal: signals and timers come after the descriptors of a round, never among them.
 */
#ifndef CANARYD_LAB_LOOP_H
#define CANARYD_LAB_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop_watch {
	int fd;
	void (*on_ready)(struct loop_watch *watch, uint32_t events);
};

struct loop_timer {
	uint64_t due_ns;
	size_t place; /* in the heap, from 1; 0: not armed */
	void (*on_due)(struct loop_timer *timer, uint64_t now_ns);
};

struct loop {
	int epoll_fd;
	int signal_fd;
	bool stop; /* set it to leave loop_run() */
	void (*on_end)(struct loop *loop); /* at each SIGINT or SIGTERM; NULL: the loop stops */
	struct loop_timer **heap;
	size_t timers;
	size_t room;
};

/* The object that holds a watch or a timer. */
#define loop_owner(member_pointer, type, member) ((type *)((char *)(member_pointer) - offsetof(type, member)))

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t loop_now_ns(void);

/* Raises RLIMIT_NOFILE as far as allowed, blocks SIGINT and SIGTERM and watches for them. Negative errno on failure. */
int loop_init(struct loop *loop);
void loop_deinit(struct loop *loop);

/* Watches watch->fd for `events` (EPOLLIN …); a second call changes them. Negative errno on failure. */
int loop_watch(struct loop *loop, struct loop_watch *watch, uint32_t events);

/* Takes watch->fd out of the loop and closes it; fd is -1 afterwards. Legal on a closed watch. */
void loop_close(struct loop *loop, struct loop_watch *watch);

/* Arms the timer, or moves it. -ENOMEM if there is no room for another. */
int loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t due_ns);
void loop_disarm(struct loop *loop, struct loop_timer *timer);

/* Runs until loop->stop is set, by a callback or by a signal. Negative errno if waiting failed. */
int loop_run(struct loop *loop);

#endif
