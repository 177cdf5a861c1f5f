// SPDX-License-Identifier: GPL-2.0
/*
 * The root: init, counting, lookup, and clean with and without leftovers.
 */

#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "kernel_log.h"
#include "mock_device.h"
#include "mock_owner.h"

static void new_root_is_empty(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	u64 cursor;
	int type;

	for (type = 0; type < RDMA_RESTRACK_MAX; type++) {
		KUNIT_EXPECT_EQ(test, mock_count(dev, type), 0);
		KUNIT_EXPECT_EQ(test, mock_count_details(dev, type), 0);
		cursor = 0;
		KUNIT_EXPECT_NULL(test, rdma_restrack_next(&dev->res, type, &cursor, true));
		KUNIT_EXPECT_EQ(test, PTR_ERR(rdma_restrack_get_byid(dev, type, 0)), -ENOENT);
		KUNIT_EXPECT_NE(test, rdma_restrack_generation(&dev->res, type), 0);
	}
}

static void roots_are_apart(struct kunit *test)
{
	struct ib_device *a = mock_device(test);
	struct ib_device *b = mock_device(test);
	struct ib_qp *in_a = mock_tracked_qp(test, a, IB_QPT_RC, 11);
	struct ib_qp *in_b = mock_tracked_qp(test, b, IB_QPT_RC, 11);

	mock_tracked_qp(test, b, IB_QPT_RC, 12);
	KUNIT_EXPECT_EQ(test, mock_count(a, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_EQ(test, mock_count(b, RDMA_RESTRACK_QP), 2);
	KUNIT_EXPECT_TRUE(test, mock_found(a, &in_a->res));
	KUNIT_EXPECT_TRUE(test, mock_found(b, &in_b->res));
	rdma_restrack_del(&in_a->res);
	KUNIT_EXPECT_EQ(test, mock_count(a, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, mock_count(b, RDMA_RESTRACK_QP), 2);
}

static void count_follows_add_and_del(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 500);
	int i;

	for (i = 0; i < crowd->nr; i++) {
		mock_crowd_add(crowd, i, i * 17);
		KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), i + 1);
	}
	for (i = 0; i < crowd->nr; i++) {
		rdma_restrack_del(&crowd->qp[(i * 7 + 3) % crowd->nr].res);
		KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), crowd->nr - i - 1);
	}
}

/* By its own number, and by no other. */
static void lookup_finds_each_of_many(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 1000);
	int i;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, (i * 7919) & 0xffffff);
	for (i = 0; i < crowd->nr; i++) {
		KUNIT_EXPECT_TRUE(test, mock_found(dev, &crowd->qp[i].res));
		KUNIT_EXPECT_EQ(test, PTR_ERR(rdma_restrack_get_byid(dev, RDMA_RESTRACK_QP,
								     0x1000000 + i)), -ENOENT);
	}
	for (i = 0; i < crowd->nr; i += 2)
		rdma_restrack_del(&crowd->qp[i].res);
	for (i = 1; i < crowd->nr; i += 2)
		KUNIT_EXPECT_TRUE(test, mock_found(dev, &crowd->qp[i].res));
	for (i = 0; i < crowd->nr; i += 2)
		KUNIT_EXPECT_EQ(test, PTR_ERR(rdma_restrack_get_byid(dev, RDMA_RESTRACK_QP,
								     (i * 7919) & 0xffffff)),
				-ENOENT);
}

/* Objects that were deleted, or given up before add, are no leftovers. */
static void clean_without_leftovers_is_silent(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *tracked = mock_tracked(test, dev, RDMA_RESTRACK_PD);
	struct rdma_restrack_entry *half = mock_object(test, dev, RDMA_RESTRACK_QP);
	struct rdma_restrack_entry *begun = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct log *log = log_from_here(test);

	rdma_restrack_new(half, RDMA_RESTRACK_QP);
	rdma_restrack_set_name(half, MOCK_NAME);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(half), 1);
	rdma_restrack_begin_del(begun);
	rdma_restrack_commit_del(begun);
	rdma_restrack_del(tracked);

	/* a warning here would end the guest */
	rdma_restrack_clean(&dev->res);
	KUNIT_EXPECT_EQ(test, log_lines(log, "restrack", "leak", ""), 0);
}

#define LEAKED	"rdma_restrack: leaked: "
#define OF_MOCK	", owned by kernel [" MOCK_NAME "], "

