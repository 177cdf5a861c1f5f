// SPDX-License-Identifier: GPL-2.0

//! The order of the objects of one kind.

use crate::bindings;

/// Where an entry stands among those of its kind.
///
/// Numbers are scattered as `hash_32()` does it: multiplied by an odd constant, which is a
/// bijection of 32 bits. The product is the upper half of the key, and its top bits choose the
/// chain; the lower half is the tie between entries with equal numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    /// The least of all keys.
    pub(crate) const FIRST: Self = Self(0);

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

    /// The key of the first entry with this number.
    #[doc(alias = "hash_32")]
    #[inline]
    pub(crate) fn first_of(id: u32) -> Self {
        Self::first_in(id.wrapping_mul(bindings::GOLDEN_RATIO_32))
    }

    /// The least key with this product.
    #[inline]
    pub(crate) fn first_in(product: u32) -> Self {
        Self(u64::from(product) << 32)
    }

    /// The key of the last entry with this number, were there as many as there can be.
    #[inline]
    pub(crate) fn last_of(id: u32) -> Self {
        Self(Self::first_of(id).0 | u64::from(u32::MAX))
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
            let low = Key::first_of(id).product() as usize % seen.len();
            if let Some(seen) = seen.get_mut(low) {
                assert!(!*seen);
                *seen = true;
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn a_cursor_is_a_key() {
        let key = Key::first_of(7);
        assert!(Key::from_cursor(key.into_cursor()) == key);
        assert!(key.next() > key);
        assert!(key.next().product() == key.product());
        assert!(Key::FIRST.into_cursor() == 0);
        let last = Key::from_cursor(u64::MAX);
        assert!(last.next() == last);
    }
}
