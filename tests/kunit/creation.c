// SPDX-License-Identifier: GPL-2.0
/*
 * Every object that a process creates through ib_uverbs, by write and by ioctl: it
 * is tracked, belongs to the process, and goes with it. If the create fails,
 * nothing is tracked and no reference to the process is kept.
 */

#include "faults.h"
#include "netlink.h"
#include "registered_device.h"
#include "uverbs.h"

/* A process, and the objects that others are made from. */
struct maker {
	struct kunit *test;
	struct verbs_device *dev;
	struct mock_owner *owner;
	struct uverbs *u;
	u32 pd, other_pd, cq, xrcd, dm, mr;
};

static int make_pd(struct maker *m, u32 *pd)
{
	return uverbs_alloc_pd(m->u, pd);
}

static int make_cq(struct maker *m, u32 *cq)
{
	struct ib_uverbs_create_cq in = { .cqe = 1, .comp_channel = -1 };
	struct ib_uverbs_create_cq_resp out = { };
	int ret = UVERBS_WRITE(m->u, CREATE_CQ, in, out);

	*cq = out.cq_handle;
	return ret;
}

static int make_cq_by_ioctl(struct maker *m, u32 *cq)
{
	u64 user = 0;
	u32 cqe = 1, vector = 0, got;

	return REQUEST(m->u, CQ, CQ_CREATE, MAKES(CREATE_CQ_HANDLE, *cq),
		       GIVES(CREATE_CQ_CQE, cqe), GIVES(CREATE_CQ_USER_HANDLE, user),
		       GIVES(CREATE_CQ_COMP_VECTOR, vector), GETS(CREATE_CQ_RESP_CQE, got));
}

static int make_mr(struct maker *m, u32 *mr)
{
	struct ib_uverbs_reg_mr in = { .length = 1, .pd_handle = m->pd };
	struct ib_uverbs_reg_mr_resp out = { };
	int ret = UVERBS_WRITE(m->u, REG_MR, in, out);

	*mr = out.mr_handle;
	return ret;
}

static int make_mr_by_ioctl(struct maker *m, u32 *mr)
{
	u64 length = 1, zero = 0;
	u32 access = 0, lkey, rkey;

	return REQUEST(m->u, MR, REG_MR, MAKES(REG_MR_HANDLE, *mr),
		       USES(REG_MR_PD_HANDLE, m->pd), GIVES(REG_MR_IOVA, zero),
		       GIVES(REG_MR_ADDR, zero), GIVES(REG_MR_LENGTH, length),
		       GIVES(REG_MR_ACCESS_FLAGS, access), GETS(REG_MR_RESP_LKEY, lkey),
		       GETS(REG_MR_RESP_RKEY, rkey));
}

static int make_dmabuf_mr(struct maker *m, u32 *mr)
{
	u64 length = 1, zero = 0;
	u32 fd = 0, access = 0, lkey, rkey;

	return REQUEST(m->u, MR, REG_DMABUF_MR, MAKES(REG_DMABUF_MR_HANDLE, *mr),
		       USES(REG_DMABUF_MR_PD_HANDLE, m->pd), GIVES(REG_DMABUF_MR_OFFSET, zero),
		       GIVES(REG_DMABUF_MR_LENGTH, length), GIVES(REG_DMABUF_MR_IOVA, zero),
		       GIVES(REG_DMABUF_MR_FD, fd), GIVES(REG_DMABUF_MR_ACCESS_FLAGS, access),
		       GETS(REG_DMABUF_MR_RESP_LKEY, lkey), GETS(REG_DMABUF_MR_RESP_RKEY, rkey));
}

static int make_dm_mr(struct maker *m, u32 *mr)
{
	u64 offset = 0, length = 1;
	u32 access = IB_ZERO_BASED, lkey, rkey;

	return REQUEST(m->u, MR, DM_MR_REG, MAKES(REG_DM_MR_HANDLE, *mr),
		       GIVES(REG_DM_MR_OFFSET, offset), GIVES(REG_DM_MR_LENGTH, length),
		       USES(REG_DM_MR_PD_HANDLE, m->pd), GIVES(REG_DM_MR_ACCESS_FLAGS, access),
		       USES(REG_DM_MR_DM_HANDLE, m->dm), GETS(REG_DM_MR_RESP_LKEY, lkey),
		       GETS(REG_DM_MR_RESP_RKEY, rkey));
}

