/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the client's SYN said: the TCP options that the kernel kept of it, in words. */
#include "tools/lab/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define SYN_MAX 256 /* of an IP header and a TCP header */
#define IPV4_HEADER(first) (((first) & 0x0f) * 4)
#define IPV6_HEADER 40
#define TCP_HEADER 20
#define TCP_OFFSET 12 /* of the byte that begins with the header's length */

#ifndef TCPOPT_FASTOPEN
#define TCPOPT_FASTOPEN 34
#endif

int syn_keep(int listener)
{
	int on = 1;

	return setsockopt(listener, IPPROTO_TCP, TCP_SAVE_SYN, &on, sizeof(on)) < 0 ? -errno : 0;
}

/* One option, `length` bytes with its kind; what is asked for or given is said, what is another each time is not. */
static void print_option(FILE *file, const unsigned char *option, unsigned int length)
{
	if (option[0] == TCPOPT_MAXSEG && length == TCPOLEN_MAXSEG)
		fprintf(file, "mss %u, ", option[2] << 8 | option[3]);
	else if (option[0] == TCPOPT_WINDOW && length == TCPOLEN_WINDOW)
		fprintf(file, "wscale %u, ", option[2]);
	else if (option[0] == TCPOPT_SACK_PERMITTED)
		fputs("sack, ", file);
	else if (option[0] == TCPOPT_TIMESTAMP)
		fputs("ts, ", file);
	else if (option[0] == TCPOPT_FASTOPEN)
		fprintf(file, "fast open %u, ", length - 2);
	else
		fprintf(file, "%u, ", option[0]);
}

static void print_options(FILE *file, const unsigned char *option, size_t length)
{
	while (length && *option != TCPOPT_EOL) {
		size_t size = *option == TCPOPT_NOP ? 1 : length > 1 ? option[1] : 0;

		if (!size || size > length)
			break;
		if (*option != TCPOPT_NOP)
			print_option(file, option, (unsigned int)size);
		option += size;
		length -= size;
	}
}

void syn_read(int connection, char *ret_text, size_t size)
{
	unsigned char syn[SYN_MAX];
	socklen_t length = sizeof(syn);
	size_t tcp, header;
	FILE *file;

	*ret_text = '\0';
	if (getsockopt(connection, IPPROTO_TCP, TCP_SAVED_SYN, syn, &length) < 0 || !length)
		return;
	tcp = syn[0] >> 4 == 4 ? IPV4_HEADER(syn[0]) : IPV6_HEADER;
	if (tcp + TCP_HEADER > length)
		return;
	header = (size_t)(syn[tcp + TCP_OFFSET] >> 4) * 4;
	if (header < TCP_HEADER || tcp + header > length)
		return;
	file = fmemopen(ret_text, size, "w");
	if (!file)
		return;
	print_options(file, syn + tcp + TCP_HEADER, header - TCP_HEADER);
	fclose(file);
	if (strlen(ret_text) >= 2)
		ret_text[strlen(ret_text) - 2] = '\0';
}