static void clean_reports_leftovers(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *mr[2], *gone;
	struct mock_owner *owner = mock_owner(test);
	struct ib_qp *qp = mock_tracked_qp(test, dev, IB_QPT_RC, 4711);
	struct ib_qp *drv = mock_tracked_qp(test, dev, IB_QPT_DRIVER, 815);
	struct log *log;
	char process[64];

	atomic64_set(&opaque_root(&dev->res)->counts[RDMA_RESTRACK_MR].tickets, 987654);
	mr[0] = mock_object(test, dev, RDMA_RESTRACK_MR);
	mock_own(test, owner, mr[0]);
	gone = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	mr[1] = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	rdma_restrack_del(gone);
	snprintf(process, sizeof(process), ", owned by mock_owner (pid %d), ",
		 task_pid_nr(owner->task));

	log = log_from_here(test);
	kunit_warning_suppress(test) {
		rdma_restrack_clean(&dev->res);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_EQ(test, log_lines(log, LEAKED "qp 4711" OF_MOCK, " s old", ""), 1);
	KUNIT_EXPECT_EQ(test, log_lines(log, LEAKED "qp 815" OF_MOCK, " s old", ""), 1);
	KUNIT_EXPECT_EQ(test, log_lines(log, LEAKED "mr 987654", process, " s old"), 1);
	KUNIT_EXPECT_EQ(test, log_lines(log, LEAKED "mr 987655", "", ""), 0);
	KUNIT_EXPECT_EQ(test, log_lines(log, LEAKED "mr 987656" OF_MOCK, " s old", ""), 1);
	KUNIT_EXPECT_EQ(test, log_lines(log, "leak", "", ""), 4);

	KUNIT_EXPECT_FALSE(test, qp->res.valid);
	KUNIT_EXPECT_FALSE(test, drv->res.valid);
	KUNIT_EXPECT_FALSE(test, mr[0]->valid);
	KUNIT_EXPECT_FALSE(test, mr[1]->valid);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_MR), 0);

	/* clean keeps the owner; the later del releases it, once */
	MOCK_EXPECT_HELD(test, owner, 1);
	rdma_restrack_del(mr[0]);
	MOCK_EXPECT_HELD(test, owner, 0);
	rdma_restrack_del(mr[0]);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void clean_unlinks_all_types(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res[MOCK_TYPES];
	int i;

	for (i = 0; i < MOCK_TYPES; i++)
		res[i] = mock_tracked(test, dev, i);
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	for (i = 0; i < MOCK_TYPES; i++) {
		KUNIT_EXPECT_FALSE(test, res[i]->valid);
		KUNIT_EXPECT_EQ(test, mock_count(dev, i), 0);
		KUNIT_EXPECT_EQ(test, mock_walk_length(dev, i), 0);
	}
	for (i = 0; i < ARRAY_SIZE(dev->res.hash); i++)
		KUNIT_EXPECT_TRUE(test, hlist_empty(&dev->res.hash[i]));
}

static void free_device(void *dev)
{
	kfree(dev);
}

/*
 * The memory of the device is filled with poison. All functions for its objects
 * neither read nor write it.
 */
static void objects_that_outlive_their_device_do_not_touch_it(struct kunit *test)
{
	struct ib_device *dev = kzalloc_obj(*dev);
	struct mock_owner *owner = mock_owner(test);
	struct rdma_restrack_entry *res[4];
	int i;

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_device, dev));
	rdma_restrack_init(&dev->res);
	for (i = 0; i < ARRAY_SIZE(res); i++) {
		res[i] = mock_object(test, dev, RDMA_RESTRACK_MR);
		mock_own(test, owner, res[i]);
	}
	rdma_restrack_begin_del(res[2]);
	rdma_restrack_begin_del(res[3]);
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	memset(dev, 0x5a, sizeof(*dev));

	MOCK_EXPECT_HELD(test, owner, 4);
	rdma_restrack_del(res[0]);
	rdma_restrack_sync(res[1]);
	rdma_restrack_begin_del(res[1]);
	rdma_restrack_commit_del(res[1]);
	rdma_restrack_commit_del(res[2]);
	rdma_restrack_abort_del(res[3]);
	rdma_restrack_del(res[3]);
	MOCK_EXPECT_HELD(test, owner, 0);
	for (i = 0; i < ARRAY_SIZE(res); i++)
		KUNIT_EXPECT_FALSE(test, res[i]->valid);
	KUNIT_EXPECT_NULL(test, memchr_inv(dev, 0x5a, sizeof(*dev)));
}