static int reregister(struct maker *m, bool another)
{
	struct ib_uverbs_rereg_mr in = {
		.mr_handle = m->mr,
		.flags = IB_MR_REREG_PD,
		.pd_handle = m->pd,
	};
	struct ib_uverbs_rereg_mr_resp out = { };
	u32 pd = m->pd;

	/* the next call moves it back */
	m->pd = m->other_pd;
	m->other_pd = pd;
	in.pd_handle = m->pd;
	m->dev->another_mr = another;
	return UVERBS_WRITE(m->u, REREG_MR, in, out);
}

static int rereg_mr(struct maker *m, u32 *mr)
{
	return reregister(m, false);
}

static int rereg_another_mr(struct maker *m, u32 *mr)
{
	return reregister(m, true);
}

static int make_srq(struct maker *m, u32 *srq)
{
	struct ib_uverbs_create_srq in = { .pd_handle = m->pd, .max_wr = 1, .max_sge = 1 };
	struct ib_uverbs_create_srq_resp out = { };
	int ret = UVERBS_WRITE(m->u, CREATE_SRQ, in, out);

	*srq = out.srq_handle;
	return ret;
}

static int make_xsrq(struct maker *m, u32 *srq)
{
	struct ib_uverbs_create_xsrq in = {
		.srq_type = IB_UVERBS_SRQT_XRC,
		.pd_handle = m->pd,
		.max_wr = 1,
		.max_sge = 1,
		.xrcd_handle = m->xrcd,
		.cq_handle = m->cq,
	};
	struct ib_uverbs_create_srq_resp out = { };
	int ret = UVERBS_WRITE(m->u, CREATE_XSRQ, in, out);

	*srq = out.srq_handle;
	return ret;
}

static int make_srq_by_ioctl(struct maker *m, u32 *srq)
{
	u64 type = IB_UVERBS_SRQT_BASIC, user = 0;
	u32 one = 1, limit = 0, wr, sge;

	return REQUEST(m->u, SRQ, SRQ_CREATE, MAKES(CREATE_SRQ_HANDLE, *srq),
		       USES(CREATE_SRQ_PD_HANDLE, m->pd), GIVES(CREATE_SRQ_TYPE, type),
		       GIVES(CREATE_SRQ_USER_HANDLE, user), GIVES(CREATE_SRQ_MAX_WR, one),
		       GIVES(CREATE_SRQ_MAX_SGE, one), GIVES(CREATE_SRQ_LIMIT, limit),
		       GETS(CREATE_SRQ_RESP_MAX_WR, wr), GETS(CREATE_SRQ_RESP_MAX_SGE, sge));
}

static int make_xrcd(struct maker *m, u32 *xrcd)
{
	struct ib_uverbs_open_xrcd in = { .fd = -1 };
	struct ib_uverbs_open_xrcd_resp out = { };
	int ret = UVERBS_WRITE(m->u, OPEN_XRCD, in, out);

	*xrcd = out.xrcd_handle;
	return ret;
}

static int make_qp(struct maker *m, u32 *qp)
{
	struct ib_uverbs_create_qp in = {
		.pd_handle = m->pd,
		.send_cq_handle = m->cq,
		.recv_cq_handle = m->cq,
		.max_send_wr = 1,
		.max_recv_wr = 1,
		.qp_type = IB_UVERBS_QPT_RC,
	};
	struct ib_uverbs_create_qp_resp out = { };
	int ret = UVERBS_WRITE(m->u, CREATE_QP, in, out);

	*qp = out.qp_handle;
	return ret;
}

static int make_qp_by_ioctl(struct maker *m, u32 *qp)
{
	struct ib_uverbs_qp_cap cap = { .max_send_wr = 1, .max_recv_wr = 1 }, got;
	u64 type = IB_UVERBS_QPT_RC, user = 0;
	u32 number;

	return REQUEST(m->u, QP, QP_CREATE, MAKES(CREATE_QP_HANDLE, *qp),
		       USES(CREATE_QP_PD_HANDLE, m->pd), USES(CREATE_QP_SEND_CQ_HANDLE, m->cq),
		       USES(CREATE_QP_RECV_CQ_HANDLE, m->cq), GIVES(CREATE_QP_USER_HANDLE, user),
		       GIVES(CREATE_QP_CAP, cap), GIVES(CREATE_QP_TYPE, type),
		       GETS(CREATE_QP_RESP_CAP, got), GETS(CREATE_QP_RESP_QP_NUM, number));
}

