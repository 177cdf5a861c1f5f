// SPDX-License-Identifier: GPL-2.0
/*
 * The driver of a device without hardware, see verbs_device.h.
 */

#include <linux/module.h>
#include <linux/slab.h>
#include "verbs_device.h"

/* A verb: notes how many objects of its type are tracked, and returns what it was told. */
static int create(struct ib_device *ib, enum rdma_restrack_type type)
{
	struct verbs_device *dev = to_verbs_device(ib);

	dev->seen = verbs_count(dev, type);
	return dev->create_error;
}

static int destroy(struct ib_device *ib, enum rdma_restrack_type type)
{
	struct verbs_device *dev = to_verbs_device(ib);

	dev->seen = verbs_count(dev, type);
	return dev->destroy_error;
}

static int verbs_alloc_ucontext(struct ib_ucontext *ucontext, struct ib_udata *udata)
{
	return create(ucontext->device, RDMA_RESTRACK_CTX);
}

static void verbs_dealloc_ucontext(struct ib_ucontext *ucontext)
{
	destroy(ucontext->device, RDMA_RESTRACK_CTX);
}

/* So that the device can go while processes use it. */
static void verbs_disassociate_ucontext(struct ib_ucontext *ucontext)
{
}

static int verbs_alloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return create(pd->device, RDMA_RESTRACK_PD);
}

static int verbs_dealloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return destroy(pd->device, RDMA_RESTRACK_PD);
}

static int verbs_create_cq(struct ib_cq *cq, const struct ib_cq_init_attr *attr,
			   struct uverbs_attr_bundle *attrs)
{
	return create(cq->device, RDMA_RESTRACK_CQ);
}

static int verbs_destroy_cq(struct ib_cq *cq, struct ib_udata *udata)
{
	return destroy(cq->device, RDMA_RESTRACK_CQ);
}

static int verbs_create_qp(struct ib_qp *qp, struct ib_qp_init_attr *attr,
			   struct ib_udata *udata)
{
	struct verbs_device *dev = to_verbs_device(qp->device);

	qp->qp_num = dev->qp_num;
	if (dev->hide_qps)
		rdma_restrack_no_track(&qp->res);
	return create(qp->device, RDMA_RESTRACK_QP);
}

static int verbs_destroy_qp(struct ib_qp *qp, struct ib_udata *udata)
{
	return destroy(qp->device, RDMA_RESTRACK_QP);
}

static int verbs_create_srq(struct ib_srq *srq, struct ib_srq_init_attr *attr,
			    struct ib_udata *udata)
{
	return create(srq->device, RDMA_RESTRACK_SRQ);
}

static int verbs_destroy_srq(struct ib_srq *srq, struct ib_udata *udata)
{
	return destroy(srq->device, RDMA_RESTRACK_SRQ);
}

static int verbs_alloc_xrcd(struct ib_xrcd *xrcd, struct ib_udata *udata)
{
	return create(xrcd->device, RDMA_RESTRACK_XRCD);
}

static int verbs_dealloc_xrcd(struct ib_xrcd *xrcd, struct ib_udata *udata)
{
	return destroy(xrcd->device, RDMA_RESTRACK_XRCD);
}

static struct ib_mr *verbs_alloc_mr(struct ib_pd *pd, enum ib_mr_type type, u32 max_num_sg)
{
	int ret = create(pd->device, RDMA_RESTRACK_MR);
	struct ib_mr *mr;

	if (ret)
		return ERR_PTR(ret);
	mr = kzalloc_obj(*mr);
	return mr ?: ERR_PTR(-ENOMEM);
}

static struct ib_mr *verbs_get_dma_mr(struct ib_pd *pd, int access)
{
	struct verbs_device *dev = to_verbs_device(pd->device);

	return dev->mr_error ? ERR_PTR(dev->mr_error) : verbs_alloc_mr(pd, IB_MR_TYPE_DMA, 0);
}

static struct ib_mr *reg_mr(struct ib_pd *pd, enum ib_mr_type type)
{
	struct ib_mr *mr = verbs_alloc_mr(pd, type, 0);

	if (!IS_ERR(mr))
		to_verbs_device(pd->device)->mr = mr;
	return mr;
}

static struct ib_mr *verbs_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 virt_addr,
				       int access, struct ib_dmah *dmah, struct ib_udata *udata)
{
	return reg_mr(pd, IB_MR_TYPE_USER);
}

static struct ib_mr *verbs_reg_user_mr_dmabuf(struct ib_pd *pd, u64 offset, u64 length,
					      u64 virt_addr, int fd, int access,
					      struct ib_dmah *dmah,
					      struct uverbs_attr_bundle *attrs)
{
	return reg_mr(pd, IB_MR_TYPE_USER);
}

static struct ib_mr *verbs_rereg_user_mr(struct ib_mr *mr, int flags, u64 start, u64 length,
					 u64 virt_addr, int access, struct ib_pd *pd,
					 struct ib_udata *udata)
{
	return to_verbs_device(mr->device)->another_mr ? reg_mr(pd, IB_MR_TYPE_USER) : NULL;
}

