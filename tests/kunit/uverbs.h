/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that uses a registered device as a program does: it opens the character
 * device, and makes requests by ioctl from its own memory, until the test ends.
 */

#ifndef _RESTRACK_KUNIT_UVERBS_H_
#define _RESTRACK_KUNIT_UVERBS_H_

#include <linux/cred.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>
#include "mock_owner.h"
#include "verbs_device.h"

struct uverbs {
	struct kunit *test;
	struct mock_owner *owner;
	/* the credentials of the process; NULL for those of kernel threads */
	const struct cred *cred;
	/* a page in user space */
	unsigned long memory;
	struct file *file;
	/* true: answers go to an address that cannot be written */
	bool deaf;
	/* which allocation of the next request fails, see faults.h; true if it did */
	unsigned int fail_nth;
	bool failed;
};

/* The process is in the network namespace of the device. */
struct uverbs *uverbs_open(struct kunit *test, struct verbs_device *dev,
			   struct mock_owner *owner, const struct cred *cred);
void uverbs_close(void *uverbs);

/* An attribute: data to the kernel, data from it, an object, or a new object. */
struct uverbs_given {
	u16 id;
	enum { UVERBS_GIVES, UVERBS_GETS, UVERBS_USES, UVERBS_MAKES } how;
	void *data;
	u16 len;
	u32 handle;
};

#define GIVES(attr, value)	{ UVERBS_ATTR_##attr, UVERBS_GIVES, &(value), sizeof(value) }
#define GETS(attr, value)	{ UVERBS_ATTR_##attr, UVERBS_GETS, &(value), sizeof(value) }
#define USES(attr, number)	{ UVERBS_ATTR_##attr, UVERBS_USES, .handle = number }
#define MAKES(attr, number)	{ UVERBS_ATTR_##attr, UVERBS_MAKES, &(number), sizeof(u32) }

int uverbs_request(struct uverbs *u, u16 object, u16 method,
		   const struct uverbs_given *given, int nr);

#define REQUEST(u, object, method, ...)						\
({										\
	const struct uverbs_given __given[] = { __VA_ARGS__ };			\
										\
	uverbs_request(u, UVERBS_OBJECT_##object, UVERBS_METHOD_##method, __given, \
		       ARRAY_SIZE(__given));					\
})

/* A request of the write interface. */
#define UVERBS_WRITE(u, command, in, out)						\
({										\
	u64 __command = IB_USER_VERBS_CMD_##command;				\
										\
	REQUEST(u, DEVICE, INVOKE_WRITE, GIVES(WRITE_CMD, __command),		\
		GIVES(CORE_IN, in), GETS(CORE_OUT, out));			\
})

int uverbs_get_context(struct uverbs *u);
int uverbs_alloc_pd(struct uverbs *u, u32 *pd);

#endif /* _RESTRACK_KUNIT_UVERBS_H_ */