static int make_dmah(struct maker *m, u32 *dmah)
{
	return REQUEST(m->u, DMAH, DMAH_ALLOC, MAKES(ALLOC_DMAH_HANDLE, *dmah));
}

#ifdef RESTRACK_COMP_CNTR
static int make_comp_cntr(struct maker *m, u32 *cc)
{
	return REQUEST(m->u, COMP_CNTR, COMP_CNTR_CREATE, MAKES(CREATE_COMP_CNTR_HANDLE, *cc));
}
#endif

static const struct way {
	const char *name;
	int (*make)(struct maker *m, u32 *handle);
	enum rdma_restrack_type type;
	/* how many objects it adds; true if the kernel writes no answer */
	int more;
	bool silent;
} ways[] = {
	{ "pd", make_pd, RDMA_RESTRACK_PD, 1 },
	{ "cq", make_cq, RDMA_RESTRACK_CQ, 1 },
	{ "cq by ioctl", make_cq_by_ioctl, RDMA_RESTRACK_CQ, 1 },
	{ "mr", make_mr, RDMA_RESTRACK_MR, 1 },
	{ "mr by ioctl", make_mr_by_ioctl, RDMA_RESTRACK_MR, 1 },
	{ "mr of a dmabuf", make_dmabuf_mr, RDMA_RESTRACK_MR, 1 },
	{ "mr in device memory", make_dm_mr, RDMA_RESTRACK_MR, 1 },
	{ "mr again", rereg_mr, RDMA_RESTRACK_MR, 0 },
	{ "another mr", rereg_another_mr, RDMA_RESTRACK_MR, 0 },
	{ "srq", make_srq, RDMA_RESTRACK_SRQ, 1 },
	{ "xrc srq", make_xsrq, RDMA_RESTRACK_SRQ, 1 },
	{ "srq by ioctl", make_srq_by_ioctl, RDMA_RESTRACK_SRQ, 1 },
	{ "xrcd", make_xrcd, RDMA_RESTRACK_XRCD, 1 },
	{ "qp", make_qp, RDMA_RESTRACK_QP, 1 },
	{ "qp by ioctl", make_qp_by_ioctl, RDMA_RESTRACK_QP, 1 },
	{ "dma handle", make_dmah, RDMA_RESTRACK_DMAH, 1, true },
#ifdef RESTRACK_COMP_CNTR
	{ "completion counter", make_comp_cntr, RDMA_RESTRACK_COMP_CNTR, 1, true },
#endif
};

static void way_describe(const struct way *way, char *desc)
{
	strscpy(desc, way->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(way, ways, way_describe);

/* The ways with an answer. */
static const void *answer_gen_params(struct kunit *test, const void *prev, char *desc)
{
	const struct way *way = prev;

	do
		way = way_gen_params(test, way, desc);
	while (way && way->silent);
	return way;
}

/* Expects that the process is held once for each object of the device, and no more. */
static int expect_all_held(struct maker *m)
{
	int type, all = 0;

	for (type = 0; type < RDMA_RESTRACK_MAX; type++)
		all += verbs_count(m->dev, type);
	MOCK_EXPECT_HELD(m->test, m->owner, all);
	return all;
}

static struct maker *new_process(struct kunit *test)
{
	struct maker *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->test = test;
	m->dev = registered_device(test);
	m->owner = mock_owner(test);
	m->u = uverbs_open(test, m->dev, m->owner, NULL);
	return m;
}

static struct maker *new_maker(struct kunit *test)
{
	struct maker *m = new_process(test);
	u32 alignment = 0;
	u64 length = 1;

	KUNIT_ASSERT_EQ(test, uverbs_get_context(m->u), 0);
	KUNIT_ASSERT_EQ(test, make_pd(m, &m->pd), 0);
	KUNIT_ASSERT_EQ(test, make_pd(m, &m->other_pd), 0);
	KUNIT_ASSERT_EQ(test, make_cq(m, &m->cq), 0);
	KUNIT_ASSERT_EQ(test, make_xrcd(m, &m->xrcd), 0);
	KUNIT_ASSERT_EQ(test, make_mr(m, &m->mr), 0);
	KUNIT_ASSERT_EQ(test, REQUEST(m->u, DM, DM_ALLOC, MAKES(ALLOC_DM_HANDLE, m->dm),
				      GIVES(ALLOC_DM_LENGTH, length),
				      GIVES(ALLOC_DM_ALIGNMENT, alignment)), 0);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), 6);
	return m;
}