/* It still has a reference when the device is cleaned. */
static void reader_of_a_leftover_is_waited_for(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *owner = mock_owner(test);
	struct mock_call *call;

	mock_own(test, owner, res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	MOCK_EXPECT_HELD(test, owner, 1);
	call = mock_start(test, owner, mock_del, res);
	KUNIT_EXPECT_TRUE(test, mock_blocked(call));
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	mock_finish(test, call);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void leftover_of_years_has_the_right_age(struct kunit *test)
{
	static const u64 days[] = { 1, 49, 50, 60, 5 * 365 };
	struct ib_device *dev = mock_device(test);
	struct log *log;
	char id[16], age[2][16];
	int i;

	for (i = 0; i < ARRAY_SIZE(days); i++) {
		/* private: units of 64 jiffies */
		opaque_entry(&mock_tracked_qp(test, dev, IB_QPT_RC, 7000 + i)->res)->since -=
			days[i] * 86400 * HZ / 64;
	}
	log = log_from_here(test);
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	for (i = 0; i < ARRAY_SIZE(days); i++) {
		snprintf(id, sizeof(id), "qp %d,", 7000 + i);
		snprintf(age[0], sizeof(age[0]), " %llu s old", days[i] * 86400);
		snprintf(age[1], sizeof(age[1]), " %llu s old", days[i] * 86400 + 1);
		KUNIT_EXPECT_EQ(test, log_lines(log, id, age[0], "") +
				log_lines(log, id, age[1], ""), 1);
	}
}

/* The entry at the moment when clean cleared its root. */
struct given_up {
	struct rdma_restrack_entry *res;
	int times;
	bool valid;
};

/*
 * Does what a deletion at that moment may do: the entry is freed. On x86 a
 * watchpoint traps after the write.
 */
static void free_when_given_up(struct perf_event *event, struct perf_sample_data *data,
			       struct pt_regs *regs)
{
	struct given_up *seen = event->overflow_handler_context;

	if (opaque_entry(seen->res)->root)
		return;
	seen->times++;
	seen->valid = seen->res->valid;
	memset(seen->res, 0x5a, sizeof(*seen->res));
}

/*
 * A late del returns when it sees that the root of its entry is NULL, and the entry
 * may be freed. clean once wrote to it after that. A watchpoint on this private
 * member stops clean at that moment.
 */
static void clean_does_not_touch_an_entry_it_gave_up(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct given_up seen = { .res = res };
	struct perf_event * __percpu *watch;
	struct perf_event_attr attr;
	bool untouched;

	hw_breakpoint_init(&attr);
	attr.bp_addr = (unsigned long)&opaque_entry(res)->root;
	attr.bp_len = sizeof(opaque_entry(res)->root);
	attr.bp_type = HW_BREAKPOINT_W;
	watch = register_wide_hw_breakpoint(&attr, free_when_given_up, &seen);
	KUNIT_ASSERT_FALSE(test, IS_ERR_PCPU(watch));
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	unregister_wide_hw_breakpoint(watch);
	untouched = !memchr_inv(res, 0x5a, sizeof(*res));
	/* for mock_forget() */
	memset(res, 0, sizeof(*res));
	KUNIT_EXPECT_EQ(test, seen.times, 1);
	KUNIT_EXPECT_FALSE(test, seen.valid);
	KUNIT_EXPECT_TRUE(test, untouched);
}

/*
 * clean once reset the state of an entry that was being deleted. Then the last
 * reader released the owner instead of waking the deletion.
 */
static void clean_leaves_waiting_deletions_alone(struct kunit *test)
{
	static void (*const ways[])(void *data) = { mock_begin_del, mock_sync, mock_del };
	struct ib_device *dev = mock_device(test);
	struct mock_owner *owner = mock_owner(test);
	struct rdma_restrack_entry *res[ARRAY_SIZE(ways)];
	struct mock_call *call[ARRAY_SIZE(ways)];
	int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		res[i] = mock_object(test, dev, RDMA_RESTRACK_MR);
		mock_own(test, owner, res[i]);
		KUNIT_EXPECT_EQ(test, rdma_restrack_get(res[i]), 1);
		call[i] = mock_start(test, mock_owner(test), ways[i], res[i]);
		KUNIT_EXPECT_TRUE(test, mock_await(!mock_found(dev, res[i])));
		KUNIT_EXPECT_TRUE(test, mock_blocked(call[i]));
	}
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	MOCK_EXPECT_HELD(test, owner, 3);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		KUNIT_EXPECT_EQ(test, rdma_restrack_put(res[i]), 1);
		mock_finish(test, call[i]);
		KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 0);
	}
	MOCK_EXPECT_HELD(test, owner, 2);
	rdma_restrack_commit_del(res[0]);
	rdma_restrack_del(res[1]);
	MOCK_EXPECT_HELD(test, owner, 0);
}

/* Returns true if a reader gets a reference. */
static bool can_be_had(struct rdma_restrack_entry *res)
{
	return rdma_restrack_get(res) && !rdma_restrack_put(res);
}

