/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/lab/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_A_ROUND 256
#define FILES_WANTED 200000

uint64_t loop_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* As many files as wanted where the process may raise its hard limit, else as many as the hard limit allows. */
static void raise_files(void)
{
	struct rlimit now, wanted = {.rlim_cur = FILES_WANTED, .rlim_max = FILES_WANTED};

	if (getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_cur >= FILES_WANTED)
		return;
	if (now.rlim_max > wanted.rlim_max)
		wanted.rlim_max = now.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		return;
	now.rlim_cur = now.rlim_max;
	setrlimit(RLIMIT_NOFILE, &now);
}

int loop_init(struct loop *loop)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	sigset_t ends;

	*loop = (struct loop){.epoll_fd = -1, .signal_fd = -1};
	raise_files();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0 || sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
		return -errno;
	loop->signal_fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signal_fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->signal_fd, &event) < 0)
		return -errno;
	return 0;
}

void loop_deinit(struct loop *loop)
{
	if (loop->signal_fd >= 0)
		close(loop->signal_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop->heap);
	*loop = (struct loop){.epoll_fd = -1, .signal_fd = -1};
}

int loop_watch(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0)
		return 0;
	if (errno != ENOENT || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
		return -errno;
	return 0;
}

void loop_close(struct loop *loop, struct loop_watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	close(watch->fd);
	watch->fd = -1;
}

/* ---- timers: a binary heap from 1, the earliest on top ---- */

static void put(struct loop *loop, size_t place, struct loop_timer *timer)
{
	loop->heap[place] = timer;
	timer->place = place;
}

static void sift_up(struct loop *loop, size_t place, struct loop_timer *timer)
{
	for (; place > 1 && loop->heap[place / 2]->due_ns > timer->due_ns; place /= 2)
		put(loop, place, loop->heap[place / 2]);
	put(loop, place, timer);
}

static void sift_down(struct loop *loop, size_t place, struct loop_timer *timer)
{
	size_t child;

	for (; (child = place * 2) <= loop->timers; place = child) {
		if (child < loop->timers && loop->heap[child + 1]->due_ns < loop->heap[child]->due_ns)
			child++;
		if (loop->heap[child]->due_ns >= timer->due_ns)
			break;
		put(loop, place, loop->heap[child]);
	}
	put(loop, place, timer);
}

static int make_room(struct loop *loop)
{
	size_t room = loop->room ? loop->room * 2 : 1024;
	struct loop_timer **heap;

	if (loop->timers + 1 < loop->room)
		return 0;
	heap = realloc(loop->heap, room * sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	loop->heap = heap;
	loop->room = room;
	return 0;
}

int loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t due_ns)
{
	int r;

	loop_disarm(loop, timer);
	r = make_room(loop);
	if (r < 0)
		return r;
	timer->due_ns = due_ns;
	sift_up(loop, ++loop->timers, timer);
	return 0;
}

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
	size_t place = timer->place;
	struct loop_timer *last;

	if (!place)
		return;
	timer->place = 0;
	last = loop->heap[loop->timers--];
	if (last == timer)
		return;
	if (place > 1 && loop->heap[place / 2]->due_ns > last->due_ns)
		sift_up(loop, place, last);
	else
		sift_down(loop, place, last);
}

static void run_due(struct loop *loop)
{
	uint64_t now_ns = loop_now_ns();

	while (loop->timers && loop->heap[1]->due_ns <= now_ns && !loop->stop) {
		struct loop_timer *timer = loop->heap[1];

		loop_disarm(loop, timer);
		timer->on_due(timer, now_ns);
	}
}

static int wait_for(struct loop *loop, struct epoll_event *events)
{
	struct timespec timeout = {0};
	uint64_t now_ns = loop_now_ns();

	if (!loop->timers)
		return epoll_pwait2(loop->epoll_fd, events, EVENTS_A_ROUND, NULL, NULL);
	if (loop->heap[1]->due_ns > now_ns) {
		timeout.tv_sec = (time_t)((loop->heap[1]->due_ns - now_ns) / 1000000000u);
		timeout.tv_nsec = (long)((loop->heap[1]->due_ns - now_ns) % 1000000000u);
	}
	return epoll_pwait2(loop->epoll_fd, events, EVENTS_A_ROUND, &timeout, NULL);
}

static void take_signal(struct loop *loop)
{
	struct signalfd_siginfo info;

	while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (loop->on_end)
			loop->on_end(loop);
		else
			loop->stop = true;
	}
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[EVENTS_A_ROUND];

	while (!loop->stop) {
		int n = wait_for(loop, events);
		bool signalled = false;

		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			struct loop_watch *watch = events[i].data.ptr;

			if (watch)
				watch->on_ready(watch, events[i].events);
			else
				signalled = true;
		}
		if (signalled)
			take_signal(loop);
		run_due(loop);
	}
	return 0;
}
