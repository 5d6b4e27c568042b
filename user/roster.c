/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backends to slots. Samples keep their order nearly always, so the i-th slot is tried first.
 */
#include "user/roster.h"

#include <stdio.h>
#include <string.h>

void roster_turn(struct roster *r)
{
	r->turn++;
}

static bool is(const struct roster_entry *e, const char *address)
{
	return e->turn > 0 && strncmp(e->address, address, sizeof(e->address) - 1) == 0;
}

int roster_find(const struct roster *r, const char *address, unsigned i)
{
	if (i < ROSTER_SLOTS && is(&r->entry[i], address))
		return (int)i;
	for (int slot = 0; slot < ROSTER_SLOTS; slot++)
		if (is(&r->entry[slot], address))
			return slot;
	return -1;
}

static int stalest(const struct roster *r)
{
	int best = 0;

	for (int slot = 1; slot < ROSTER_SLOTS; slot++)
		if (r->entry[slot].turn < r->entry[best].turn)
			best = slot;
	return r->entry[best].turn < r->turn ? best : -1;
}

int roster_slot(struct roster *r, const char *address, unsigned i, bool *ret_new)
{
	int slot = roster_find(r, address, i);
	bool known = slot >= 0;

	if (!known)
		slot = stalest(r);
	if (slot < 0)
		return -1;
	if (!known)
		snprintf(r->entry[slot].address, sizeof(r->entry[slot].address), "%s", address);
	r->entry[slot].turn = r->turn;
	*ret_new = !known;
	return slot;
}