static void close_and_expect_nothing(struct maker *m)
{
	kunit_release_action(m->test, uverbs_close, m->u);
	KUNIT_EXPECT_EQ(m->test, expect_all_held(m), 0);
}

static void made_object_belongs_to_the_process(struct kunit *test)
{
	const struct way *way = test->param_value;
	struct maker *m = new_maker(test);
	int before = verbs_count(m->dev, way->type), all = expect_all_held(m);
	u32 handle;

	KUNIT_EXPECT_EQ(test, way->make(m, &handle), 0);
	KUNIT_EXPECT_EQ(test, verbs_count(m->dev, way->type), before + way->more);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), all + way->more);
	close_and_expect_nothing(m);
}

/* The driver has made the object, but the answer cannot be written. */
static void lost_answer_leaves_nothing(struct kunit *test)
{
	const struct way *way = test->param_value;
	struct maker *m = new_maker(test);
	int before = verbs_count(m->dev, way->type), all = expect_all_held(m);
	u32 handle;
	int i;

	m->u->deaf = true;
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, way->make(m, &handle), -EFAULT);
		KUNIT_EXPECT_EQ(test, verbs_count(m->dev, way->type), before);
		KUNIT_EXPECT_EQ(test, expect_all_held(m), all);
	}
	close_and_expect_nothing(m);
}

static void object_refused_by_the_driver_leaves_nothing(struct kunit *test)
{
	const struct way *way = test->param_value;
	struct maker *m = new_maker(test);
	int all = expect_all_held(m);
	u32 handle;
	int ret;

	m->dev->create_error = -ENOSPC;
	ret = way->make(m, &handle);
	KUNIT_EXPECT_EQ(test, ret, way->make == rereg_mr ? 0 : -ENOSPC);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), all);
	close_and_expect_nothing(m);
}

/* Each allocation of the create fails in turn. */
static void failed_allocation_leaves_nothing(struct kunit *test)
{
	const struct way *way = test->param_value;
	struct maker *m;
	int before, ret;
	unsigned int n;
	u32 handle;

	faults_needed(test);
	m = new_maker(test);
	for (n = 1; n < MANY_FAULTS; n++) {
		before = expect_all_held(m);
		m->u->fail_nth = n;
		ret = way->make(m, &handle);
		KUNIT_EXPECT_EQ(test, expect_all_held(m), before + (ret ? 0 : way->more));
		if (!m->u->failed)
			break;
	}
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GT(test, n, 1);
	KUNIT_EXPECT_LT(test, n, MANY_FAULTS);
	close_and_expect_nothing(m);
}

/* How an object of a type is destroyed. */
static int destroy(struct maker *m, enum rdma_restrack_type type, u32 handle)
{
	u32 events[2];

	switch (type) {
	case RDMA_RESTRACK_PD:
		return REQUEST(m->u, PD, PD_DESTROY, USES(DESTROY_PD_HANDLE, handle));
	case RDMA_RESTRACK_CQ:
		return REQUEST(m->u, CQ, CQ_DESTROY, USES(DESTROY_CQ_HANDLE, handle),
			       GETS(DESTROY_CQ_RESP, events));
	case RDMA_RESTRACK_QP:
		return REQUEST(m->u, QP, QP_DESTROY, USES(DESTROY_QP_HANDLE, handle),
			       GETS(DESTROY_QP_RESP, events[0]));
	case RDMA_RESTRACK_SRQ:
		return REQUEST(m->u, SRQ, SRQ_DESTROY, USES(DESTROY_SRQ_HANDLE, handle),
			       GETS(DESTROY_SRQ_RESP, events[0]));
	case RDMA_RESTRACK_MR:
		return REQUEST(m->u, MR, MR_DESTROY, USES(DESTROY_MR_HANDLE, handle));
	case RDMA_RESTRACK_DMAH:
		return REQUEST(m->u, DMAH, DMAH_FREE, USES(FREE_DMA_HANDLE, handle));
#ifdef RESTRACK_COMP_CNTR
	case RDMA_RESTRACK_COMP_CNTR:
		return REQUEST(m->u, COMP_CNTR, COMP_CNTR_DESTROY,
			       USES(DESTROY_COMP_CNTR_HANDLE, handle));
#endif
	default:
		return -EOPNOTSUPP;
	}
}

