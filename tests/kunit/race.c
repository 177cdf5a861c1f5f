// SPDX-License-Identifier: GPL-2.0
/*
 * Threads add, delete, look up, walk, sync and count the same objects at the same
 * time.
 *
 * One thread at a time may change an object, as the interface demands: the one
 * that holds its lock. Readers take no lock. Each thread counts what it finds
 * wrong; the test checks these counts after the threads have stopped.
 */

#include <linux/bitops.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include "mock_device.h"
#include "mock_owner.h"
#include "seed.h"

static unsigned int race_seconds = 5;
module_param(race_seconds, uint, 0444);
MODULE_PARM_DESC(race_seconds, "How long the suite restrack_c_race lets its threads race");

/* More than there are processors, so that some lose theirs while they hold a lock. */
static unsigned int race_threads = 12;
module_param(race_threads, uint, 0444);
MODULE_PARM_DESC(race_threads, "How many threads race in the suite restrack_c_race");

#define DEVICES		2

/* How long a round may take to reach FULL, and then to reach FEW. */
#define FILL_MS		15000
#define DRAIN_MS	5000

/* How many seconds longer the threads race if some deed was not done yet. */
#define PATIENCE	40

/*
 * With FULL objects a table has more buckets than it keeps; with FEW it has
 * shrunk.
 */
#define FULL		4000
#define FEW		500

/* Objects that come and go. */
#define QPS		8192
#define MRS		512
#define PDS		64
#define OBJECTS		(QPS + MRS + PDS)

/* Objects of each device and type that are tracked all the time. */
#define FIXED		16

static const enum rdma_restrack_type race_types[] = {
	RDMA_RESTRACK_QP, RDMA_RESTRACK_MR, RDMA_RESTRACK_PD,
};

#define STAYING		(FIXED * DEVICES * ARRAY_SIZE(race_types))

/* The numbers of the QPs that stay; no other QP has them. */
#define FIRST_FIXED	0x800000

/* What threads do. Each must be done at least once. */
enum deed {
	DID_ADD,
	DID_DEL,
	DID_BEGIN_DEL,
	DID_ABORT_DEL,
	DID_COMMIT_DEL,
	DID_SYNC,
	DID_GET,
	DID_FIND,
	DID_WALK,
	DID_LIST,
	DID_COUNT,
	DID_WAIT_FOR_READER,
	DID_SEE_IT_GROW,
	DID_SEE_IT_SHRINK,
	DEEDS
};

/* What must not happen. */
enum wrong {
	NOT_WHAT_WAS_ASKED_FOR,
	FOUND_A_DELETED_ONE,
	DELETED_UNDER_A_READER,
	SYNCED_UNDER_A_READER,
	READER_AFTER_DELETE,
	NO_SECOND_REFERENCE,
	LAST_BUT_NOT_LAST,
	CURSOR_STANDS_STILL,
	WALK_MISSED_ONE,
	LIST_MISSED_ONE,
	LOOKUP_MISSED_ONE,
	NOT_VALID,
	STILL_VALID,
	BAD_COUNT,
	BAD_GENERATION,
	WRONGS
};

static const char * const wrong_names[WRONGS] = {
	[NOT_WHAT_WAS_ASKED_FOR] = "a lookup found another object",
	[FOUND_A_DELETED_ONE] = "a reader got in after the deletion",
	[DELETED_UNDER_A_READER] = "a deletion returned before a reader had left",
	[SYNCED_UNDER_A_READER] = "a sync returned before a reader had left",
	[READER_AFTER_DELETE] = "a reader was inside when a deletion returned",
	[NO_SECOND_REFERENCE] = "a reader could not take another reference",
	[LAST_BUT_NOT_LAST] = "a reference was the last and another was held",
	[CURSOR_STANDS_STILL] = "a walk did not go on",
	[WALK_MISSED_ONE] = "a walk did not visit what stays exactly once",
	[LIST_MISSED_ONE] = "a list of keys did not have what stays exactly once",
	[LOOKUP_MISSED_ONE] = "a lookup did not find what stays",
	[NOT_VALID] = "a tracked object was not valid",
	[STILL_VALID] = "a deleted object was valid",
	[BAD_COUNT] = "a count was out of range",
	[BAD_GENERATION] = "a generation was zero",
};

