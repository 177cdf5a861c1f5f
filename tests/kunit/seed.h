/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests choose at random, so that they can choose the same again.
 */

#ifndef _RESTRACK_KUNIT_SEED_H_
#define _RESTRACK_KUNIT_SEED_H_

#include <kunit/test.h>
#include <linux/prandom.h>

/* Returns the module parameter seed, or a random one if it is 0; the test's log has it. */
u64 random_seed(struct kunit *test);

/* Each thread of a test has a stream of its own. */
void seed_stream(struct rnd_state *random, u64 seed, unsigned int stream);

#endif /* _RESTRACK_KUNIT_SEED_H_ */