/* Whether there is an object with this number, of this process. */
static bool is_there(struct maker *m, enum rdma_restrack_type type, u32 id)
{
	struct rdma_restrack_entry *res = rdma_restrack_get_byid(&m->dev->ib, type, id);
	bool mine;

	if (IS_ERR(res))
		return false;
	mine = res->task == m->owner->task;
	rdma_restrack_put(res);
	return mine;
}

/* The number of the object of a type that was made last. */
static u32 youngest(struct maker *m, enum rdma_restrack_type type)
{
	struct rdma_restrack_entry *res;
	u64 cursor;
	u32 id = 0;

	rdma_restrack_for_each(res, &m->dev->ib.res, type, cursor, true)
		id = max(id, res->id);
	return id;
}

/* It was unreachable while the driver was asked, and is as before afterwards. */
static void expect_kept(struct maker *m, const struct way *way)
{
	struct kunit *test = m->test;
	int before = verbs_count(m->dev, way->type), all, i;
	u32 handle, id;

	KUNIT_ASSERT_EQ_MSG(test, way->make(m, &handle), 0, "%s", way->name);
	all = expect_all_held(m);
	id = youngest(m, way->type);
	for (i = 0; i < 2; i++) {
		m->dev->destroy_error = -EBUSY;
		KUNIT_EXPECT_EQ_MSG(test, destroy(m, way->type, handle), -EBUSY, "%s", way->name);
		m->dev->destroy_error = 0;
		KUNIT_EXPECT_EQ_MSG(test, m->dev->seen, before, "%s", way->name);
		KUNIT_EXPECT_TRUE_MSG(test, is_there(m, way->type, id), "%s", way->name);
		KUNIT_EXPECT_EQ(test, verbs_count(m->dev, way->type), before + 1);
		KUNIT_EXPECT_EQ(test, expect_all_held(m), all);
	}
	KUNIT_EXPECT_EQ_MSG(test, destroy(m, way->type, handle), 0, "%s", way->name);
	KUNIT_EXPECT_EQ(test, m->dev->seen, before);
	KUNIT_EXPECT_FALSE_MSG(test, is_there(m, way->type, id), "%s", way->name);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), all - 1);
}

/*
 * Not XRC domains without a file: ib_uverbs counts each refusal as a use, and never
 * destroys them. See shared_xrcd.c for those with one.
 */
static void objects_kept_by_the_driver_stay_tracked(struct kunit *test)
{
	struct maker *m = new_maker(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (ways[i].more && ways[i].make != make_xrcd)
			expect_kept(m, &ways[i]);
	close_and_expect_nothing(m);
}

/* DMA handles and counters are not in it. */
static void summary_counts_the_objects(struct kunit *test)
{
	static const char * const names[RDMA_RESTRACK_MAX] = {
		[RDMA_RESTRACK_PD] = "pd",
		[RDMA_RESTRACK_CQ] = "cq",
		[RDMA_RESTRACK_QP] = "qp",
		[RDMA_RESTRACK_XRCD] = "xrcd",
		[RDMA_RESTRACK_CM_ID] = "cm_id",
		[RDMA_RESTRACK_MR] = "mr",
		[RDMA_RESTRACK_CTX] = "ctx",
		[RDMA_RESTRACK_SRQ] = "srq",
#ifdef RESTRACK_COMP_CNTR
		[RDMA_RESTRACK_COMP_CNTR] = "comp_cntr",
#endif
	};
	struct maker *m = new_maker(test);
	u32 handle;
	int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		KUNIT_ASSERT_EQ(test, ways[i].make(m, &handle), 0);
	for (i = 0; i < RDMA_RESTRACK_MAX; i++) {
		if (names[i])
			KUNIT_EXPECT_EQ_MSG(test, summary(test, m->dev, names[i], false),
					    verbs_count(m->dev, i), "%s", names[i]);
		if (i != RDMA_RESTRACK_CM_ID && i != RDMA_RESTRACK_COUNTER &&
		    (names[i] || i == RDMA_RESTRACK_DMAH))
			KUNIT_EXPECT_GT_MSG(test, verbs_count(m->dev, i), 0, "type %d", i);
	}
	KUNIT_EXPECT_EQ(test, summary(test, m->dev, "dmah", false), -ENOENT);
	KUNIT_EXPECT_EQ(test, summary(test, m->dev, "counter", false), -ENOENT);
	close_and_expect_nothing(m);
	for (i = 0; i < RDMA_RESTRACK_MAX; i++)
		if (names[i])
			KUNIT_EXPECT_EQ(test, summary(test, m->dev, names[i], false), 0);
}

/* A second context for one file is refused. It once took a reference. */
static void second_context_leaves_nothing(struct kunit *test)
{
	struct maker *m = new_process(test);
	int i;

	KUNIT_ASSERT_EQ(test, uverbs_get_context(m->u), 0);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, uverbs_get_context(m->u), -EINVAL);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), 1);
	close_and_expect_nothing(m);
}

