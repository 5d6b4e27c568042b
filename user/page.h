/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of the live page (user/page/ and the chart library), which the build puts into the daemon. */
#ifndef CANARYD_PAGE_H
#define CANARYD_PAGE_H

#include <stddef.h>

struct page_file {
	const char *path; /* as a browser asks for it: "/" is the page itself */
	const char *content_type;
	const char *text; /* `size` bytes, no final NUL; static */
	size_t size;
};

/* -ENOENT: the page has no such file. */
int page_find(const char *path, struct page_file *ret);

#endif
