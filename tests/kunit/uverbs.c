// SPDX-License-Identifier: GPL-2.0
/*
 * A client of ib_uverbs, see uverbs.h.
 */

#include <kunit/test.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/nsproxy.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include <rdma/rdma_user_ioctl.h>
#include "faults.h"
#include "netlink.h"
#include "uverbs.h"

/* Needed, though no symbol of it is used. */
MODULE_SOFTDEP("pre: ib_uverbs");

/* In the first page, which is never mapped. */
#define NOWHERE	8

struct opening {
	struct uverbs *u;
	const struct path *dev;
	const char *name;
	struct net *net;
	int ret;
};

static const struct cred *become(struct uverbs *u)
{
	return u->cred ? override_creds(u->cred) : NULL;
}

static void unbecome(const struct cred *usual)
{
	if (usual)
		revert_creds(usual);
}

static void do_open(void *data)
{
	struct opening *opening = data;
	struct uverbs *u = opening->u;
	struct nsproxy inside = *current->nsproxy, *outside = current->nsproxy;
	const struct cred *usual;

	opening->ret = kunit_attach_mm();
	if (opening->ret)
		return;
	u->memory = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(u->memory)) {
		opening->ret = u->memory;
		return;
	}

	/* a kernel thread cannot enter another network namespace, so fake it */
	inside.net_ns = opening->net;
	task_lock(current);
	current->nsproxy = &inside;
	task_unlock(current);
	usual = become(u);
	u->file = file_open_root(opening->dev, opening->name, O_RDWR | O_CLOEXEC, 0);
	unbecome(usual);
	task_lock(current);
	current->nsproxy = outside;
	task_unlock(current);
	opening->ret = PTR_ERR_OR_ZERO(u->file);
}

static void do_close(void *data)
{
	struct uverbs *u = data;
	struct mm_struct *mm = current->mm;

	if (!IS_ERR_OR_NULL(u->file))
		__fput_sync(u->file);
	u->file = NULL;
	if (mm) {
		/* the reverse of kunit_attach_mm() */
		kthread_unuse_mm(mm);
		mmput(mm);
	}
}

void uverbs_close(void *data)
{
	struct uverbs *u = data;

	mock_run(u->test, u->owner, do_close, u);
}

/* Asks for the name of the file below /dev, as libraries do. */
static void find_file(struct kunit *test, struct verbs_device *dev, char *name, int room)
{
	const struct given attr[] = {
		DEV(dev),
		{ RDMA_NLDEV_ATTR_CHARDEV_TYPE, .text = "uverbs" },
	};
	struct inquiry inquiry = {
		.dev = dev,
		.op = RDMA_NLDEV_CMD_GET_CHARDEV,
		.attr = attr,
		.nr = ARRAY_SIZE(attr),
		.wanted = RDMA_NLDEV_ATTR_CHARDEV_NAME,
		.into = name,
		.room = room,
	};

	KUNIT_ASSERT_EQ_MSG(test, inquire(test, &inquiry), 0, "is ib_uverbs there?");
}

struct uverbs *uverbs_open(struct kunit *test, struct verbs_device *dev,
			   struct mock_owner *owner, const struct cred *cred)
{
	struct uverbs *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);
	char name[64] = "infiniband/";
	struct opening opening = { .u = u, .name = name };
	struct file_system_type *type = get_fs_type("devtmpfs");
	struct vfsmount *mnt;
	struct path root;

	KUNIT_ASSERT_NOT_NULL(test, u);
	KUNIT_ASSERT_NOT_NULL(test, type);
	u->test = test;
	u->owner = owner;
	u->cred = cred;
	find_file(test, dev, name + strlen(name), sizeof(name) - strlen(name));
	opening.net = read_pnet(&dev->ib.coredev.rdma_net);

	/* kernel threads may not see what is mounted on /dev */
	mnt = kern_mount(type);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mnt);
	root = (struct path){ .mnt = mnt, .dentry = mnt->mnt_root };
	opening.dev = &root;
	mock_run(test, owner, do_open, &opening);
	kern_unmount(mnt);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, uverbs_close, u));
	KUNIT_ASSERT_EQ_MSG(test, opening.ret, 0, "%s", name);
	return u;
}

