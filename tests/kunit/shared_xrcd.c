// SPDX-License-Identifier: GPL-2.0
/*
 * XRC domains that processes share through a file, as libraries do: who opens one for
 * the same inode gets the same domain. It is one object, and belongs to who made it,
 * until the last one has closed it.
 */

#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/shmem_fs.h>
#include <net/netlink.h>
#include "netlink.h"
#include "registered_device.h"
#include "uverbs.h"

struct sharer {
	struct mock_owner *owner;
	struct uverbs *u;
	/* what open_xrcd() opened last */
	u32 xrcd;
};

/* Two processes with the device open, and two files that may stand for a domain. */
struct scene {
	struct verbs_device *dev;
	struct sharer maker, other;
	int fd, other_fd;
};

static void close_fd_of_all(void *fd)
{
	close_fd((long)fd);
}

/* Kernel threads share their files, so the number is the same for all of them. */
static int make_file(struct kunit *test)
{
	struct file *file = shmem_file_setup("xrcd", 0, EMPTY_VMA_FLAGS);
	int fd;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, file);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, close_fd_of_all,
							   (void *)(long)fd));
	return fd;
}

static void start(struct kunit *test, struct scene *scene, struct sharer *sharer)
{
	sharer->owner = mock_owner(test);
	sharer->u = uverbs_open(test, scene->dev, sharer->owner, NULL);
	KUNIT_ASSERT_EQ(test, uverbs_get_context(sharer->u), 0);
}

static struct scene *new_scene(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	scene->dev = registered_device(test);
	scene->fd = make_file(test);
	scene->other_fd = make_file(test);
	start(test, scene, &scene->maker);
	start(test, scene, &scene->other);
	return scene;
}

static int open_xrcd(struct sharer *sharer, int fd, u32 oflags)
{
	struct ib_uverbs_open_xrcd in = { .fd = fd, .oflags = oflags };
	struct ib_uverbs_open_xrcd_resp out = { };
	int ret = UVERBS_WRITE(sharer->u, OPEN_XRCD, in, out);

	sharer->xrcd = out.xrcd_handle;
	return ret;
}

static int close_xrcd(struct sharer *sharer)
{
	return REQUEST(sharer->u, XRCD, XRCD_DESTROY, USES(DESTROY_XRCD_HANDLE, sharer->xrcd));
}

/* How many there are in the summary, which must agree with the tracker. */
static int xrcds(struct kunit *test, struct scene *scene)
{
	int nr = verbs_count(scene->dev, RDMA_RESTRACK_XRCD);

	KUNIT_EXPECT_EQ(test, summary(test, scene->dev, "xrcd", false), nr);
	return nr;
}

/* Of each process one context, and domains. */
static void expect_held(struct kunit *test, struct scene *scene, int maker, int other)
{
	MOCK_EXPECT_HELD(test, scene->maker.owner, 1 + maker);
	MOCK_EXPECT_HELD(test, scene->other.owner, 1 + other);
}

static void shared_xrcd_is_one_object(struct kunit *test)
{
	struct scene *scene = new_scene(test);
	struct rdma_restrack_entry *res;
	u64 cursor = 0;

	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 0);
	KUNIT_ASSERT_EQ(test, open_xrcd(&scene->maker, scene->fd, O_CREAT), 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 1);
	KUNIT_EXPECT_EQ(test, open_xrcd(&scene->other, scene->fd, O_CREAT), 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 1);
	expect_held(test, scene, 1, 0);
	res = rdma_restrack_next(&scene->dev->ib.res, RDMA_RESTRACK_XRCD, &cursor, false);
	KUNIT_ASSERT_NOT_NULL(test, res);
	KUNIT_EXPECT_PTR_EQ(test, res->task, scene->maker.owner->task);
	rdma_restrack_put(res);

	/* who closes it first does not matter */
	KUNIT_EXPECT_EQ(test, close_xrcd(&scene->other), 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 1);
	KUNIT_EXPECT_EQ(test, open_xrcd(&scene->other, scene->fd, 0), 0);
	KUNIT_EXPECT_EQ(test, close_xrcd(&scene->maker), 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 1);
	expect_held(test, scene, 1, 0);
	KUNIT_EXPECT_EQ(test, close_xrcd(&scene->other), 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 0);
	expect_held(test, scene, 0, 0);
}

static void shared_xrcd_outlives_its_maker(struct kunit *test)
{
	struct scene *scene = new_scene(test);

	KUNIT_ASSERT_EQ(test, open_xrcd(&scene->maker, scene->fd, O_CREAT), 0);
	KUNIT_ASSERT_EQ(test, open_xrcd(&scene->other, scene->fd, 0), 0);
	kunit_release_action(test, uverbs_close, scene->maker.u);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 1);
	/* the domain, but no context */
	MOCK_EXPECT_HELD(test, scene->maker.owner, 1);
	kunit_release_action(test, uverbs_close, scene->other.u);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 0);
	MOCK_EXPECT_HELD(test, scene->maker.owner, 0);
	MOCK_EXPECT_HELD(test, scene->other.owner, 0);
}

