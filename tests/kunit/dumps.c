// SPDX-License-Identifier: GPL-2.0
/*
 * Dumps through netlink, while objects come, go and change: what they list, and
 * when they are marked as interrupted.
 */

#include <linux/sort.h>
#include <net/netlink.h>
#include <rdma/ib_verbs.h>
#include "counted_qp.h"
#include "faults.h"
#include "netlink.h"
#include "registered_device.h"

#define NAME	"mock_ulp"
#define MRS	200

struct mrs {
	struct verbs_device *dev;
	struct ib_pd *pd;
	int nr;
	struct ib_mr *mr[MRS];
};

static void destroy_mrs(void *data)
{
	struct mrs *mrs = data;

	while (mrs->nr)
		ib_dereg_mr(mrs->mr[--mrs->nr]);
	ib_dealloc_pd(mrs->pd);
}

static void add_mr(struct kunit *test, struct mrs *mrs)
{
	struct ib_mr *mr = ib_alloc_mr(mrs->pd, IB_MR_TYPE_MEM_REG, 1);

	KUNIT_ASSERT_FALSE(test, IS_ERR(mr));
	mrs->mr[mrs->nr++] = mr;
}

/* Makes a registered device with @nr memory regions. */
static struct mrs *make_mrs(struct kunit *test, int nr)
{
	struct mrs *mrs = kunit_kzalloc(test, sizeof(*mrs), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mrs);
	mrs->dev = registered_device(test);
	mrs->pd = __ib_alloc_pd(&mrs->dev->ib, 0, NAME);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mrs->pd));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, destroy_mrs, mrs));
	while (nr--)
		add_mr(test, mrs);
	return mrs;
}

/* Expects a list of the first @nr MRs in order, without the one of index @left_out. */
static void expect_listed(struct kunit *test, struct listing *listing, struct mrs *mrs,
			  int nr, int left_out)
{
	int i, n = 0;

	KUNIT_EXPECT_EQ(test, listing->error, 0);
	/* readers drop what comes after a marked message */
	KUNIT_EXPECT_FALSE(test, listing->marked_early);
	KUNIT_EXPECT_EQ(test, listing->nr, nr - (left_out >= 0));
	for (i = 0; i < nr; i++) {
		if (i == left_out)
			continue;
		KUNIT_EXPECT_EQ(test, listing->numbers[n++], mrs->mr[i]->res.id);
	}
}

static struct listing *list_mrs(struct kunit *test, struct mrs *mrs)
{
	struct listing *listing = BEGIN_LISTING(test, mrs->dev, MR, MRN, 0);

	finish_listing(test, listing);
	return listing;
}

static void list_ascends_and_is_a_snapshot(struct kunit *test)
{
	struct mrs *mrs = make_mrs(test, MRS - 1);
	struct listing *listing = BEGIN_LISTING(test, mrs->dev, MR, MRN, 0);

	add_mr(test, mrs);
	finish_listing(test, listing);
	expect_listed(test, listing, mrs, MRS - 1, -1);
	KUNIT_EXPECT_FALSE(test, listing->interrupted);
	expect_listed(test, list_mrs(test, mrs), mrs, MRS, -1);
}

/* A QP that came later, with the number of one that went. */
static void successor_with_a_reused_number_is_not_listed(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct counted_qp *first[100], *old;
	struct listing *listing;
	int i;

	for (i = 0; i < ARRAY_SIZE(first); i++)
		first[i] = new_qp(test, dev, NULL, IB_QPT_RC, false);
	old = first[ARRAY_SIZE(first) - 1];
	listing = BEGIN_LISTING(test, dev, QP, LQPN, 0);
	kunit_release_action(test, destroy_qp, old);
	dev->last_qp--;
	KUNIT_EXPECT_EQ(test, new_qp(test, dev, NULL, IB_QPT_RC, false)->number, old->number);
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_FALSE(test, listing->interrupted);
	KUNIT_EXPECT_EQ(test, listing->nr, ARRAY_SIZE(first) - 1);
}