struct request {
	struct uverbs *u;
	u16 object;
	u16 method;
	const struct uverbs_given *given;
	int nr;
	/* copy of the page in user space */
	struct ib_uverbs_ioctl_hdr *page;
	int ret;
};

/* Writes the attributes, and after them the data that does not fit into them. */
static void fill(struct request *request)
{
	struct ib_uverbs_ioctl_hdr *page = request->page;
	unsigned int i, end = struct_size(page, attrs, request->nr);

	page->length = end;
	page->object_id = request->object;
	page->method_id = request->method;
	page->num_attrs = request->nr;
	page->driver_id = RDMA_DRIVER_UNKNOWN;
	for (i = 0; i < request->nr; i++) {
		const struct uverbs_given *given = &request->given[i];
		struct ib_uverbs_attr *attr = &page->attrs[i];

		attr->attr_id = given->id;
		attr->flags = UVERBS_ATTR_F_MANDATORY;
		if (given->how == UVERBS_USES)
			attr->data = given->handle;
		if (given->how == UVERBS_USES || given->how == UVERBS_MAKES)
			continue;
		attr->len = given->len;
		if (given->how == UVERBS_GIVES && given->len <= sizeof(attr->data)) {
			memcpy(&attr->data, given->data, given->len);
			continue;
		}
		if (given->how == UVERBS_GIVES)
			memcpy((void *)page + end, given->data, given->len);
		attr->data = request->u->memory + end;
		end += ALIGN(given->len, sizeof(u64));
		if (given->how == UVERBS_GETS && request->u->deaf)
			attr->data = NOWHERE;
	}
}

static void read_back(struct request *request)
{
	struct ib_uverbs_ioctl_hdr *page = request->page;
	int i;

	for (i = 0; i < request->nr; i++) {
		const struct uverbs_given *given = &request->given[i];
		struct ib_uverbs_attr *attr = &page->attrs[i];

		if (given->how == UVERBS_MAKES)
			*(u32 *)given->data = attr->data;
		else if (given->how == UVERBS_GETS)
			memcpy(given->data, (void *)page + attr->data - request->u->memory,
			       given->len);
	}
}

static void do_request(void *data)
{
	struct request *request = data;
	struct uverbs *u = request->u;
	void __user *memory = (void __user *)u->memory;
	const struct cred *usual;

	fill(request);
	request->ret = -EFAULT;
	if (copy_to_user(memory, request->page, PAGE_SIZE))
		return;
	usual = become(u);
	fail_nth(u->fail_nth);
	request->ret = u->file->f_op->unlocked_ioctl(u->file, RDMA_VERBS_IOCTL, u->memory);
	u->failed = failed();
	u->fail_nth = 0;
	unbecome(usual);
	if (copy_from_user(request->page, memory, PAGE_SIZE))
		request->ret = -EFAULT;
	if (!request->ret)
		read_back(request);
}

int uverbs_request(struct uverbs *u, u16 object, u16 method,
		   const struct uverbs_given *given, int nr)
{
	struct request request = {
		.u = u,
		.object = object,
		.method = method,
		.given = given,
		.nr = nr,
		.page = kunit_kzalloc(u->test, PAGE_SIZE, GFP_KERNEL),
	};

	KUNIT_ASSERT_NOT_NULL(u->test, request.page);
	mock_run(u->test, u->owner, do_request, &request);
	return request.ret;
}

int uverbs_get_context(struct uverbs *u)
{
	u32 comp_vectors;

	return REQUEST(u, DEVICE, GET_CONTEXT, GETS(GET_CONTEXT_NUM_COMP_VECTORS, comp_vectors));
}

int uverbs_alloc_pd(struct uverbs *u, u32 *pd)
{
	struct ib_uverbs_alloc_pd in = { };
	struct ib_uverbs_alloc_pd_resp out = { };
	int ret = UVERBS_WRITE(u, ALLOC_PD, in, out);

	*pd = out.pd_handle;
	return ret;
}
