/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal's second screen, so that the first one keeps its history: whole pages are drawn over one another without a
 * flicker, cut to the terminal's size of that moment, and keys are read one by one. One at a time.
 */
#ifndef CANARYCTL_SCREEN_H
#define CANARYCTL_SCREEN_H

#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

enum screen_key {
	SCREEN_NOTHING = 0, /* the time is over, or the size has changed */
	SCREEN_END = -1,    /* a signal asks to end, or the terminal is gone */
	SCREEN_LEFT = -2,
	SCREEN_RIGHT = -3,
	SCREEN_OTHER = -4, /* a key that has no character */
};

struct screen {
	FILE *out;
	bool keys; /* standard input is a terminal: its keys are read */
	struct termios before;
};

/* Catches SIGINT, SIGTERM and SIGHUP, so that screen_close() comes to its turn. */
void screen_open(struct screen *screen, FILE *out);

/* Leaves `last` (NULL: nothing) on the first screen. */
void screen_close(struct screen *screen, const char *last);

/* `footer`, one line, is drawn at the bottom; what does not fit above it is left out. Either may have tones. */
void screen_draw(const struct screen *screen, const char *text, const char *footer);

/* A character, or one of enum screen_key. Waits for so long at most. */
int screen_read(const struct screen *screen, int timeout_ms);

/* Without a screen: the same signals, and whether one of them has come. */
void screen_catch_signals(void);
bool screen_is_over(void);

/* The bytes of `line` that fill `columns` cells; its sequences of tones take none. Ends at a line feed. */
size_t screen_clip(const char *line, unsigned columns);

#endif
