// SPDX-License-Identifier: GPL-2.0
/*
 * What the warnings about misuse say, and that each comes once a boot. These are
 * real ones, so while this suite runs they do not end the guest.
 */

#include <linux/umh.h>
#include "kernel_log.h"
#include "mock_device.h"

struct misuse {
	struct kunit *test;
	struct ib_device *dev;
	/* numbers differ from call to call */
	u32 id;
	/* the warning */
	char text[128];
};

#define says(misuse, format, ...)						\
	snprintf((misuse)->text, sizeof((misuse)->text), format, ##__VA_ARGS__)

static struct rdma_restrack_entry *tracked_qp(struct misuse *m)
{
	return &mock_tracked_qp(m->test, m->dev, IB_QPT_RC, m->id)->res;
}

static void look_up_without_a_device(struct misuse *m)
{
	says(m, "rdma_restrack_get_byid: NULL pointer (type %d, id %u)", RDMA_RESTRACK_QP, m->id);
	rdma_restrack_get_byid(NULL, RDMA_RESTRACK_QP, m->id);
}

static void put_null(struct misuse *m)
{
	says(m, "rdma_restrack_put: NULL pointer (type 0, id 0)");
	rdma_restrack_put(NULL);
}

static void look_up_a_bad_type(struct misuse *m)
{
	says(m, "rdma_restrack_get_byid: no such type (type %d, id %u)", RDMA_RESTRACK_MAX, m->id);
	rdma_restrack_get_byid(m->dev, RDMA_RESTRACK_MAX, m->id);
}

static void count_a_bad_type(struct misuse *m)
{
	says(m, "rdma_restrack_count: no such type (type 77, id 0)");
	rdma_restrack_count(&m->dev->res, 77, NULL);
}

static void add_without_a_device(struct misuse *m)
{
	struct rdma_restrack_entry *res = mock_object(m->test, NULL, RDMA_RESTRACK_MR);

	says(m, "rdma_restrack_add: object without a device (type %d, id 0)", RDMA_RESTRACK_MR);
	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	rdma_restrack_add(res);
}

static void add_twice(struct misuse *m)
{
	struct rdma_restrack_entry *res = tracked_qp(m);

	says(m, "rdma_restrack_add: entry is tracked already (type %d, id %u)",
	     RDMA_RESTRACK_QP, m->id);
	rdma_restrack_add(res);
}

static void abort_without_begin(struct misuse *m)
{
	struct rdma_restrack_entry *res = tracked_qp(m);

	says(m, "rdma_restrack_abort_del: entry is not being deleted (type %d, id %u)",
	     RDMA_RESTRACK_QP, m->id);
	rdma_restrack_abort_del(res);
}

static void add_a_large_number(struct misuse *m)
{
	u32 number = m->id | BIT(24);

	says(m, "rdma_restrack_add: QP or port number out of range (type %d, id %u)",
	     RDMA_RESTRACK_QP, number);
	/* which is tracked all the same */
	mock_tracked_qp(m->test, m->dev, IB_QPT_RC, number);
}

static void add_a_large_port(struct misuse *m)
{
	struct ib_qp *qp = mock_qp(m->test, m->dev, IB_QPT_GSI, m->id);

	says(m, "rdma_restrack_add: QP or port number out of range (type %d, id %u)",
	     RDMA_RESTRACK_QP, m->id);
	qp->port = 256;
	mock_track(&qp->res);
}

static void put_too_often(struct misuse *m)
{
	struct rdma_restrack_entry *res = tracked_qp(m);

	says(m, "rdma_restrack_put: put more often than got (type %d, id %u)",
	     RDMA_RESTRACK_QP, m->id);
	rdma_restrack_put(res);
	rdma_restrack_put(res);
}

static void delete_what_was_put_too_often(struct misuse *m)
{
	struct rdma_restrack_entry *res = tracked_qp(m);

	says(m, "rdma_restrack_put: put more often than got (type %d, id %u)",
	     RDMA_RESTRACK_QP, m->id);
	rdma_restrack_put(res);
	rdma_restrack_del(res);
}

static void name_a_tracked_entry(struct misuse *m)
{
	struct rdma_restrack_entry *res = tracked_qp(m);

	says(m, "rdma_restrack_set_name: owner of a tracked entry (type %d, id %u)",
	     RDMA_RESTRACK_QP, m->id);
	rdma_restrack_set_name(res, "mock_other");
}

static void name_a_tracked_entry_after_another(struct misuse *m)
{
	struct rdma_restrack_entry *res = tracked_qp(m);

	says(m, "rdma_restrack_parent_name: owner of a tracked entry (type %d, id %u)",
	     RDMA_RESTRACK_QP, m->id);
	rdma_restrack_parent_name(res, res);
}

static void clean_with_a_leftover(struct misuse *m)
{
	tracked_qp(m);
	says(m, "rdma_restrack_clean: objects were leaked (first: type %d, id %u)",
	     RDMA_RESTRACK_QP, m->id);
	rdma_restrack_clean(&m->dev->res);
}

/* Each kind of mistake, made in two ways where there are two. */
static const struct kind {
	const char *name;
	void (*once)(struct misuse *m);
	void (*again)(struct misuse *m);
} kinds[] = {
	{ "NULL", look_up_without_a_device, put_null },
	{ "type", look_up_a_bad_type, count_a_bad_type },
	{ "no device", add_without_a_device, add_without_a_device },
	{ "added twice", add_twice, add_twice },
	{ "not being deleted", abort_without_begin, abort_without_begin },
	{ "number", add_a_large_number, add_a_large_port },
	{ "put too often", put_too_often, delete_what_was_put_too_often },
	{ "named", name_a_tracked_entry, name_a_tracked_entry_after_another },
	{ "leaked", clean_with_a_leftover, clean_with_a_leftover },
};

static void kind_describe(const struct kind *kind, char *desc)
{
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_describe);

static void warning_names_its_cause_and_comes_once(struct kunit *test)
{
	const struct kind *kind = test->param_value;
	struct misuse m = { .test = test, .dev = mock_device(test), .id = 4711 };
	struct log *log = log_from_here(test);

	kind->once(&m);
	KUNIT_EXPECT_EQ_MSG(test, log_lines(log, m.text, "", ""), 1, "no: %s", m.text);
	KUNIT_EXPECT_EQ(test, log_lines(log, "WARNING: ", "", ""), 1);
	/* the call trace shows who called */
	KUNIT_EXPECT_GE(test, log_lines(log, "+0x", "[rdma_restrack_kunit]", ""), 1);

	log = log_from_here(test);
	m.id++;
	kind->again(&m);
	KUNIT_EXPECT_EQ_MSG(test, log_lines(log, m.text, "", ""), 0, "twice: %s", m.text);
	KUNIT_EXPECT_EQ(test, log_lines(log, "WARNING: ", "", ""), 0);

	/* what is still wrong with the objects */
	kunit_warning_suppress(test)
		rdma_restrack_clean(&m.dev->res);
}

static int shell(char *command)
{
	static char *envp[2] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	char *argv[4] = { "/bin/sh", "-c", command, NULL };

	return call_usermodehelper(argv[0], argv, envp, UMH_WAIT_PROC);
}

static int let_warnings_pass(struct kunit_suite *suite)
{
	/* for those who read the log of the guest */
	pr_info("restrack_c_warnings: warnings on purpose begin\n");
	return shell("echo 0 >/proc/sys/kernel/panic_on_warn") ?:
	       shell("echo 1 >/sys/kernel/debug/clear_warn_once");
}

static void let_no_warning_pass(struct kunit_suite *suite)
{
	/* the other suites suppress the warnings that they expect */
	WARN_ON(shell("echo 1 >/proc/sys/kernel/panic_on_warn"));
	pr_info("restrack_c_warnings: warnings on purpose end\n");
}

static struct kunit_case warnings_cases[] = {
	KUNIT_CASE_PARAM(warning_names_its_cause_and_comes_once, kind_gen_params),
	{}
};

static struct kunit_suite warnings_suite = {
	.name = "restrack_c_warnings",
	.suite_init = let_warnings_pass,
	.suite_exit = let_no_warning_pass,
	.test_cases = warnings_cases,
};
kunit_test_suite(warnings_suite);
