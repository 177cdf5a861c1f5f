// SPDX-License-Identifier: GPL-2.0

//! The order of the objects of one kind.

use crate::bindings;
use core::cmp::Ordering;

/// The hash of a number: a bijection of 32 bits.
///
/// `hash_32()` multiplies by an odd constant and takes the top bits, which depend on all bits of the
/// number. Here the bytes are swapped, so that these bits become the lowest, which choose the bucket:
/// see [`crate::table`].
///
/// Hashes are ordered by their bits in reverse: the lowest bit counts most.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash(u32);

impl Hash {
    /// The hash of a number.
    #[doc(alias = "hash_32")]
    #[inline]
    pub(crate) fn of(id: u32) -> Self {
        Self(id.wrapping_mul(bindings::GOLDEN_RATIO_32).swap_bytes())
    }

    /// The hash as a number.
    #[inline]
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// The hash as a number that is ordered as hashes are.
    #[inline]
    pub(crate) fn rank(self) -> u32 {
        self.0.reverse_bits()
    }

    /// Returns true if it comes before another one.
    #[inline]
    pub(crate) fn is_before(self, other: Self) -> bool {
        let differ = self.0 ^ other.0;
        // The lowest bit in which they differ.
        other.0 & differ & differ.wrapping_neg() != 0
    }
}

/// Where an entry is among those of its kind: by the hash of its number, then by a serial number.
///
/// The serial number orders entries with equal numbers. An object that is added later has another
/// key, even if it gets the same number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    serial: u32,
    hash: Hash,
}

impl PartialOrd for Key {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.into_cursor().cmp(&other.into_cursor())
    }
}

impl Key {
    /// The least of all keys.
    pub(crate) const FIRST: Self = Self {
        serial: 0,
        hash: Hash(0),
    };

    /// The greatest of all keys.
    pub(crate) const LAST: Self = Self {
        serial: u32::MAX,
        hash: Hash(u32::MAX),
    };

    /// The key that a cursor is made of.
    #[inline]
    pub(crate) fn from_cursor(cursor: u64) -> Self {
        Self {
            serial: cursor as u32,
            hash: Hash(((cursor >> 32) as u32).reverse_bits()),
        }
    }

    /// The key as a cursor, which is a number. Cursors are ordered as keys are.
    #[inline]
    pub(crate) fn into_cursor(self) -> u64 {
        u64::from(self.hash.rank()) << 32 | u64::from(self.serial)
    }

    /// The key of an entry with this number and this serial number.
    #[inline]
    pub(crate) fn new(id: u32, serial: u32) -> Self {
        let hash = Hash::of(id);
        Self { serial, hash }
    }

    /// The key as C code gets it, with the number `id` in the place of its hash: such keys sort by
    /// number.
    #[inline]
    pub(crate) fn into_sortable(self, id: u32) -> u64 {
        u64::from(id) << 32 | u64::from(self.serial)
    }

    /// The key that [`Self::into_sortable`] made a number of.
    #[inline]
    pub(crate) fn from_sortable(sortable: u64) -> Self {
        Self::new((sortable >> 32) as u32, sortable as u32)
    }

    /// The least key that is greater.
    #[inline]
    pub(crate) fn next(self) -> Self {
        Self::from_cursor(self.into_cursor().saturating_add(1))
    }

    /// The hash of the number.
    #[inline]
    pub(crate) fn hash(self) -> Hash {
        self.hash
    }
}

#[kernel::prelude::kunit_tests(restrack_key)]
mod tests {
    use super::*;

    #[test]
    fn different_numbers_have_different_hashes() {
        let mut seen = [false; 256];
        for id in 0..256u32 {
            // An odd factor is a bijection of the low bits, which become the top byte.
            let low = (Key::new(id, 0).hash().bits() >> 24) as usize;
            if let Some(seen) = seen.get_mut(low) {
                assert!(!*seen);
                *seen = true;
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn cursor_becomes_the_same_key() {
        let key = Key::new(7, 1);
        assert!(Key::from_cursor(key.into_cursor()) == key);
        assert!(key.next() > key);
        assert!(key.next().hash() == key.hash());
        assert!(Key::from_cursor(u64::from(u32::MAX)).next().into_cursor() == 1 << 32);
        assert!(Key::FIRST.into_cursor() == 0);
        let last = Key::from_cursor(u64::MAX);
        assert!(last.next() == last);
    }

    #[test]
    fn hashes_are_ordered_by_their_bits_in_reverse() {
        let hashes = [0, 8, 4, 2, 6, 1, 5, 3, 7, u32::MAX].map(Hash);
        for (left, one) in hashes.iter().enumerate() {
            for (right, other) in hashes.iter().enumerate() {
                assert!(one.is_before(*other) == (left < right));
                assert!((one.rank() < other.rank()) == (left < right));
            }
        }
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