struct race_object {
	union {
		struct ib_qp qp;
		struct ib_mr mr;
		struct ib_pd pd;
	};
	struct rdma_restrack_entry *res;
	/* bit 0: a lock for what follows */
	unsigned long keeper;
	bool tracked;
	bool dying;
	/* read by readers too */
	bool gone;
	int version;
	int floor;
	atomic_t inside;
};

struct race {
	struct ib_device *dev[DEVICES];
	struct race_object *object;
	unsigned long end;
	/* number of tracked objects */
	atomic_t tracked;
	bool full;
	bool stop;
};

struct racer {
	struct race *race;
	struct rnd_state random;
	/* size of the crowded table of QPs, when last seen in this round */
	u32 buckets;
	unsigned long done[DEEDS];
	unsigned long wrong[WRONGS];
};

static u32 pick(struct racer *racer, u32 ceiling)
{
	return prandom_u32_state(&racer->random) % ceiling;
}

static struct race_object *pick_object(struct racer *racer)
{
	return &racer->race->object[pick(racer, OBJECTS)];
}

/* One device gets most objects, so its table grows; the other gets few. */
static struct ib_device *pick_device(struct racer *racer)
{
	return racer->race->dev[pick(racer, 8) == 0];
}

static struct race_object *object_of(struct rdma_restrack_entry *res)
{
	switch (res->type) {
	case RDMA_RESTRACK_QP:
		return container_of(res, struct race_object, qp.res);
	case RDMA_RESTRACK_MR:
		return container_of(res, struct race_object, mr.res);
	default:
		return container_of(res, struct race_object, pd.res);
	}
}

static void set_device(struct race_object *object, struct ib_device *dev)
{
	switch (object->res->type) {
	case RDMA_RESTRACK_QP:
		object->qp.device = dev;
		break;
	case RDMA_RESTRACK_MR:
		object->mr.device = dev;
		break;
	default:
		object->pd.device = dev;
		break;
	}
}

static bool stays(struct race *race, const struct race_object *object)
{
	return object - race->object >= OBJECTS;
}

/* Readers. Each function takes a reference to an entry and puts it. */

static void read_and_put(struct racer *racer, struct rdma_restrack_entry *res)
{
	struct race_object *object = object_of(res);
	int version;

	atomic_inc(&object->inside);
	if (READ_ONCE(object->gone))
		racer->wrong[FOUND_A_DELETED_ONE]++;
	version = READ_ONCE(object->version);
	switch (pick(racer, 64)) {
	case 0:
		fsleep(1000);
		break;
	case 1 ... 8:
		cond_resched();
		break;
	case 9 ... 24:
		if (!rdma_restrack_get(res))
			racer->wrong[NO_SECOND_REFERENCE]++;
		else if (rdma_restrack_put(res))
			racer->wrong[LAST_BUT_NOT_LAST]++;
		break;
	default:
		break;
	}
	if (READ_ONCE(object->gone))
		racer->wrong[DELETED_UNDER_A_READER]++;
	if (READ_ONCE(object->floor) > version)
		racer->wrong[SYNCED_UNDER_A_READER]++;
	atomic_dec(&object->inside);
	rdma_restrack_put(res);
}

static void find(struct racer *racer)
{
	struct race *race = racer->race;
	struct race_object *object = &race->object[pick(racer, OBJECTS + STAYING)];
	struct rdma_restrack_entry *res;
	u32 id = READ_ONCE(object->res->id);
	struct ib_device *dev = pick_device(racer);

	if (stays(race, object))
		dev = race->dev[(object - race->object - OBJECTS) % DEVICES];
	res = rdma_restrack_get_byid(dev, object->res->type, id);
	if (IS_ERR(res)) {
		if (stays(race, object))
			racer->wrong[LOOKUP_MISSED_ONE]++;
		return;
	}
	racer->done[DID_FIND]++;
	if (res->type != object->res->type || res->id != id)
		racer->wrong[NOT_WHAT_WAS_ASKED_FOR]++;
	read_and_put(racer, res);
}

