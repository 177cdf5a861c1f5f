// SPDX-License-Identifier: GPL-2.0
/*
 * A load for measurements: dumps the protection domains of the only RDMA device
 * over netlink without pause, while there is a device. Ended by SIGTERM, it prints
 * how many dumps it did in a second.
 */

#include <err.h>
#include <errno.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

/* A request or an answer that begins with one number. */
struct message {
	struct nlmsghdr	head;
	struct nlattr	attribute;
	__u32		number;
};

static atomic_int end;

static void told_to_end(int signal)
{
	end = 1;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

/* Returns the number of the device in the last message, or -1 if there is none. */
static long dump(int link, int command, __u32 device)
{
	struct message request = {
		.head.nlmsg_len = sizeof(request),
		.head.nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command),
		.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.attribute.nla_len = NLA_HDRLEN + sizeof(device),
		.attribute.nla_type = RDMA_NLDEV_ATTR_DEV_INDEX,
		.number = device,
	};
	/* as large as the buffer of rdma(8), for messages of the same size */
	_Alignas(struct nlmsghdr) char buffer[4096];
	struct nlmsghdr *head;
	long found = -1, size;

	if (send(link, &request, sizeof(request), 0) < 0)
		err(1, "send");
	for (;;) {
		size = recv(link, buffer, sizeof(buffer), 0);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			err(1, "recv");
		for (head = (void *)buffer; NLMSG_OK(head, size);
		     head = NLMSG_NEXT(head, size)) {
			if (head->nlmsg_type == NLMSG_ERROR)
				return -1;
			if (head->nlmsg_type == NLMSG_DONE)
				return found;
			found = ((struct message *)head)->number;
		}
	}
}

int main(void)
{
	struct sigaction action = { .sa_handler = told_to_end };
	int link = socket(AF_NETLINK, SOCK_RAW, NETLINK_RDMA);
	double first = 0, last = 0;
	unsigned long dumps = 0;
	long device;

	if (link < 0)
		err(1, "socket");
	sigaction(SIGTERM, &action, NULL);
	while (!end) {
		device = dump(link, RDMA_NLDEV_CMD_GET, 0);
		if (device < 0) {
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
			continue;
		}
		first = first ?: now();
		while (!end && dump(link, RDMA_NLDEV_CMD_RES_PD_GET, device) >= 0) {
			last = now();
			dumps++;
		}
	}
	printf("%.0f\n", dumps ? dumps / (last - first) : 0);
	return 0;
}
