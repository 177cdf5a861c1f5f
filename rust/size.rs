// SPDX-License-Identifier: GPL-2.0

//! How many buckets a table has, and which of them is for a hash.
//!
//! [`crate::table`] explains the structure that this is the arithmetic of.

use crate::key::{
    Hash,
    Key, //
};
use kernel::sync::atomic::AtomicType;

/// The number of buckets, the number of bits of a hash that are needed for it, and how often the
/// number of buckets fell: 26, 6 and 32 bits.
///
/// Two loads that return the same size have no merge between them: a bucket of that number was not
/// taken away and added again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(u64);

// SAFETY: A `u64`, which is an `i64` with another name for its values.
unsafe impl AtomicType for Size {
    type Repr = i64;
}

impl Size {
    const COUNT_BITS: u32 = 26;

    /// The size of a table with `count` buckets that has shrunk `shrunk` times.
    pub(crate) fn new(count: u32, shrunk: u32) -> Self {
        let bits = u32::BITS.wrapping_sub(count.wrapping_sub(1).leading_zeros());
        Self(u64::from(shrunk) << 32 | u64::from(bits) << Self::COUNT_BITS | u64::from(count))
    }

    /// The number of buckets.
    #[inline]
    pub(crate) fn count(self) -> u32 {
        self.0 as u32 & ((1 << Self::COUNT_BITS) - 1)
    }

    /// The number of bits of a hash that choose a bucket which is split; one more than for others.
    #[inline]
    fn bits(self) -> u32 {
        self.0 as u32 >> Self::COUNT_BITS
    }

    /// How often the number of buckets fell.
    #[inline]
    fn shrunk(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The size with more buckets.
    pub(crate) fn grow(self, count: u32) -> Self {
        Self::new(count, self.shrunk())
    }

    /// The size with fewer buckets.
    pub(crate) fn shrink(self, count: u32) -> Self {
        Self::new(count, self.shrunk().wrapping_add(1))
    }

    /// The bucket for a hash.
    #[inline]
    pub(crate) fn index(self, hash: Hash) -> u32 {
        let full = 1u32.wrapping_shl(self.bits());
        let index = hash.bits() & full.wrapping_sub(1);
        match index < self.count() {
            true => index,
            // Its parent, which differs in the highest bit, has not been split yet.
            false => index ^ (full >> 1),
        }
    }

    /// The greatest rank of the hashes that are in the bucket of `hash`.
    fn last_rank(self, hash: Hash) -> u32 {
        let half = 1u32.wrapping_shl(self.bits().wrapping_sub(1));
        let lower = self.index(hash) & half.wrapping_sub(1);
        let is_split = lower.wrapping_add(half) < self.count();
        let bits = self.bits().wrapping_sub(u32::from(!is_split));
        hash.rank() | u32::MAX.checked_shr(bits).unwrap_or(0)
    }

    /// Where the keys of the bucket after that of `hash` begin, if there is one.
    pub(crate) fn next(self, hash: Hash) -> Option<Key> {
        let rank = self.last_rank(hash).checked_add(1)?;
        Some(Key::from_cursor(u64::from(rank) << 32))
    }
}

/// The bucket that the last one is split from and merged with, and the bit of a hash in which they
/// differ.
#[inline]
pub(crate) fn parent(last: u32) -> (u32, u32) {
    let bit = 1u32.wrapping_shl(last.checked_ilog2().unwrap_or(0));
    (last ^ bit, bit)
}

#[kernel::prelude::kunit_tests(restrack_size)]
mod tests {
    use super::*;
    use crate::{
        bindings,
        buckets::MOST, //
    };
    use kernel::prelude::*;

    /// How many buckets a table has at first.
    const FEW: u32 = 16;

    /// A hash by its rank.
    fn hash(rank: u32) -> Hash {
        Key::from_cursor(u64::from(rank) << 32).hash()
    }

    /// Hashes from all over their order, and those at its ends.
    fn hashes() -> impl Iterator<Item = Hash> {
        let ends = [0, 1, u32::MAX / 2, u32::MAX / 2 + 1, u32::MAX - 1, u32::MAX];
        // An odd factor that scatters the rest.
        (0..200u32).map(move |number| {
            let scattered = number.wrapping_mul(bindings::GOLDEN_RATIO_32);
            hash(ends.get(number as usize).copied().unwrap_or(scattered))
        })
    }