/* The memory stays, so a reader may call get for any object. */
static void get(struct racer *racer)
{
	struct race_object *object = pick_object(racer);

	if (!rdma_restrack_get(object->res))
		return;
	racer->done[DID_GET]++;
	read_and_put(racer, object->res);
}

static void walk(struct racer *racer)
{
	enum rdma_restrack_type type = race_types[pick(racer, ARRAY_SIZE(race_types))];
	struct ib_device *dev = pick_device(racer);
	struct rdma_restrack_entry *res;
	u64 cursor = 0, before = 0;
	int staying = 0;

	while ((res = rdma_restrack_next(&dev->res, type, &cursor, true))) {
		if (cursor <= before)
			racer->wrong[CURSOR_STANDS_STILL]++;
		before = cursor;
		if (res->type != type)
			racer->wrong[NOT_WHAT_WAS_ASKED_FOR]++;
		staying += stays(racer->race, object_of(res));
		read_and_put(racer, res);
		if (READ_ONCE(racer->race->stop))
			return;
	}
	racer->done[DID_WALK]++;
	if (staying != FIXED)
		racer->wrong[WALK_MISSED_ONE]++;
}

static void list(struct racer *racer)
{
	enum rdma_restrack_type type = race_types[pick(racer, ARRAY_SIZE(race_types))];
	struct ib_device *dev = pick_device(racer);
	struct rdma_restrack_entry *res;
	u64 cursor = 0, keys[64];
	int staying = 0;
	u32 i, nr;

	do {
		nr = rdma_restrack_keys(&dev->res, type, &cursor, true, keys, ARRAY_SIZE(keys));
		for (i = 0; i < nr; i++) {
			res = rdma_restrack_get_bykey(&dev->res, type, keys[i]);
			if (IS_ERR(res))
				continue;
			if (res->type != type || res->id != keys[i] >> 32)
				racer->wrong[NOT_WHAT_WAS_ASKED_FOR]++;
			staying += stays(racer->race, object_of(res));
			read_and_put(racer, res);
			if (READ_ONCE(racer->race->stop))
				return;
		}
	} while (nr == ARRAY_SIZE(keys));
	racer->done[DID_LIST]++;
	if (staying != FIXED)
		racer->wrong[LIST_MISSED_ONE]++;
}

/* Reads a private member, to know that the table grew and shrank under the threads. */
static void look_at_table(struct racer *racer)
{
	struct rdma_restrack_root *root = &racer->race->dev[0]->res;
	u32 buckets = READ_ONCE(opaque_root(root)->table[RDMA_RESTRACK_QP].size) & GENMASK(25, 0);

	if (buckets > racer->buckets)
		racer->done[DID_SEE_IT_GROW]++;
	if (buckets < racer->buckets)
		racer->done[DID_SEE_IT_SHRINK]++;
	racer->buckets = buckets;
}

static void count(struct racer *racer)
{
	enum rdma_restrack_type type = race_types[pick(racer, ARRAY_SIZE(race_types))];
	struct ib_device *dev = pick_device(racer);
	int count = rdma_restrack_count_details(&dev->res, type, NULL, pick(racer, 2));

	look_at_table(racer);
	racer->done[DID_COUNT]++;
	if (count < 0 || count > OBJECTS + STAYING)
		racer->wrong[BAD_COUNT]++;
	if (!rdma_restrack_generation(&dev->res, type))
		racer->wrong[BAD_GENERATION]++;
}

/* Changes of an object. The caller holds its lock. */

static void give_owner(struct racer *racer, struct race_object *object)
{
	struct race_object *parent = pick_object(racer);

	rdma_restrack_new(object->res, object->res->type);
	switch (pick(racer, 4)) {
	case 0:
		rdma_restrack_set_name(object->res, MOCK_NAME);
		break;
	case 1:
		/* the owner of an object that another thread may be deleting */
		if (!rdma_restrack_get(parent->res)) {
			rdma_restrack_set_name(object->res, MOCK_NAME);
			break;
		}
		if (READ_ONCE(parent->tracked) && READ_ONCE(parent->res->valid))
			rdma_restrack_parent_name(object->res, parent->res);
		rdma_restrack_put(parent->res);
		break;
	case 2:
		rdma_restrack_set_name(object->res, NULL);
		break;
	default:
		/* add takes the current process */
		object->res->kern_name = NULL;
		break;
	}
}

