/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device of verbs_device.h, registered with ib_core until the test ends. It has
 * one port with three counters, and counters for QPs.
 */

#ifndef _RESTRACK_KUNIT_REGISTERED_DEVICE_H_
#define _RESTRACK_KUNIT_REGISTERED_DEVICE_H_

#include "verbs_device.h"

#define PORT	1

struct verbs_device *registered_device(struct kunit *test);

/* The action that unregisters it; takes the struct ib_device. */
void unregister_device(void *data);

#endif /* _RESTRACK_KUNIT_REGISTERED_DEVICE_H_ */