    /// Returns true if each bucket has one part of the order of hashes, and these follow each other
    /// from the first hash to the last.
    fn is_partition(size: Size, met: &mut [bool]) -> bool {
        met.fill(false);
        let (mut begin, mut parts) = (Some(Key::FIRST), 0);
        while let Some(key) = begin {
            let (first, index) = (key.hash(), size.index(key.hash()));
            let last = size.last_rank(first);
            let middle = first.rank() + (last - first.rank()) / 2;
            let of_one = [middle, last].map(hash).iter().all(|hash| {
                size.index(*hash) == index
                    && size.last_rank(*hash) == last
                    && size.next(*hash) == size.next(first)
            });
            match met.get_mut(index as usize) {
                Some(met) if of_one && index < size.count() && !*met => *met = true,
                _ => return false,
            }
            parts += 1;
            begin = size.next(first);
            if begin.is_some_and(|next| next.into_cursor() != (u64::from(last) + 1) << 32) {
                return false;
            }
            if begin.is_none() && last != u32::MAX {
                return false;
            }
        }
        parts == size.count()
    }

    #[test]
    fn each_bucket_has_one_part_of_the_order() -> Result {
        let mut met = KVVec::from_elem(false, 5000, GFP_KERNEL)?;
        for count in FEW..5000 {
            if count < 300 || count % 47 == 0 || (count + 1) % 256 < 3 {
                assert!(is_partition(Size::new(count, 0), &mut met));
            }
        }
        Ok(())
    }

    #[test]
    fn each_hash_has_a_bucket_of_the_table() {
        for count in [FEW..3000, 65_535..65_538, MOST - 1..MOST + 1]
            .into_iter()
            .flatten()
        {
            let size = Size::new(count, u32::MAX);
            let right = size.count() == count
                && size.shrunk() == u32::MAX
                && hashes().all(|hash| {
                    let (index, last) = (size.index(hash), size.last_rank(hash));
                    index < count
                        // The lowest bits of a hash are the number.
                        && (hash.bits() ^ index).trailing_zeros() + 1 >= size.bits()
                        && last >= hash.rank()
                        && size.next(hash).map_or(last == u32::MAX, |next| {
                            next.hash().rank() == last + 1 && size.index(next.hash()) != index
                        })
                });
            assert!(right);
        }
    }

    #[test]
    fn split_moves_the_hashes_that_have_the_bit() {
        for new in [FEW..3000, 65_535..65_538, MOST - 2..MOST]
            .into_iter()
            .flatten()
        {
            let (old, bit) = parent(new);
            let before = Size::new(new, 7);
            let after = before.grow(new + 1);
            let back = after.shrink(new);
            let right = old < new
                && new == old | bit
                && after.count() == new + 1
                && after.shrunk() == 7
                && back.count() == new
                && back.shrunk() == 8
                && back != before
                && hashes().all(|hash| {
                    let goes = before.index(hash) == old && hash.bits() & bit != 0;
                    let index = if goes { new } else { before.index(hash) };
                    after.index(hash) == index
                        && back.index(hash) == before.index(hash)
                        && back.next(hash) == before.next(hash)
                })
                && is_cut(before, after, new);
            assert!(right);
        }
    }

    /// Returns true if the new bucket has the upper part of what the old one had.
    fn is_cut(before: Size, after: Size, new: u32) -> bool {
        let (old, bit) = parent(new);
        // The first of the hashes of each: no other bits but those of its number.
        let (lower, upper) = (hash(old.reverse_bits()), hash(new.reverse_bits()));
        lower.bits() == old
            && upper.bits() == old | bit
            && after.next(lower).is_some_and(|next| next.hash() == upper)
            && after.next(upper) == before.next(lower)
            && before.next(upper) == before.next(lower)
    }

    #[test]
    fn count_of_shrinks_wraps() {
        let size = Size::new(FEW + 1, u32::MAX);
        let shrunk = size.shrink(FEW);
        assert!((shrunk.count(), shrunk.shrunk()) == (FEW, 0));
        assert!(size.grow(FEW + 2).shrunk() == u32::MAX);
    }
}
