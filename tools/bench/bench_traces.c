/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/bench/bench_print.h"

#include <stdio.h>
#include <string.h>

#define BITS 13 /* log2 of the number of flows: fewer than traces are kept */

/* As browsers ask. */
#define HEAD                                                                                                        \
	"GET /api/v1/carts/0af7651916cd43dd/items HTTP/1.1\r\n"                                                     \
	"Host: shop.example\r\n"                                                                                    \
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"                    \
	"Accept: application/json, text/plain, */*\r\n"                                                             \
	"Accept-Language: en-US,en;q=0.5\r\n"                                                                       \
	"Accept-Encoding: gzip, deflate, br\r\n"                                                                    \
	"Referer: https://shop.example/checkout\r\n"                                                                \
	"Connection: keep-alive\r\n"                                                                                \
	"Cookie: session=4bf92f3577b34da6a3ce929d0e0e4736; theme=dark\r\n"
#define TRACEPARENT "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

static void print_row(struct bench *b, bool traces, const char *name, const char *text)
{
	struct result result;

	bench_set_mode(b, CANARY_MODE_DNAT, false);
	bench_set_defence(b, (struct bench_defence){ .traces = traces });
	bench_establish(b, BITS);
	result = bench_measure_requests(b, text, BITS);
	printf("%-48s%7.0f %6.2f\n", name, result.ns, result.units);
}

void bench_print_traces(struct bench *b)
{
	printf("\nFirst packet of a request of %4zu bytes%21s%7s\n", strlen(HEAD TRACEPARENT "\r\n"), "ns", "units");
	print_row(b, false, "no traces are kept", HEAD TRACEPARENT "\r\n");
	print_row(b, true, "traces: its traceparent comes first", "GET / HTTP/1.1\r\n" TRACEPARENT HEAD "\r\n");
	print_row(b, true, "    last", HEAD TRACEPARENT "\r\n");
	print_row(b, true, "    it has none", HEAD "\r\n");
}
