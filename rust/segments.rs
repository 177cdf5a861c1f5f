// SPDX-License-Identifier: GPL-2.0

//! More chains for a kind that has more objects than the root has room for.
//!
//! The table grows by one segment of chains at a time, and each segment is split on its own, so
//! that no single add has to pay for the whole table. Where memory is short the table stays as it
//! is: chains get longer, nothing is lost.

use crate::{
    entry::Entry,
    hlist::Chain,
    key,
    sync::WriteGuard, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    alloc::{
        flags::{
            GFP_NOWAIT,
            __GFP_NOWARN,
            __GFP_ZERO, //
        },
        AllocError,
        Flags, //
    },
    prelude::*, //
};

/// log2 of the number of chains in a segment: 4 KiB of them.
///
/// It bounds the work of a single add. With larger segments a split takes longer, with smaller ones
/// the directory is larger and takes longer to double.
const SEGMENT_BITS: u32 = 9;

/// How memory for the table is asked for. The lock is held meanwhile, and others may need it to
/// free memory: do not wait for them.
fn flags() -> Flags {
    GFP_NOWAIT | __GFP_NOWARN
}

/// Some of the chains of a kind: those for products that begin with certain bits.
struct Segment([Chain<Entry>; 1 << SEGMENT_BITS]);

impl Segment {
    /// How many entries a segment is made for.
    const LOAD: usize = 2 << SEGMENT_BITS;

    /// A segment of empty chains.
    fn new() -> Result<KBox<Self>, AllocError> {
        let segment = KBox::new_uninit(flags() | __GFP_ZERO)?;
        // SAFETY: It is zeroed, and zeroed chains are empty ones.
        Ok(unsafe { segment.assume_init() })
    }

    /// The chain for a product, where the segment is for those with the same `bits` top bits.
    #[inline]
    fn pick(&self, product: u32, bits: u32) -> &Chain<Entry> {
        let index = key::top(product.wrapping_shl(bits), SEGMENT_BITS);
        // There is one for each index, so the compiler drops the check.
        match self.0.get(index) {
            Some(chain) => chain,
            None => &self.0[0],
        }
    }
}

/// A place of the directory: the segment for the products that begin with its number.
///
/// # Invariants
///
/// The segment comes from a [`KBox`], and lives as long as it has a place in a directory.
#[derive(Clone, Copy)]
struct Place(NonNull<Segment>);

impl Place {
    /// Gives a segment a place; who takes it away has to free it.
    fn new(segment: KBox<Segment>) -> Self {
        // INVARIANT: It comes from a box.
        Self(NonNull::from(KBox::leak(segment)))
    }

    /// The segment.
    #[inline]
    fn segment(&self) -> &Segment {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_ref() }
    }

    /// Frees the segment.
    ///
    /// # Safety
    ///
    /// The segment has no place any more.
    unsafe fn free(self) {
        // SAFETY: By the type invariant and the requirement of this function.
        drop(unsafe { KBox::from_raw(self.0.as_ptr()) });
    }
}

/// The chains of a kind that has outgrown the root.
///
/// The directory has a place for each value of the `depth` top bits of a product. Segments are
/// split one after the other; one that is not split yet has both places of its pair. When all pairs
/// are split the directory is doubled, and every segment has both places of a pair again.
///
/// # Invariants
///
/// - There are `1 << depth` places.
/// - In the first `split` pairs of places each place has a segment of its own, in the others both
///   have the same. (A directory with a single place is one split pair.)
pub(crate) struct Segments {
    depth: u32,
    split: usize,
    places: KVVec<Place>,
}

impl Segments {
    /// Enough: the numbers of 2^32 objects do not need more segments.
    const MAX_DEPTH: u32 = u32::BITS - SEGMENT_BITS;

