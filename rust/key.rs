// SPDX-License-Identifier: GPL-2.0

//! The order of the objects of one kind.

use crate::bindings;

/// Where an entry stands among those of its kind.
///
/// Numbers are scattered as `hash_32()` does it: multiplied by an odd constant, which is a
/// bijection of 32 bits. The product is the upper half of the key, and its top bits choose the
/// chain. The lower half is the serial number of the add: it orders entries with equal numbers, and
/// an object that is added later has another key even if it gets the same number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    /// The least of all keys.
    pub(crate) const FIRST: Self = Self(0);

    /// The greatest of all keys.
    pub(crate) const LAST: Self = Self(u64::MAX);

    /// The key at which a cursor stands.
    #[inline]
    pub(crate) fn from_cursor(cursor: u64) -> Self {
        Self(cursor)
    }

    /// The cursor that stands at this key.
    #[inline]
    pub(crate) fn into_cursor(self) -> u64 {
        self.0
    }

    /// The key of an entry with this number, and with this serial number of its add.
    #[doc(alias = "hash_32")]
    #[inline]
    pub(crate) fn new(id: u32, serial: u32) -> Self {
        let product = id.wrapping_mul(bindings::GOLDEN_RATIO_32);
        Self(u64::from(product) << 32 | u64::from(serial))
    }

    /// The key as C code gets it, with the number in the place of its product, so that such keys
    /// sort by number. `id` is the number of the key.
    #[inline]
    pub(crate) fn into_sortable(self, id: u32) -> u64 {
        u64::from(id) << 32 | u64::from(self.0 as u32)
    }

    /// The key that [`Self::into_sortable`] made a number of.
    #[inline]
    pub(crate) fn from_sortable(sortable: u64) -> Self {
        Self::new((sortable >> 32) as u32, sortable as u32)
    }

    /// The least key that is greater.
    #[inline]
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The scattered number.
    #[inline]
    pub(crate) fn product(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[kernel::prelude::kunit_tests(restrack_key)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_different_products() {
        let mut seen = [false; 256];
        for id in 0..256u32 {
            // An odd factor is a bijection of the low bits, too.
            let low = Key::new(id, 0).product() as usize % seen.len();
            if let Some(seen) = seen.get_mut(low) {
                assert!(!*seen);
                *seen = true;
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn a_cursor_is_a_key() {
        let key = Key::new(7, 1);
        assert!(Key::from_cursor(key.into_cursor()) == key);
        assert!(key.next() > key);
        assert!(key.next().product() == key.product());
        assert!(Key::FIRST.into_cursor() == 0);
        let last = Key::from_cursor(u64::MAX);
        assert!(last.next() == last);
    }

    #[test]
    fn sortable_keys_sort_by_number_then_by_serial() {
        let keys = [(0, 9), (1, 3), (1, 4), (7, u32::MAX), (8, 0), (u32::MAX, 1)];
        let mut before = None;
        for (id, serial) in keys {
            let key = Key::new(id, serial);
            let sortable = key.into_sortable(id);
            assert!(Key::from_sortable(sortable) == key);
            assert!(before < Some(sortable));
            before = Some(sortable);
        }
    }
}