static void files_do_not_share_an_xrcd(struct kunit *test)
{
	struct scene *scene = new_scene(test);

	KUNIT_ASSERT_EQ(test, open_xrcd(&scene->maker, scene->fd, O_CREAT), 0);
	KUNIT_EXPECT_EQ(test, open_xrcd(&scene->other, scene->other_fd, O_CREAT), 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 2);
	expect_held(test, scene, 1, 1);
	KUNIT_EXPECT_EQ(test, open_xrcd(&scene->other, -1, 0), 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 3);
	expect_held(test, scene, 1, 2);
}

static void refused_xrcd_changes_nothing(struct kunit *test)
{
	struct scene *scene = new_scene(test);

	/* there is none yet; no such file; there is one */
	KUNIT_EXPECT_EQ(test, open_xrcd(&scene->other, scene->fd, 0), -EAGAIN);
	KUNIT_EXPECT_EQ(test, open_xrcd(&scene->other, 100000, O_CREAT), -EBADF);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 0);
	KUNIT_ASSERT_EQ(test, open_xrcd(&scene->maker, scene->fd, O_CREAT), 0);
	KUNIT_EXPECT_EQ(test, open_xrcd(&scene->other, scene->fd, O_CREAT | O_EXCL), -EINVAL);
	scene->other.u->deaf = true;
	KUNIT_EXPECT_EQ(test, open_xrcd(&scene->other, scene->fd, 0), -EFAULT);
	scene->other.u->deaf = false;
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 1);
	expect_held(test, scene, 1, 0);

	/* the driver refuses the last close; the domain can be shared again */
	scene->dev->destroy_error = -EBUSY;
	KUNIT_EXPECT_EQ(test, close_xrcd(&scene->maker), -EBUSY);
	scene->dev->destroy_error = 0;
	KUNIT_EXPECT_EQ(test, scene->dev->seen, 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 1);
	KUNIT_EXPECT_EQ(test, open_xrcd(&scene->other, scene->fd, 0), 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 1);
	expect_held(test, scene, 1, 0);
}

static int make_target_qp(struct sharer *sharer)
{
	struct ib_uverbs_create_qp in = {
		.pd_handle = sharer->xrcd,
		.qp_type = IB_UVERBS_QPT_XRC_TGT,
	};
	struct ib_uverbs_create_qp_resp out = { };

	return UVERBS_WRITE(sharer->u, CREATE_QP, in, out);
}

static int open_target_qp(struct sharer *sharer, u32 number)
{
	struct ib_uverbs_open_qp in = {
		.pd_handle = sharer->xrcd,
		.qpn = number,
		.qp_type = IB_UVERBS_QPT_XRC_TGT,
	};
	struct ib_uverbs_create_qp_resp out = { };

	return UVERBS_WRITE(sharer->u, OPEN_QP, in, out);
}

static void expect_of_uverbs(void *data, struct nlattr *object)
{
	struct kunit *test = data;
	struct nlattr *name = nla_find_nested(object, RDMA_NLDEV_ATTR_RES_KERN_NAME);

	KUNIT_ASSERT_NOT_NULL(test, name);
	KUNIT_EXPECT_STREQ(test, (char *)nla_data(name), "ib_uverbs");
}

/*
 * It belongs to no process, but to ib_uverbs. Who opens it gets a handle, which is no
 * object of its own.
 */
static void opened_qp_is_tracked_once(struct kunit *test)
{
	struct scene *scene = new_scene(test);
	struct verbs_device *dev = scene->dev;
	struct listing *listing;

	KUNIT_ASSERT_EQ(test, open_xrcd(&scene->maker, scene->fd, O_CREAT), 0);
	KUNIT_ASSERT_EQ(test, open_xrcd(&scene->other, scene->fd, 0), 0);
	KUNIT_ASSERT_EQ(test, make_target_qp(&scene->maker), 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_EQ(test, open_target_qp(&scene->other, dev->qp_num), 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 1);
	expect_held(test, scene, 1, 0);
	kunit_release_action(test, uverbs_close, scene->maker.u);
	listing = BEGIN_LISTING(test, dev, QP, LQPN, 0);
	listing->look = expect_of_uverbs;
	listing->data = test;
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_EQ(test, listing->nr, 1);
	KUNIT_EXPECT_EQ(test, listing->numbers[0], dev->qp_num);
	kunit_release_action(test, uverbs_close, scene->other.u);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, xrcds(test, scene), 0);
	MOCK_EXPECT_HELD(test, scene->maker.owner, 0);
}

static struct kunit_case shared_xrcd_cases[] = {
	KUNIT_CASE(shared_xrcd_is_one_object),
	KUNIT_CASE(shared_xrcd_outlives_its_maker),
	KUNIT_CASE(files_do_not_share_an_xrcd),
	KUNIT_CASE(refused_xrcd_changes_nothing),
	KUNIT_CASE(opened_qp_is_tracked_once),
	{}
};

static struct kunit_suite shared_xrcd_suite = {
	.name = "restrack_c_shared_xrcd",
	.test_cases = shared_xrcd_cases,
};
kunit_test_suite(shared_xrcd_suite);