    /// Moves what is in a run of chains, which are sorted as a whole, to a first segment.
    pub(crate) fn new(
        run: &[Chain<Entry>],
        lock: &WriteGuard<'_>,
    ) -> Result<KBox<Self>, AllocError> {
        let mut places = KVVec::with_capacity(1, flags())?;
        let segments = KBox::new_uninit(flags())?;
        let place = Place::new(Segment::new()?);
        let segment = place.segment();
        for chain in run {
            while let Some(entry) = chain.first(lock) {
                let to = segment.pick(entry.key().product(), 0);
                // The chain is sorted, so what is for the same chain follows.
                let other = |entry: &&Entry| !ptr::eq(to, segment.pick(entry.key().product(), 0));
                // SAFETY: The first one is for `to`, which is empty: nothing before was.
                unsafe { chain.split(other, to, chain, lock) };
            }
        }
        // There is room for it.
        let _ = places.push_within_capacity(place);
        Ok(KBox::write(
            segments,
            Self {
                depth: 0,
                split: 1,
                places,
            },
        ))
    }

    /// How many pairs of places there are.
    fn pairs(&self) -> usize {
        self.places.len().div_ceil(2)
    }

    /// How many entries there are enough chains for.
    pub(crate) fn capacity(&self) -> usize {
        let unsplit = self.pairs().saturating_sub(self.split);
        let segments = self.places.len().saturating_sub(unsplit);
        segments.saturating_mul(Segment::LOAD)
    }

    /// The chain for a product, and how many top bits of the product chose it.
    #[inline]
    pub(crate) fn chain(&self, product: u32) -> Option<(&Chain<Entry>, u32)> {
        let index = key::top(product, self.depth);
        let segment = self.places.get(index)?.segment();
        let is_split = index / 2 < self.split;
        let bits = self.depth.wrapping_sub(1).wrapping_add(is_split.into());
        Some((segment.pick(product, bits), bits.wrapping_add(SEGMENT_BITS)))
    }

    /// Makes more chains: splits the next segment, or doubles the directory first.
    pub(crate) fn grow(&mut self, lock: &WriteGuard<'_>) -> Result<(), AllocError> {
        if self.split < self.pairs() {
            self.split(lock)
        } else {
            self.double()
        }
    }

    /// Gives every segment two places.
    fn double(&mut self) -> Result<(), AllocError> {
        if self.depth >= Self::MAX_DEPTH {
            return Err(AllocError);
        }
        let mut places = KVVec::with_capacity(self.places.len().saturating_mul(2), flags())?;
        for place in &self.places {
            // There is room for them.
            let _ = places.push_within_capacity(*place);
            let _ = places.push_within_capacity(*place);
        }
        // INVARIANT: There are twice as many places, and no pair is split.
        self.places = places;
        self.depth = self.depth.wrapping_add(1);
        self.split = 0;
        Ok(())
    }

    /// Splits the segment of the first pair that is not split.
    fn split(&mut self, lock: &WriteGuard<'_>) -> Result<(), AllocError> {
        let (low, high) = (Segment::new()?, Segment::new()?);
        let Some([low_place, high_place]) = self.places.chunks_exact_mut(2).nth(self.split) else {
            return Err(AllocError);
        };
        // The highest bit that did not choose a chain yet.
        let bits = self.depth.wrapping_add(SEGMENT_BITS);
        let bit = 1u32.wrapping_shl(u32::BITS.wrapping_sub(bits));
        let halves = Iterator::chain(low.0.chunks_exact(2), high.0.chunks_exact(2));
        for (chain, halves) in low_place.segment().0.iter().zip(halves) {
            if let [without, with] = halves {
                // The chain is sorted: those without the bit stand first.
                let first_with = |entry: &&Entry| entry.key().product() & bit != 0;
                // SAFETY: Both are new, and so empty.
                unsafe { chain.split(first_with, without, with, lock) };
            }
        }
        let old = *low_place;
        // INVARIANT: The pair is split now.
        (*low_place, *high_place) = (Place::new(low), Place::new(high));
        self.split = self.split.wrapping_add(1);
        // SAFETY: It had these two places only.
        unsafe { old.free() };
        Ok(())
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        let split = self.split.saturating_mul(2).min(self.places.len());
        let Some((own, shared)) = self.places.split_at_checked(split) else {
            return;
        };
        for place in Iterator::chain(own.iter(), shared.iter().step_by(2)) {
            // SAFETY: The places go, and no other that has this segment was met before.
            unsafe { place.free() };
        }
    }
}