static void refused_context_leaves_nothing(struct kunit *test)
{
	struct maker *m = new_process(test);

	m->dev->create_error = -ENOSPC;
	KUNIT_EXPECT_EQ(test, uverbs_get_context(m->u), -ENOSPC);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), 0);
	m->dev->create_error = 0;
	m->u->deaf = true;
	KUNIT_EXPECT_EQ(test, uverbs_get_context(m->u), -EFAULT);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), 0);
	m->u->deaf = false;
	KUNIT_EXPECT_EQ(test, uverbs_get_context(m->u), 0);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), 1);
	close_and_expect_nothing(m);
}

static void context_without_memory_leaves_nothing(struct kunit *test)
{
	struct maker *m;
	unsigned int n;

	faults_needed(test);
	m = new_process(test);
	for (n = 1; n < MANY_FAULTS; n++) {
		m->u->fail_nth = n;
		if (!uverbs_get_context(m->u))
			break;
		KUNIT_EXPECT_EQ(test, expect_all_held(m), 0);
	}
	KUNIT_EXPECT_GT(test, n, 1);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), 1);
	close_and_expect_nothing(m);
}

/* And it can still be moved to another PD. */
static void mr_kept_by_the_driver_stays_tracked(struct kunit *test)
{
	struct maker *m = new_maker(test);
	struct ib_mr *mr = m->dev->mr;
	int all = expect_all_held(m), i;
	u32 id = mr->res.id;

	for (i = 0; i < 3; i++) {
		m->dev->destroy_error = -EINVAL;
		KUNIT_EXPECT_EQ(test, destroy(m, RDMA_RESTRACK_MR, m->mr), -EINVAL);
		m->dev->destroy_error = 0;
		/* it was unreachable while the driver had it */
		KUNIT_EXPECT_EQ(test, m->dev->seen, 0);
		KUNIT_EXPECT_EQ(test, verbs_count(m->dev, RDMA_RESTRACK_MR), 1);
		KUNIT_EXPECT_EQ(test, expect_all_held(m), all);
		KUNIT_EXPECT_EQ(test, mr->res.id, id);
		KUNIT_EXPECT_PTR_EQ(test, mr->res.task, m->owner->task);
		KUNIT_EXPECT_TRUE(test, mock_found(&m->dev->ib, &mr->res));
		/* it can still be moved */
		KUNIT_EXPECT_EQ(test, rereg_mr(m, NULL), 0);
		KUNIT_EXPECT_EQ(test, mr->res.id, id);
	}
	KUNIT_EXPECT_EQ(test, destroy(m, RDMA_RESTRACK_MR, m->mr), 0);
	KUNIT_EXPECT_EQ(test, m->dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(m->dev, RDMA_RESTRACK_MR), 0);
	KUNIT_EXPECT_EQ(test, expect_all_held(m), all - 1);
	close_and_expect_nothing(m);
}

static struct kunit_case creation_cases[] = {
	KUNIT_CASE_PARAM(made_object_belongs_to_the_process, way_gen_params),
	KUNIT_CASE_PARAM(object_refused_by_the_driver_leaves_nothing, way_gen_params),
	KUNIT_CASE_PARAM(lost_answer_leaves_nothing, answer_gen_params),
	KUNIT_CASE_PARAM(failed_allocation_leaves_nothing, way_gen_params),
	KUNIT_CASE(objects_kept_by_the_driver_stay_tracked),
	KUNIT_CASE(summary_counts_the_objects),
	KUNIT_CASE(second_context_leaves_nothing),
	KUNIT_CASE(refused_context_leaves_nothing),
	KUNIT_CASE(context_without_memory_leaves_nothing),
	KUNIT_CASE(mr_kept_by_the_driver_stays_tracked),
	{}
};

static struct kunit_suite creation_suite = {
	.name = "restrack_c_creation",
	.test_cases = creation_cases,
};
kunit_test_suite(creation_suite);