static void add(struct racer *racer, struct race_object *object)
{
	struct race *race = racer->race;

	set_device(object, pick_device(racer));
	WRITE_ONCE(object->gone, false);
	/* pairs with the acquire of a reader's get */
	smp_wmb();
	give_owner(racer, object);
	rdma_restrack_add(object->res);
	if (!object->res->valid)
		racer->wrong[NOT_VALID]++;
	WRITE_ONCE(object->tracked, true);
	racer->done[DID_ADD]++;
	if (atomic_inc_return(&race->tracked) == FULL && !READ_ONCE(race->full)) {
		WRITE_ONCE(race->end, jiffies + msecs_to_jiffies(DRAIN_MS));
		WRITE_ONCE(race->full, true);
	}
}

/* After a deletion no reader has the object, and none gets it. */
static void is_gone(struct racer *racer, struct race_object *object)
{
	if (atomic_read(&object->inside))
		racer->wrong[READER_AFTER_DELETE]++;
	WRITE_ONCE(object->gone, true);
}

static void is_untracked(struct racer *racer, struct race_object *object)
{
	if (object->res->valid || object->res->task)
		racer->wrong[STILL_VALID]++;
	object->tracked = false;
	object->dying = false;
	if (atomic_dec_return(&racer->race->tracked) < FEW && READ_ONCE(racer->race->full))
		WRITE_ONCE(racer->race->stop, true);
}

static void del(struct racer *racer, struct race_object *object)
{
	WRITE_ONCE(object->tracked, false);
	if (atomic_read(&object->inside))
		racer->done[DID_WAIT_FOR_READER]++;
	rdma_restrack_del(object->res);
	is_gone(racer, object);
	is_untracked(racer, object);
	racer->done[DID_DEL]++;
}

static void begin_del(struct racer *racer, struct race_object *object)
{
	WRITE_ONCE(object->tracked, false);
	rdma_restrack_begin_del(object->res);
	is_gone(racer, object);
	if (!object->res->valid)
		racer->wrong[NOT_VALID]++;
	object->dying = true;
	racer->done[DID_BEGIN_DEL]++;
}

static void end_del(struct racer *racer, struct race_object *object)
{
	if (pick(racer, 2)) {
		rdma_restrack_commit_del(object->res);
		is_untracked(racer, object);
		racer->done[DID_COMMIT_DEL]++;
		return;
	}
	WRITE_ONCE(object->gone, false);
	/* as in add() */
	smp_wmb();
	rdma_restrack_abort_del(object->res);
	object->dying = false;
	WRITE_ONCE(object->tracked, true);
	racer->done[DID_ABORT_DEL]++;
}

static void sync(struct racer *racer, struct race_object *object)
{
	WRITE_ONCE(object->version, object->version + 1);
	rdma_restrack_sync(object->res);
	WRITE_ONCE(object->floor, object->version);
	racer->done[DID_SYNC]++;
}

static void keep(struct racer *racer, struct race_object *object)
{
	/* a round first fills the tables, then empties them */
	bool fills = !READ_ONCE(racer->race->full);

	if (object->dying) {
		end_del(racer, object);
	} else if (!object->tracked) {
		if (fills || !pick(racer, 32))
			add(racer, object);
	} else if (!fills || !pick(racer, 4)) {
		switch (pick(racer, 4)) {
		case 0:
			begin_del(racer, object);
			break;
		case 1:
			sync(racer, object);
			break;
		default:
			del(racer, object);
			break;
		}
	}
}

