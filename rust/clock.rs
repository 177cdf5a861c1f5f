// SPDX-License-Identifier: GPL-2.0

//! The time, as far as the tracker needs it: how long something has been so.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use crate::bindings;
use kernel::time::Jiffies;

/// The time, in jiffies.
#[inline]
pub(crate) fn now() -> Jiffies {
    let jiffies = &raw const bindings::jiffies;
    // SAFETY: A counter that is always there, and may change at any time.
    unsafe { jiffies.read_volatile() }
}

/// So many jiffies in seconds. Right for longer than a machine lasts: `jiffies_to_msecs()`, which
/// returns 32 bits, wraps after 49 days.
pub(crate) fn seconds(jiffies: u64) -> u64 {
    // SAFETY: The function divides, and reads nothing but its argument.
    unsafe { bindings::restrack_helper_jiffies_to_secs(jiffies) }
}

/// When something was, in 32 bits.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Moment(u32);

impl Moment {
    /// log2 of the jiffies in a unit: 32 bits of them are 8 years, with 1000 jiffies in a second.
    const SHIFT: u32 = 6;

    /// The beginning of time.
    pub(crate) const ZERO: Self = Self(0);

    /// This moment.
    #[inline]
    pub(crate) fn now() -> Self {
        Self(now().wrapping_shr(Self::SHIFT) as u32)
    }

    /// How long ago it was, in seconds.
    pub(crate) fn age(self) -> u64 {
        let units = Self::now().0.wrapping_sub(self.0);
        seconds(u64::from(units).wrapping_shl(Self::SHIFT))
    }
}

#[kernel::prelude::kunit_tests(restrack_clock)]
mod tests {
    use super::*;
    use kernel::time;

    #[test]
    fn age_of_years_is_right() {
        const DAY: u64 = 24 * 60 * 60;
        assert!(Moment::now().age() <= 1);
        let hz = time::msecs_to_jiffies(1000) as u64;
        for days in [1, 49, 50, 60, 5 * 365] {
            let units = (days * DAY * hz) >> Moment::SHIFT;
            let age = Moment(Moment::now().0.wrapping_sub(units as u32)).age();
            assert!(age + 1 >= days * DAY);
            assert!(age <= days * DAY + 1);
        }
    }
}
