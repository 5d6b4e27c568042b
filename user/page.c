/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/page.h"

#include <errno.h>
#include <string.h>

#define HTML "text/html; charset=utf-8"
#define CSS "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define SVG "image/svg+xml"

/* The path, and the name that the linker gave the file (PAGE_FILES in the Makefile). */
#define PAGE_FILES(X)                                                                                               \
	X("/", index_html, HTML)                                                                                    \
	X("/page.css", page_css, CSS)                                                                               \
	X("/page.js", page_js, SCRIPT)                                                                              \
	X("/fetch.js", fetch_js, SCRIPT)                                                                            \
	X("/flows.js", flows_js, SCRIPT)                                                                            \
	X("/past.js", past_js, SCRIPT)                                                                              \
	X("/words.js", words_js, SCRIPT)                                                                            \
	X("/draw.js", draw_js, SCRIPT)                                                                              \
	X("/view.js", view_js, SCRIPT)                                                                              \
	X("/chart.js", chart_js, SCRIPT)                                                                            \
	X("/icon.svg", icon_svg, SVG)

#define X(path, name, type) extern const char _binary_##name##_start[], _binary_##name##_end[];
PAGE_FILES(X)
#undef X

int page_find(const char *path, struct page_file *ret)
{
	static const struct {
		const char *path, *type, *start, *end;
	} files[] = {
#define X(path, name, type) { path, type, _binary_##name##_start, _binary_##name##_end },
		PAGE_FILES(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		if (strcmp(files[i].path, path))
			continue;
		*ret = (struct page_file){ path, files[i].type, files[i].start, files[i].end - files[i].start };
		return 0;
	}
	return -ENOENT;
}