/* The device is not touched, and readers are waited for. */
static void leftovers_are_deleted_in_every_way(struct kunit *test)
{
	struct ib_device *dev = kzalloc_obj(*dev);
	struct mock_owner *owner = mock_owner(test);
	struct mock_owner *destroyer = mock_owner(test);
	struct rdma_restrack_entry *tracked, *dying, *res[2];
	struct mock_call *call;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_device, dev));
	rdma_restrack_init(&dev->res);
	for (i = 0; i < 2; i++) {
		res[i] = mock_object(test, dev, RDMA_RESTRACK_MR);
		mock_own(test, owner, res[i]);
	}
	tracked = res[0];
	dying = res[1];
	rdma_restrack_begin_del(dying);
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	memset(dev, 0x5a, sizeof(*dev));

	/* begun before clean, aborted after it */
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(dying), 0);
	rdma_restrack_begin_del(dying);
	rdma_restrack_sync(dying);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(dying), 0);
	rdma_restrack_abort_del(dying);

	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_FALSE(test, res[i]->valid);
		KUNIT_EXPECT_TRUE(test, can_be_had(res[i]));
		rdma_restrack_begin_del(res[i]);
		KUNIT_EXPECT_EQ(test, rdma_restrack_get(res[i]), 0);
		rdma_restrack_abort_del(res[i]);
		KUNIT_EXPECT_TRUE(test, can_be_had(res[i]));

		mock_expect_wait(test, destroyer, mock_sync, res[i]);

		KUNIT_EXPECT_EQ(test, rdma_restrack_get(res[i]), 1);
		call = mock_start(test, destroyer, i ? mock_del : mock_begin_del, res[i]);
		KUNIT_EXPECT_TRUE(test, mock_blocked(call));
		MOCK_EXPECT_HELD(test, owner, 2 - i);
		KUNIT_EXPECT_EQ(test, rdma_restrack_put(res[i]), 1);
		mock_finish(test, call);
		rdma_restrack_commit_del(res[i]);
		MOCK_EXPECT_HELD(test, owner, 1 - i);
		KUNIT_EXPECT_EQ(test, rdma_restrack_get(res[i]), 0);
	}
	KUNIT_EXPECT_NULL(test, memchr_inv(dev, 0x5a, sizeof(*dev)));
}

/*
 * CVE-2024-42080: the module that leaked the object was unloaded, and its name
 * freed, before the device is cleaned.
 */
static void name_of_an_unloaded_module_is_not_read(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_qp(test, dev, IB_QPT_RC, 60606);
	struct log *log = log_from_here(test);
	char *name = vmalloc(PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, name);
	strscpy(name, "mock_unloaded", PAGE_SIZE);
	rdma_restrack_new(&qp->res, RDMA_RESTRACK_QP);
	rdma_restrack_set_name(&qp->res, name);
	rdma_restrack_add(&qp->res);
	/* not mapped any more, like the data of an unloaded module */
	vfree(name);
	vm_unmap_aliases();
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	KUNIT_EXPECT_EQ(test, log_lines(log, LEAKED "qp 60606, owned by kernel ",
					"[unloaded module], ", ""), 1);
	KUNIT_EXPECT_EQ(test, log_lines(log, "mock_unloaded", "", ""), 0);
	KUNIT_EXPECT_FALSE(test, qp->res.valid);
}

static void cleaned_root_is_used_again(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_CQ);

	rdma_restrack_del(res);
	rdma_restrack_clean(&dev->res);
	memset(&dev->res, 0, sizeof(dev->res));
	rdma_restrack_init(&dev->res);
	res = mock_tracked(test, dev, RDMA_RESTRACK_CQ);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_CQ), 1);
}

static struct kunit_case root_cases[] = {
	KUNIT_CASE(new_root_is_empty),
	KUNIT_CASE(roots_are_apart),
	KUNIT_CASE(count_follows_add_and_del),
	KUNIT_CASE(lookup_finds_each_of_many),
	KUNIT_CASE(clean_without_leftovers_is_silent),
	KUNIT_CASE(clean_reports_leftovers),
	KUNIT_CASE(clean_unlinks_all_types),
	KUNIT_CASE(objects_that_outlive_their_device_do_not_touch_it),
	KUNIT_CASE(reader_of_a_leftover_is_waited_for),
	KUNIT_CASE(leftover_of_years_has_the_right_age),
	KUNIT_CASE(clean_does_not_touch_an_entry_it_gave_up),
	KUNIT_CASE(clean_leaves_waiting_deletions_alone),
	KUNIT_CASE(leftovers_are_deleted_in_every_way),
	KUNIT_CASE(name_of_an_unloaded_module_is_not_read),
	KUNIT_CASE(cleaned_root_is_used_again),
	{}
};

static struct kunit_suite root_suite = {
	.name = "restrack_c_root",
	.test_cases = root_cases,
};
kunit_test_suite(root_suite);
