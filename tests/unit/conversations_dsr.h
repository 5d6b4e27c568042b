/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mode dsr: the same conversations, of which the kernel sees the client's side only. Included by test_telemetry.c. */
#ifndef CANARYD_TESTS_UNIT_CONVERSATIONS_DSR_H
#define CANARYD_TESTS_UNIT_CONVERSATIONS_DSR_H

#include "tests/unit/conversations.h"

#define UP "connections established "
#define PENDING UP "requests "
#define HEARD PENDING "answered "

static const struct conversation dsr_conversations[] = {
	{ "handshake", OPEN, UP "state=1 flows" },
	{ "not answered yet", ">S <SA", "connections state=0" },
	{ "the first acknowledgement comes with the request", ">S <SA >A+100", PENDING "state=3" },
	{ "an acknowledgement of another connection", ">S <SA >A@-70000 >A@70000", "connections state=0" },
	{ "request and response", OK ">A", HEARD "request_bytes=100 state=4" },
	{ "the request is acknowledged, then answered", GET "<A <A+500 >A", HEARD },
	{ "a response in pieces", OK "<A+500 >A <A+500 <A+500 >A >A", HEARD },
	{ "the request goes on after the server took a part", GET "<A >A+100 <A+9 >A", HEARD "request_bytes=200" },
	{ "keep-alive", OK ">A+100 <A+500 >A >A+100 <A+500 >A", UP "requests=3 answered=3" },
	{ "keep-alive, quiet between", OK ">A sweep sweep ~60000 >A+100 <A+500 >A", UP "requests=2 answered=2" },
	{ "the server speaks first", OPEN "<A+50 >A >A+10 <A+20 >A", HEARD },
	{ "request sent again", GET "~200 >A+100@-100 <A+500 >A", HEARD "request_retransmits request_bytes=100" },
	{ "old acknowledgements", OK ">A >A^-500 >A", HEARD },
	{ "preface of HTTP/2", OPEN ">A+24h2 <A+30 >A+100 <A+100 >A+100", UP "multiplexed" },
	{ "client closes", OK ">A >FA <FA >A", HEARD "closed" },
	{ "client closes with the acknowledgement", OK ">FA <FA >A", HEARD "closed" },
	{ "server closes", OK ">A <FA >A >FA <A", HEARD "closed" },
	{ "server closes, client closes with the acknowledgement", OK ">A <FA >FA <A", HEARD "closed" },
	{ "response and FIN in one packet", GET "<FA+500 >A >FA <A", HEARD "closed=0" },
	{ "closes without a request", OPEN ">FA <FA >A", UP "closed" },
	{ "server closes without a request", OPEN "<FA >FA", UP "closed" },
	{ "half-close, then the response", GET ">FA <A+500 >A <A+500 <FA >A", HEARD "closed=0" },
	{ "half-close, then the response, then the FIN", GET ">FA <A+500 >A <FA >A", HEARD "closed" },
	{ "a response of one byte, then another request", GET "<A+1 >A >A+100 <A+1 >A >A+9 <A+2 >A", UP "requests=3 answered=3" },
	{ "a response of one byte, then more", GET "<A+1 >A <A+1 >A", HEARD },
	{ "a response of one byte, then nothing", GET "<A+1 >A ~5001 sweep sweep", PENDING },
	/* failures */
	{ "refused: seen by nobody but the client", ">S <RA ~3001 sweep", "connections syn_timeout" },
	{ "unanswered SYN times out once", ">S ~1000 >S@-1 ~2001 sweep sweep", "connections syn_timeout request_retransmits" },
	{ "answered late", ">S ~3001 sweep <SA >A >A+100 <A+9 >A", HEARD "syn_timeout" },
	{ "reset before the response: found by the sweep", GET "<RA ~5001 sweep sweep", PENDING "response_timeout" },
	{ "a response too late", GET "~5001 sweep <A+500 >A >A+100 <A+500 >A",
	  UP "requests=2 response_timeout late_response answered" },
	{ "empty close", GET "~4 <FA >A >FA", PENDING "empty_close events waited_us=4003 closed" },
	{ "empty close, client closes with the acknowledgement", GET "<FA >FA", PENDING "empty_close events closed" },
	{ "empty close on keep-alive", OK ">A >A+100 <FA >A >FA", UP "requests=2 answered empty_close events closed" },
	{ "empty close after the time-out", GET "~5001 sweep <FA >FA", PENDING "response_timeout closed" },
	{ "half-close, then the server closes without a response", GET ">FA <FA >A", PENDING "abort_waiting closed" },
	{ "half-close, then nothing", GET ">FA ~5001 sweep", PENDING "response_timeout closed=0" },
	{ "client gives up connecting", ">S >R", "connections abort_connect closed" },
	{ "client gives up waiting", GET ">R", PENDING "abort_waiting closed" },
	{ "client gives up waiting, the response is under way", GET ">FA <A+500 >R", PENDING "abort_waiting closed" },
	{ "client gives up during the response", OK ">A <A+500 >R", HEARD "abort_data closed" },
	{ "client resets an idle connection", OK ">A sweep sweep >R", HEARD "closed" },
	/* the table */
	{ "ended flows go after two turns", OK ">A >FA <FA >A sweep sweep", HEARD "flows=0" },
	{ "the server closed first: gone after ten seconds of silence", GET "<FA+500 >A >FA sweep ~9000 sweep ~2001 sweep sweep",
	  HEARD "flows=0" },
	{ "but not before", GET "<FA+500 >A >FA sweep ~9000 sweep sweep", HEARD "flows" },
	{ "a half-closed connection goes on as long as something comes",
	  GET ">FA <A+500 >A sweep ~9000 sweep <A+500 >A sweep ~9000 sweep sweep <A+500 >A sweep", HEARD "flows" },
	{ "idle is not closed", OK ">A sweep ~999000 sweep sweep", HEARD "flows state=2" },
	{ "timed out and silent for a quarter of an hour", GET "~5001 sweep sweep ~901000 sweep sweep",
	  PENDING "response_timeout flows=0" },
	{ "the port is used again before the end is known", GET "<FA+500 >A >FA >S#5000 <SA#5000 >A >A+10 <A+9 >A",
	  "connections=2 established=2 requests=2 answered=2" },
	{ "a SYN with a new number on an established flow", OK ">A >S#99999", HEARD "request_retransmits closed=0" },
	{ "lost track", "gone >A+100 <A+500 >A >A+100 <A+500 >A >FA <FA >A", "lost_track closed" },
};

static const struct conversation dsr_udp_conversations[] = {
	{ "datagrams", ">+40 <+100 >+40 ~5001 sweep sweep", "connections request_bytes=80 flows" },
	{ "idle for two turns", ">+40 ~10001 sweep sweep", "connections flows=0" },
	{ "speaks again", ">+40 ~9000 >+40 ~9000 sweep sweep >+40", "connections flows" },
};

#endif