static void run(void *data)
{
	struct racer *racer = data;
	struct race_object *object;

	while (time_before(jiffies, READ_ONCE(racer->race->end)) && !READ_ONCE(racer->race->stop)) {
		switch (pick(racer, 1024)) {
		case 0 ... 1:
			walk(racer);
			break;
		case 2 ... 3:
			list(racer);
			break;
		case 4 ... 99:
			count(racer);
			break;
		case 100 ... 249:
			find(racer);
			break;
		case 250 ... 349:
			get(racer);
			break;
		default:
			object = pick_object(racer);
			if (test_and_set_bit_lock(0, &object->keeper))
				break;
			keep(racer, object);
			clear_bit_unlock(0, &object->keeper);
			break;
		}
		cond_resched();
	}
	WRITE_ONCE(racer->race->stop, true);
}

static void make_object(struct race_object *object, int index)
{
	if (index < QPS) {
		/* one in 16 shares one number; others share theirs in pairs; some are driver QPs */
		object->qp.qp_num = index % 32 < 2 ? QPS : index / 2;
		object->qp.qp_type = index % 16 ? IB_QPT_RC : IB_QPT_DRIVER;
		object->res = &object->qp.res;
		object->res->type = RDMA_RESTRACK_QP;
	} else if (index < QPS + MRS) {
		object->res = &object->mr.res;
		object->res->type = RDMA_RESTRACK_MR;
	} else {
		object->res = &object->pd.res;
		object->res->type = RDMA_RESTRACK_PD;
	}
	object->gone = true;
}

static void make_staying(struct race *race, int index)
{
	struct race_object *object = &race->object[OBJECTS + index];

	/* neighbours are on different devices, see find() */
	switch (index / DEVICES % ARRAY_SIZE(race_types)) {
	case 0:
		object->qp.qp_num = FIRST_FIXED + index;
		object->qp.qp_type = IB_QPT_UD;
		object->res = &object->qp.res;
		break;
	case 1:
		object->res = &object->mr.res;
		break;
	default:
		object->res = &object->pd.res;
		break;
	}
	object->res->type = race_types[index / DEVICES % ARRAY_SIZE(race_types)];
	set_device(object, race->dev[index % DEVICES]);
}

static void add_staying(struct race *race)
{
	int i;

	for (i = OBJECTS; i < OBJECTS + STAYING; i++) {
		race->object[i].gone = false;
		rdma_restrack_new(race->object[i].res, race->object[i].res->type);
		rdma_restrack_set_name(race->object[i].res, MOCK_NAME);
		rdma_restrack_add(race->object[i].res);
	}
}

static void free_objects(void *data)
{
	kvfree(data);
}

static struct race *new_race(struct kunit *test)
{
	struct race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, race);
	race->object = kvcalloc(OBJECTS + STAYING, sizeof(*race->object), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race->object);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_objects, race->object));
	for (i = 0; i < DEVICES; i++)
		race->dev[i] = mock_device(test);
	for (i = 0; i < OBJECTS; i++)
		make_object(&race->object[i], i);
	for (i = 0; i < STAYING; i++)
		make_staying(race, i);
	return race;
}

/* The threads have stopped. The tables hold the tracked objects, and no others. */
static void end_round(struct kunit *test, struct race *race)
{
	int expected[DEVICES][RDMA_RESTRACK_MAX] = {};
	int i, j, references = 0, invalid = 0, lost = 0;

	for (i = 0; i < OBJECTS + STAYING; i++) {
		struct race_object *object = &race->object[i];
		bool alive = object->tracked || i >= OBJECTS;

		references += kref_read(&object->res->kref) != alive;
		invalid += object->res->valid != (alive || object->dying);
		if (alive && opaque_entry(object->res)->root)
			expected[opaque_entry(object->res)->root == &race->dev[1]->res][object->res->type]++;
		else
			lost += alive;
	}
	KUNIT_EXPECT_EQ(test, references, 0);
	KUNIT_EXPECT_EQ(test, invalid, 0);
	KUNIT_EXPECT_EQ(test, lost, 0);
	for (i = 0; i < DEVICES; i++) {
		for (j = 0; j < ARRAY_SIZE(race_types); j++) {
			enum rdma_restrack_type type = race_types[j];

			KUNIT_EXPECT_EQ(test, expected[i][type],
					rdma_restrack_count_details(&race->dev[i]->res, type,
								    NULL, true));
			KUNIT_EXPECT_EQ(test, expected[i][type],
					mock_walk_length(race->dev[i], type));
		}
	}
	for (i = 0; i < OBJECTS + STAYING; i++) {
		struct race_object *object = &race->object[i];

		rdma_restrack_del(object->res);
		object->gone = true;
		object->tracked = false;
		object->dying = false;
	}
	for (i = 0; i < DEVICES; i++) {
		for (j = 0; j < ARRAY_SIZE(race_types); j++)
			KUNIT_EXPECT_EQ(test, 0,
					rdma_restrack_count_details(&race->dev[i]->res,
								    race_types[j], NULL, true));
		/* clean must not warn; the next round starts with small tables */
		rdma_restrack_clean(&race->dev[i]->res);
		memset(&race->dev[i]->res, 0, sizeof(race->dev[i]->res));
		rdma_restrack_init(&race->dev[i]->res);
	}
	atomic_set(&race->tracked, 0);
}