/* The types of the QPs in a list. */
struct qp_types {
	int nr;
	u8 type[8];
};

static void note_type(void *data, struct nlattr *object)
{
	struct nlattr *type = nla_find_nested(object, RDMA_NLDEV_ATTR_RES_TYPE);
	struct qp_types *types = data;

	if (type && types->nr < ARRAY_SIZE(types->type))
		types->type[types->nr++] = nla_get_u8(type);
}

/* By number, then by age. Special QPs have their port in the top byte of theirs. */
static void order_is_by_number_and_age(struct kunit *test)
{
	static const u8 order[] = { IB_QPT_UC, IB_QPT_RC, IB_QPT_UD, IB_QPT_RAW_PACKET, IB_QPT_GSI };
	struct verbs_device *dev = registered_device(test);
	struct qp_types types = { };
	struct listing *listing;

	new_qp(test, dev, NULL, IB_QPT_GSI, false);
	dev->last_qp = 7;
	new_qp(test, dev, NULL, IB_QPT_RC, false);
	dev->last_qp = 7;
	new_qp(test, dev, NULL, IB_QPT_UD, false);
	dev->last_qp = 7;
	new_qp(test, dev, NULL, IB_QPT_RAW_PACKET, false);
	dev->last_qp = 6;
	new_qp(test, dev, NULL, IB_QPT_UC, false);
	listing = BEGIN_LISTING(test, dev, QP, LQPN, 0);
	listing->look = note_type;
	listing->data = &types;
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_EQ(test, types.nr, ARRAY_SIZE(order));
	KUNIT_EXPECT_MEMEQ(test, types.type, order, sizeof(order));
}

/* The sync lasts from before the first message to after the last one. */
static void sync_during_a_dump_marks_it(struct kunit *test)
{
	struct mrs *mrs = make_mrs(test, MRS);
	struct mock_owner *changer = mock_owner(test);
	struct rdma_restrack_entry *res = &mrs->mr[2]->res;
	struct listing *listing;
	struct mock_call *call;

	KUNIT_EXPECT_FALSE(test, list_mrs(test, mrs)->interrupted);
	KUNIT_ASSERT_EQ(test, rdma_restrack_get(res), 1);
	call = mock_start(test, changer, mock_sync, res);
	KUNIT_EXPECT_TRUE(test, mock_await(!mock_found(&mrs->dev->ib, res)));
	listing = list_mrs(test, mrs);
	expect_listed(test, listing, mrs, MRS, 2);
	KUNIT_EXPECT_GT(test, listing->messages, 1);
	KUNIT_EXPECT_TRUE(test, listing->interrupted);
	rdma_restrack_put(res);
	mock_finish(test, call);
	listing = list_mrs(test, mrs);
	expect_listed(test, listing, mrs, MRS, -1);
	KUNIT_EXPECT_FALSE(test, listing->interrupted);
}

/* An object that is being deleted need not be listed, even if that takes long. */
static void deletion_does_not_mark_a_dump(struct kunit *test)
{
	struct mrs *mrs = make_mrs(test, 5);
	struct rdma_restrack_entry *res = &mrs->mr[4]->res;
	struct listing *listing;

	rdma_restrack_begin_del(res);
	listing = list_mrs(test, mrs);
	expect_listed(test, listing, mrs, 5, 4);
	KUNIT_EXPECT_FALSE(test, listing->interrupted);
	rdma_restrack_abort_del(res);
	/* the abort was before this dump */
	listing = list_mrs(test, mrs);
	expect_listed(test, listing, mrs, 5, -1);
	KUNIT_EXPECT_FALSE(test, listing->interrupted);
}

