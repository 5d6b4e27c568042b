/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ESCAPE '\033'
#define TONE_OFF "\033[0m"

static volatile sig_atomic_t over;

static void on_signal(int signal)
{
	if (signal != SIGWINCH)
		over = 1;
}

void screen_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	over = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
}

bool screen_is_over(void)
{
	return over;
}

void screen_open(struct screen *screen, FILE *out)
{
	struct termios raw;

	screen_catch_signals();
	*screen = (struct screen){ .out = out };
	screen->keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->before) == 0;
	if (screen->keys) {
		raw = screen->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs("\033[?1049h\033[?25l\033[2J", out);
}

void screen_close(struct screen *screen, const char *last)
{
	fprintf(screen->out, "\033[?25h\033[?1049l%s", last ?: "");
	fflush(screen->out);
	if (screen->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
}

/* The bytes of a sequence ESC [ … letter, or 0. */
static size_t sequence(const char *text)
{
	size_t length;

	if (text[0] != ESCAPE || text[1] != '[')
		return 0;
	length = 2 + strspn(text + 2, "0123456789;?");
	return text[length] ? length + 1 : length;
}

size_t screen_clip(const char *line, unsigned columns)
{
	size_t length = 0, step;
	unsigned cells = 0;

	while (line[length] && line[length] != '\n') {
		step = sequence(line + length);
		if (step == 0) {
			if (cells++ == columns)
				break;
			step = 1;
			while ((line[length + step] & 0xc0) == 0x80)
				step++;
		}
		length += step;
	}
	return length;
}

static void size_of(FILE *out, unsigned *ret_lines, unsigned *ret_columns)
{
	struct winsize size = { 0 };

	*ret_lines = 24;
	*ret_columns = 80;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_row > 1 && size.ws_col > 1) {
		*ret_lines = size.ws_row;
		*ret_columns = size.ws_col;
	}
}

void screen_draw(const struct screen *screen, const char *text, const char *footer)
{
	unsigned lines, columns, line = 0;
	char bottom[256];

	size_of(screen->out, &lines, &columns);
	fputs("\033[H", screen->out);
	while (*text && line + 1 < lines) {
		fprintf(screen->out, "%.*s" TONE_OFF "\033[K\n", (int)screen_clip(text, columns), text);
		text += strcspn(text, "\n");
		text += *text == '\n';
		line++;
	}
	snprintf(bottom, sizeof(bottom), "%s%s", *text ? "\033[1mmore than fits: enlarge the terminal\033[0m   " : "", footer);
	fprintf(screen->out, "\033[J\033[%u;1H%.*s" TONE_OFF, lines, (int)screen_clip(bottom, columns), bottom);
	fflush(screen->out);
}

static int arrow(const char *bytes, ssize_t n)
{
	if (n == 3 && bytes[0] == ESCAPE && (bytes[1] == '[' || bytes[1] == 'O')) {
		if (bytes[2] == 'C')
			return SCREEN_RIGHT;
		if (bytes[2] == 'D')
			return SCREEN_LEFT;
	}
	return SCREEN_OTHER;
}

int screen_read(const struct screen *screen, int timeout_ms)
{
	struct pollfd in = { .fd = screen->keys ? STDIN_FILENO : -1, .events = POLLIN };
	int r = over ? 0 : poll(&in, 1, timeout_ms);
	char bytes[8];
	ssize_t n;

	if (over)
		return SCREEN_END;
	if (r <= 0)
		return SCREEN_NOTHING;
	n = read(STDIN_FILENO, bytes, sizeof(bytes));
	if (n <= 0)
		return n < 0 && errno == EINTR ? SCREEN_NOTHING : SCREEN_END;
	return n == 1 && bytes[0] != ESCAPE ? bytes[0] : arrow(bytes, n);
}
