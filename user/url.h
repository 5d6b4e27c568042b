/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a text is a URL that fetch.h can ask: for the configuration, before anything is asked. */
#ifndef CANARYD_URL_H
#define CANARYD_URL_H

/* NULL for an http or https URL with a host; else what is wrong with it, and the mend, for the end of a sentence. */
const char *url_problem(const char *url);

#endif