static void aborted_deletion_marks_the_dump_that_missed_the_object(struct kunit *test)
{
	struct mrs *mrs = make_mrs(test, MRS);
	struct rdma_restrack_entry *first = &mrs->mr[0]->res, *last = &mrs->mr[MRS - 1]->res;
	struct listing *listing;

	rdma_restrack_begin_del(first);
	listing = BEGIN_LISTING(test, mrs->dev, MR, MRN, 0);
	rdma_restrack_abort_del(first);
	finish_listing(test, listing);
	expect_listed(test, listing, mrs, MRS, 0);
	KUNIT_EXPECT_TRUE(test, listing->interrupted);

	/* an object that is back before its turn is listed */
	rdma_restrack_begin_del(last);
	listing = BEGIN_LISTING(test, mrs->dev, MR, MRN, 0);
	rdma_restrack_abort_del(last);
	finish_listing(test, listing);
	expect_listed(test, listing, mrs, MRS, -1);
	KUNIT_EXPECT_FALSE(test, listing->interrupted);
}

/* The objects before it are listed, then the list ends with the driver's error. */
static void object_that_cannot_be_described_ends_the_list(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct counted_qp *qps[3];
	struct listing *listing;
	int i;

	for (i = 0; i < ARRAY_SIZE(qps); i++) {
		qps[i] = new_qp(test, dev, NULL, IB_QPT_RC, false);
		/* sets the port, which a lookup needs */
		init_qp(test, qps[i], NULL);
	}
	dev->bad_qp = qps[1]->number;
	dev->query_error = -EIO;
	listing = BEGIN_LISTING(test, dev, QP, LQPN, 0);
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, -EIO);
	KUNIT_EXPECT_FALSE(test, listing->interrupted);
	KUNIT_EXPECT_EQ(test, listing->nr, 1);
	KUNIT_EXPECT_EQ(test, listing->numbers[0], qps[0]->number);
	for (i = 0; i < ARRAY_SIZE(qps); i++)
		expect_unreferenced(test, qps[i]);
	KUNIT_EXPECT_EQ(test, ASK(test, dev, RES_QP_GET, NULL, ON_PORT(PORT),
				  QP(qps[1]->number)), -EIO);
	expect_unreferenced(test, qps[1]);

	dev->query_error = 0;
	listing = BEGIN_LISTING(test, dev, QP, LQPN, 0);
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_EQ(test, listing->nr, 3);
}

static int cmp_number(const void *a, const void *b)
{
	return cmp_int(*(const u32 *)a, *(const u32 *)b);
}

/*
 * Without memory for its keys a dump lists all objects in the order of the hash
 * table. Without memory for a message it fails.
 */
static void dump_without_memory_is_whole(struct kunit *test)
{
	struct mrs *mrs = make_mrs(test, MRS);
	struct listing *listing;
	int n, whole = 0;

	faults_needed(test);
	for (n = 1; n < MANY_FAULTS; n++) {
		listing = BEGIN_LISTING(test, mrs->dev, MR, MRN, n);
		finish_listing(test, listing);
		if (!listing->hit)
			break;
		if (listing->error)
			continue;
		whole++;
		sort(listing->numbers, listing->nr, sizeof(u32), cmp_number, NULL);
		expect_listed(test, listing, mrs, MRS, -1);
		KUNIT_EXPECT_FALSE(test, listing->interrupted);
	}
	KUNIT_EXPECT_LT(test, n, MANY_FAULTS);
	KUNIT_EXPECT_GT(test, whole, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(list_ascends_and_is_a_snapshot),
	KUNIT_CASE(successor_with_a_reused_number_is_not_listed),
	KUNIT_CASE(order_is_by_number_and_age),
	KUNIT_CASE(sync_during_a_dump_marks_it),
	KUNIT_CASE(deletion_does_not_mark_a_dump),
	KUNIT_CASE(aborted_deletion_marks_the_dump_that_missed_the_object),
	KUNIT_CASE(object_that_cannot_be_described_ends_the_list),
	KUNIT_CASE(dump_without_memory_is_whole),
	{ }
};

static struct kunit_suite suite = {
	.name = "restrack_c_dumps",
	.test_cases = cases,
};
kunit_test_suite(suite);
