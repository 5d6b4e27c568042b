/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The `traceparent` of an HTTP/1 request (W3C Trace Context), byte by byte, over as many segments as the head of the
 * request takes. Its value is taken as it is: whether it is one is for those to say who show it. Pure.
 */
#ifndef CANARYD_BPF_TRACE_H
#define CANARYD_BPF_TRACE_H

#include "parse.h"

#define TRACE_LIMIT 4096 /* bytes of a request that are looked at */
#define TRACE_NAME_LEN 12

static const char trace_name_bytes[TRACE_NAME_LEN] = "traceparent:";

/* Where in the head the next byte is. Below TRACE_VALUE: so much of the name is there, from the line's beginning on. */
enum trace_at {
	TRACE_VALUE = TRACE_NAME_LEN, /* behind the name: blanks, and the first byte of the text; and so on */
	TRACE_VALUE_END = TRACE_VALUE + CANARY_TRACEPARENT,
	TRACE_METHOD = TRACE_VALUE_END, /* the request's first byte */
	TRACE_LINE,                     /* in a line that is none */
	TRACE_RETURN,                   /* behind a carriage return that began a line */
	TRACE_FOUND,
	TRACE_NONE,
};

/* `traces`, by the flow: its last request's. The request direction writes it; an outcome is told by either. */
struct trace {
	__u64 opened_ns; /* the flow's: another connection of the same addresses has another */
	__u32 turn;      /* which request it is of; 0: it is being written */
	__u32 next;      /* sequence number of the byte to be looked at next */
	__u32 left;      /* bytes to be looked at still */
	__u8 at;         /* enum trace_at */
	__u8 zero[3];
	char text[CANARY_TRACEPARENT + 1];
};

static __always_inline __u8 trace_lower(__u8 c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* A request begins with the segment at `seq`. */
static __always_inline void trace_begin(struct trace *trace, __u64 opened_ns, __u32 turn, __u32 seq)
{
	__builtin_memset(trace, 0, sizeof(*trace));
	trace->opened_ns = opened_ns;
	trace->turn = turn;
	trace->next = seq;
	trace->left = TRACE_LIMIT;
	trace->at = TRACE_METHOD;
}

/*
 * How many bytes of a segment are to be looked at, from `ret_skip` on: what was looked at already comes before. None
 * where a segment is missing, in which a line may begin.
 */
static __always_inline __u32 trace_segment(struct trace *trace, __u32 seq, __u32 len, __u32 *ret_skip)
{
	__u32 skip = trace->next - seq, count;

	if (trace->at >= TRACE_FOUND)
		return 0;
	if (skip >= len) {
		trace->at = TRACE_NONE;
		return 0;
	}
	count = len - skip < trace->left ? len - skip : trace->left;
	trace->next += len - skip;
	trace->left -= count;
	*ret_skip = skip;
	return count;
}

/* A line ends: an empty one ends the head, and a value that was shorter than a traceparent is none. */
static __always_inline void trace_line_end(struct trace *trace)
{
	trace->at = trace->at == 0 || trace->at == TRACE_RETURN ? TRACE_NONE : 0;
}

static __always_inline void trace_name(struct trace *trace, __u8 c)
{
	if (trace->at == 0 && c == '\r')
		trace->at = TRACE_RETURN;
	else if (trace_lower(c) == trace_name_bytes[trace->at])
		trace->at++;
	else
		trace->at = TRACE_LINE;
}

static __always_inline void trace_value(struct trace *trace, __u8 c)
{
	__u32 place = trace->at - TRACE_VALUE;

	if (place == 0 && (c == ' ' || c == '\t'))
		return;
	if (place < CANARY_TRACEPARENT)
		trace->text[place] = c;
	trace->at = place + 1 < CANARY_TRACEPARENT ? trace->at + 1 : TRACE_FOUND;
}

/* The next byte of the head. Once there is an outcome, nothing changes it. */
static __always_inline void trace_byte(struct trace *trace, __u8 c)
{
	if (trace->at >= TRACE_FOUND)
		return;
	if (trace->at == TRACE_METHOD)
		trace->at = c >= 'A' && c <= 'Z' ? TRACE_LINE : TRACE_NONE;
	else if (c == '\n')
		trace_line_end(trace);
	else if (trace->at < TRACE_NAME_LEN)
		trace_name(trace, c);
	else if (trace->at < TRACE_VALUE_END)
		trace_value(trace, c);
	else if (trace->at == TRACE_RETURN)
		trace->at = TRACE_LINE;
}

/* The segment's bytes are over. */
static __always_inline void trace_segment_end(struct trace *trace)
{
	if (!trace->left && trace->at < TRACE_FOUND)
		trace->at = TRACE_NONE;
}

/* Is this the traceparent of the flow's last request? */
static __always_inline bool trace_is_of(const struct trace *trace, __u64 opened_ns, __u32 turn)
{
	return turn && *(volatile __u32 *)&trace->turn == turn && trace->opened_ns == opened_ns &&
	       trace->at == TRACE_FOUND;
}

#endif
