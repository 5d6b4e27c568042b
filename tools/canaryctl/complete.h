/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the shell offers when TAB is pressed, from the table of subcommands and from what the daemon has: services,
 * versions, backends, cohorts, indicators. tools/completion/canaryctl asks by `canaryctl __complete WORD...`.
 */
#ifndef CANARYCTL_COMPLETE_H
#define CANARYCTL_COMPLETE_H

#define COMPLETE_VERB "__complete"
#define COMPLETE_FILE ":file" /* printed in the place of candidates: the name of a file */

struct ctl;

/*
 * Prints what the last of the words may become, one candidate a line (of "--option=value" the value); the words are those
 * behind "canaryctl". Silent where nothing is known, and where the daemon does not answer. Returns one of enum api_exit.
 */
int complete(struct ctl *ctl, char **words, unsigned count);

#endif