/* Device memory, which is not tracked. */
static struct ib_dm *verbs_alloc_dm(struct ib_device *ib, struct ib_ucontext *ucontext,
				    struct ib_dm_alloc_attr *attr,
				    struct uverbs_attr_bundle *attrs)
{
	struct ib_dm *dm = kzalloc_obj(*dm);

	return dm ?: ERR_PTR(-ENOMEM);
}

static int verbs_dealloc_dm(struct ib_dm *dm, struct uverbs_attr_bundle *attrs)
{
	kfree(dm);
	return 0;
}

static struct ib_mr *verbs_reg_dm_mr(struct ib_pd *pd, struct ib_dm *dm,
				     struct ib_dm_mr_attr *attr,
				     struct uverbs_attr_bundle *attrs)
{
	return reg_mr(pd, IB_MR_TYPE_DM);
}

static int verbs_dereg_mr(struct ib_mr *mr, struct ib_udata *udata)
{
	int ret = destroy(mr->device, RDMA_RESTRACK_MR);

	if (!ret)
		kfree(mr);
	return ret;
}

static int verbs_alloc_dmah(struct ib_dmah *dmah, struct uverbs_attr_bundle *attrs)
{
	return create(dmah->device, RDMA_RESTRACK_DMAH);
}

static int verbs_dealloc_dmah(struct ib_dmah *dmah, struct uverbs_attr_bundle *attrs)
{
	return destroy(dmah->device, RDMA_RESTRACK_DMAH);
}

#ifdef RESTRACK_COMP_CNTR
static int verbs_create_comp_cntr(struct ib_comp_cntr *cc, struct uverbs_attr_bundle *attrs)
{
	return create(cc->device, RDMA_RESTRACK_COMP_CNTR);
}

static int verbs_destroy_comp_cntr(struct ib_comp_cntr *cc)
{
	return destroy(cc->device, RDMA_RESTRACK_COMP_CNTR);
}

static int verbs_qp_attach_comp_cntr(struct ib_qp *qp, struct ib_comp_cntr *cc,
				     struct ib_qp_attach_comp_cntr_attr *attr)
{
	return 0;
}
#endif

static const struct ib_device_ops verbs_ops = {
	.alloc_ucontext = verbs_alloc_ucontext,
	.dealloc_ucontext = verbs_dealloc_ucontext,
	.disassociate_ucontext = verbs_disassociate_ucontext,
	.alloc_pd = verbs_alloc_pd,
	.dealloc_pd = verbs_dealloc_pd,
	.create_cq = verbs_create_cq,
	.destroy_cq = verbs_destroy_cq,
	.create_qp = verbs_create_qp,
	.destroy_qp = verbs_destroy_qp,
	.create_srq = verbs_create_srq,
	.destroy_srq = verbs_destroy_srq,
	.alloc_xrcd = verbs_alloc_xrcd,
	.dealloc_xrcd = verbs_dealloc_xrcd,
	.alloc_mr = verbs_alloc_mr,
	.get_dma_mr = verbs_get_dma_mr,
	.reg_user_mr = verbs_reg_user_mr,
	.reg_user_mr_dmabuf = verbs_reg_user_mr_dmabuf,
	.rereg_user_mr = verbs_rereg_user_mr,
	.dereg_mr = verbs_dereg_mr,
	.alloc_dmah = verbs_alloc_dmah,
	.dealloc_dmah = verbs_dealloc_dmah,
#ifdef RESTRACK_COMP_CNTR
	.create_comp_cntr = verbs_create_comp_cntr,
	.destroy_comp_cntr = verbs_destroy_comp_cntr,
	.qp_attach_comp_cntr = verbs_qp_attach_comp_cntr,
	.size_ib_comp_cntr = sizeof(struct ib_comp_cntr),
#endif
	.alloc_dm = verbs_alloc_dm,
	.dealloc_dm = verbs_dealloc_dm,
	.reg_dm_mr = verbs_reg_dm_mr,
	/* the driver's objects are those of ib_core, with nothing added */
	.size_ib_ucontext = sizeof(struct ib_ucontext),
	.size_ib_pd = sizeof(struct ib_pd),
	.size_ib_cq = sizeof(struct ib_cq),
	.size_ib_qp = sizeof(struct ib_qp),
	.size_ib_srq = sizeof(struct ib_srq),
	.size_ib_xrcd = sizeof(struct ib_xrcd),
	.size_ib_dmah = sizeof(struct ib_dmah),
};

static void verbs_device_dealloc(void *data)
{
	ib_dealloc_device(data);
}

struct verbs_device *verbs_device(struct kunit *test)
{
	struct verbs_device *dev = ib_alloc_device(verbs_device, ib);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, verbs_device_dealloc, &dev->ib));
	ib_set_device_ops(&dev->ib, &verbs_ops);
	/* so that a PD needs no memory region */
	dev->ib.attrs.kernel_cap_flags = IBK_LOCAL_DMA_LKEY;
	dev->qp_num = 100;
	return dev;
}

MODULE_DESCRIPTION("KUnit suites of the RDMA resource tracker, through ib_core");
MODULE_LICENSE("GPL");
