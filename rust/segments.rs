// SPDX-License-Identifier: GPL-2.0

//! More chains for a kind that has more objects than the root has room for.
//!
//! The table grows by one segment of chains at a time, and each segment is split on its own, so
//! that no single add has to pay for the whole table. Where memory is short the table stays as it
//! is: chains get longer, nothing is lost.

use crate::{
    entry::Entry,
    hlist::Chain,
    key::{
        self,
        Key, //
    },
    sync::WriteGuard, //
};
use core::ptr;
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

/// log2 of the number of chains in a segment: 2 KiB of them, which bounds the work of a split.
const SEGMENT_BITS: u32 = 8;

/// Some of the chains of a kind: those for products that begin with certain bits.
///
/// # Invariants
///
/// Zeroed chains are empty ones.
struct Segment([Chain<Entry>; 1 << SEGMENT_BITS]);

// SAFETY: By the invariant.
unsafe impl pin_init::Zeroable for Segment {}

/// How memory for the table is asked for. The lock is held meanwhile, and others may need it to
/// free memory: do not wait for them.
fn flags() -> Flags {
    GFP_NOWAIT | __GFP_NOWARN
}

impl Segment {
    /// How many entries a segment is made for.
    const LOAD: usize = 2 << SEGMENT_BITS;

    /// A segment of empty chains.
    fn new() -> Result<KBox<Self>, AllocError> {
        KBox::init(pin_init::zeroed::<Self>(), flags()).map_err(|_| AllocError)
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

/// Segments in the order of their products. Those that are not made yet, or split already, are
/// missing.
type Level = KVVec<Option<KBox<Segment>>>;

/// The chains of a kind that has outgrown the root.
///
/// # Invariants
///
/// - There are `1 << depth` places in `old` and, if there is a split segment, twice as many in
///   `new`.
/// - The first `split` segments of `old` are split: each has become two in `new`. The others are
///   still in `old`. There is always one that is not split.
pub(crate) struct Segments {
    depth: u32,
    split: usize,
    old: Level,
    new: Level,
}

impl Segments {
    /// Enough: the numbers of 2^32 objects do not need more segments.
    const MAX_DEPTH: u32 = u32::BITS - SEGMENT_BITS - 1;

    /// Moves what is in a run of chains, which are sorted as a whole, to the first segment.
    pub(crate) fn new(
        run: &[Chain<Entry>],
        lock: &WriteGuard<'_>,
    ) -> Result<KBox<Self>, AllocError> {
        let first = Segment::new()?;
        let mut old = Level::with_capacity(1, flags())?;
        let segments = KBox::new_uninit(flags())?;
        old.push_within_capacity(Some(first))
            .map_err(|_| AllocError)?;
        for first in old.iter().flatten() {
            for chain in run {
                while let Some(entry) = chain.first(lock) {
                    let to = first.pick(Key::of(entry).product(), 0);
                    // The chain is sorted, so what is for the same chain follows.
                    let other =
                        |entry: &&Entry| !ptr::eq(to, first.pick(Key::of(entry).product(), 0));
                    // SAFETY: The first one is for `to`, which is empty: nothing before was.
                    unsafe { chain.split(other, to, chain, lock) };
                }
            }
        }
        Ok(KBox::write(
            segments,
            Self {
                depth: 0,
                split: 0,
                old,
                new: Level::new(),
            },
        ))
    }

    /// How many entries there are enough chains for.
    pub(crate) fn capacity(&self) -> usize {
        let segments = self.old.len().saturating_add(self.split);
        segments.saturating_mul(Segment::LOAD)
    }

    /// The chain for a product, and how many top bits of the product chose it.
    #[inline]
    pub(crate) fn chain(&self, product: u32) -> Option<(&Chain<Entry>, u32)> {
        let (level, bits) = if key::top(product, self.depth) < self.split {
            (&self.new, self.depth.wrapping_add(1))
        } else {
            (&self.old, self.depth)
        };
        let segment = level.get(key::top(product, bits))?.as_ref()?;
        Some((segment.pick(product, bits), bits.wrapping_add(SEGMENT_BITS)))
    }

    /// Splits the next segment.
    pub(crate) fn grow(&mut self, lock: &WriteGuard<'_>) -> Result<(), AllocError> {
        if self.depth >= Self::MAX_DEPTH {
            return Err(AllocError);
        }
        if self.new.is_empty() {
            self.new = empty_level(self.old.len().saturating_mul(2))?;
        }
        let (low, high) = (Segment::new()?, Segment::new()?);
        let Some(split) = self.old.get_mut(self.split) else {
            return Err(AllocError);
        };
        let Some([new_low, new_high]) = self.new.chunks_exact_mut(2).nth(self.split) else {
            return Err(AllocError);
        };

        let bits = self.depth.wrapping_add(1);
        // The highest bit that did not choose a chain yet.
        let bit = 1u32.wrapping_shl(u32::BITS.wrapping_sub(bits.wrapping_add(SEGMENT_BITS)));
        let halves = Iterator::chain(low.0.chunks_exact(2), high.0.chunks_exact(2));
        for (chain, halves) in split.iter().flat_map(|segment| &segment.0).zip(halves) {
            if let [without, with] = halves {
                // The chain is sorted: those without the bit stand first.
                let first_with = |entry: &&Entry| Key::of(entry).product() & bit != 0;
                // SAFETY: Both are new, and so empty.
                unsafe { chain.split(first_with, without, with, lock) };
            }
        }
        // INVARIANT: The segment is in `new` from now on.
        (*split, *new_low, *new_high) = (None, Some(low), Some(high));
        self.split = self.split.wrapping_add(1);
        if self.split == self.old.len() {
            // INVARIANT: All are split: begin with the first of them again.
            self.old = core::mem::replace(&mut self.new, Level::new());
            self.depth = bits;
            self.split = 0;
        }
        Ok(())
    }
}

/// A level without segments.
fn empty_level(places: usize) -> Result<Level, AllocError> {
    let mut level = Level::with_capacity(places, flags() | __GFP_ZERO)?;
    // SAFETY: There is room for as many, and a zeroed `Option<KBox>` is `None`.
    unsafe { level.inc_len(places) };
    Ok(level)
}
