// SPDX-License-Identifier: GPL-2.0
/*
 * What tests choose at random, see seed.h.
 */

#include <linux/hash.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include "seed.h"

static unsigned long seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "Seed of what the suites choose at random (0: another each time)");

u64 random_seed(struct kunit *test)
{
	u64 chosen = seed ?: get_random_u32();

	kunit_info(test, "seed=%llu", chosen);
	return chosen;
}

void seed_stream(struct rnd_state *random, u64 seed, unsigned int stream)
{
	/* neighbours would begin alike */
	prandom_seed_state(random, (seed + stream) * GOLDEN_RATIO_64);
}