/* Rare deeds may need a long time on a slow machine. */
static bool everything_was_done(const struct racer *racer)
{
	unsigned long done;
	int i, j;

	for (j = 0; j < DEEDS; j++) {
		for (i = 0, done = 0; i < race_threads; i++)
			done += racer[i].done[j];
		if (!done)
			return false;
	}
	return true;
}

static void threads_at_once_break_nothing(struct kunit *test)
{
	struct race *race = new_race(test);
	unsigned long end = jiffies + race_seconds * HZ;
	u64 seed = random_seed(test);
	struct mock_owner **owner;
	struct mock_call **call;
	struct racer *racer;
	unsigned long done[DEEDS] = {}, all = 0;
	int i, j, rounds = 0, full = 0;

	owner = kunit_kcalloc(test, race_threads, sizeof(*owner), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, owner);
	call = kunit_kcalloc(test, race_threads, sizeof(*call), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, call);
	racer = kunit_kcalloc(test, race_threads, sizeof(*racer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, racer);
	for (i = 0; i < race_threads; i++) {
		owner[i] = mock_owner(test);
		racer[i].race = race;
		seed_stream(&racer[i].random, seed, i);
	}
	do {
		add_staying(race);
		race->end = jiffies + msecs_to_jiffies(FILL_MS);
		race->full = false;
		race->stop = false;
		for (i = 0; i < race_threads; i++) {
			racer[i].buckets = 0;
			call[i] = mock_start(test, owner[i], run, &racer[i]);
		}
		/* mock_finish() would not wait long enough */
		while (!READ_ONCE(race->stop))
			fsleep(10000);
		for (i = 0; i < race_threads; i++)
			mock_finish(test, call[i]);
		full += race->full;
		end_round(test, race);
		rounds++;
	} while (test->status == KUNIT_SUCCESS &&
		 (time_before(jiffies, end) ||
		  (time_before(jiffies, end + PATIENCE * HZ) && !everything_was_done(racer))));

	for (i = 0; i < race_threads; i++) {
		for (j = 0; j < DEEDS; j++) {
			done[j] += racer[i].done[j];
			all += racer[i].done[j];
		}
		for (j = 0; j < WRONGS; j++)
			if (racer[i].wrong[j])
				KUNIT_FAIL(test, "thread %d: %s (%lu times)", i, wrong_names[j],
					   racer[i].wrong[j]);
		MOCK_EXPECT_HELD(test, owner[i], 0);
	}
	for (j = 0; j < DEEDS; j++)
		KUNIT_EXPECT_GT_MSG(test, done[j], 0, "deed %d was never done", j);
	KUNIT_EXPECT_GT_MSG(test, full, 0, "no table grew much");
	kunit_info(test, "%d rounds, %d of them with %d objects at once, %lu deeds", rounds, full,
		   FULL, all);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE_SLOW(threads_at_once_break_nothing),
	{}
};

static struct kunit_suite race_suite = {
	.name = "restrack_c_race",
	.test_cases = race_cases,
};
kunit_test_suite(race_suite);
