/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What XDP an interface's driver has, before anything is attached: by generic netlink from the family "netdev", which Linux
 * has since 6.3 (Documentation/netlink/specs/netdev.yaml).
 */
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "doctor_gather.h"

#define NETDEV_DEV_GET 1
#define NETDEV_IFINDEX 1
#define NETDEV_XDP_FEATURES 3
#define XDP_FEATURE_BASIC 1
#define XDP_FEATURE_RX_SG 32

struct message {
	struct nlmsghdr header;
	struct genlmsghdr generic;
	char data[4096];
};

/* Sends a message with one attribute; the answer takes its place. The answer's length in data, or -1. */
static int ask(int fd, struct message *message, uint16_t type, uint8_t command, uint16_t attribute, const void *value,
	       size_t size)
{
	struct nlattr head = { .nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = attribute };
	ssize_t n;

	memset(message, 0, sizeof(*message));
	memcpy(message->data, &head, sizeof(head));
	memcpy(message->data + NLA_HDRLEN, value, size);
	message->header.nlmsg_len = (uint32_t)(NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(head.nla_len));
	message->header.nlmsg_type = type;
	message->header.nlmsg_flags = NLM_F_REQUEST;
	message->generic.cmd = command;
	message->generic.version = 1;
	if (send(fd, message, message->header.nlmsg_len, 0) < 0)
		return -1;
	n = recv(fd, message, sizeof(*message), 0);
	if (n < (ssize_t)NLMSG_LENGTH(GENL_HDRLEN) || message->header.nlmsg_type == NLMSG_ERROR)
		return -1;
	return (int)(n - NLMSG_LENGTH(GENL_HDRLEN));
}

/* Copies an attribute of `size` bytes. */
static bool find(const struct message *message, int length, uint16_t attribute, void *ret, size_t size)
{
	for (int at = 0; at + NLA_HDRLEN <= length;) {
		struct nlattr head;

		memcpy(&head, message->data + at, sizeof(head));
		if (head.nla_len < NLA_HDRLEN || at + head.nla_len > length)
			return false;
		if ((head.nla_type & NLA_TYPE_MASK) == attribute && head.nla_len >= NLA_HDRLEN + size) {
			memcpy(ret, message->data + at + NLA_HDRLEN, size);
			return true;
		}
		at += NLA_ALIGN(head.nla_len);
	}
	return false;
}

static int open_socket(void)
{
	struct timeval patience = { .tv_sec = 2 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

int doctor_xdp_features(unsigned ifindex, int *ret_several_buffers)
{
	static const char family[] = "netdev";
	struct message message;
	uint64_t features;
	uint16_t id;
	int fd = open_socket(), length, native = -1;

	if (fd < 0)
		return -1;
	length = ask(fd, &message, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, family, sizeof(family));
	if (length >= 0 && find(&message, length, CTRL_ATTR_FAMILY_ID, &id, sizeof(id))) {
		length = ask(fd, &message, id, NETDEV_DEV_GET, NETDEV_IFINDEX, &ifindex, sizeof(ifindex));
		if (length >= 0 && find(&message, length, NETDEV_XDP_FEATURES, &features, sizeof(features))) {
			native = !!(features & XDP_FEATURE_BASIC);
			*ret_several_buffers = !!(features & XDP_FEATURE_RX_SG);
		}
	}
	close(fd);
	return native;
}
