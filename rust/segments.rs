// SPDX-License-Identifier: GPL-2.0

//! The chains of a kind: those in the root, and more when it has more objects than they are for.
//!
//! The table grows by one segment of chains at a time, and each segment is split on its own, so
//! that no single add has to pay for the whole table. Where memory is short the table stays as it
//! is: chains get longer, nothing is lost.

use crate::{
    entry::Entry,
    hlist::Chain,
    sync::WriteGuard, //
};
use core::{
    ptr::{
        self,
        NonNull, //
    },
    slice, //
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

/// log2 of the number of chains in a segment: 2 KiB of them.
///
/// It bounds the work of a single add. With larger segments a split takes longer, with smaller ones
/// there are more places, which take longer to double.
const SEGMENT_BITS: u32 = 8;

/// How memory for the table is asked for. The lock is held meanwhile, and others may need it to
/// free memory: do not wait for them.
///
/// Tests let it be refused; see [`fixture::Shortage`](crate::fixture::Shortage).
fn flags() -> Result<Flags, AllocError> {
    #[cfg(CONFIG_KUNIT = "y")]
    crate::fixture::Shortage::ask()?;
    Ok(GFP_NOWAIT | __GFP_NOWARN)
}

/// Some of the chains of a kind: those for products that begin with certain bits.
struct Segment([Chain<Entry>; 1 << SEGMENT_BITS]);

impl Segment {
    /// How many entries a segment is made for, where there are so many of them: long chains take
    /// time, short ones memory, which does not matter while there is little of it.
    #[inline]
    fn load(segments: usize) -> usize {
        match segments {
            0..64 => 1 << SEGMENT_BITS,
            _ => 2 << SEGMENT_BITS,
        }
    }

    /// A segment of empty chains.
    fn new() -> Result<KBox<Self>, AllocError> {
        let segment = KBox::new_uninit(flags()? | __GFP_ZERO)?;
        // SAFETY: It is zeroed, and zeroed chains are empty ones.
        Ok(unsafe { segment.assume_init() })
    }
}

/// The least product of which these are the `bits` top bits.
fn least(top: usize, bits: u32) -> u32 {
    // A shift by all 32 bits, for no top bits, is one of a longer word.
    (top as u64).wrapping_shl(u32::BITS.wrapping_sub(bits)) as u32
}

/// Where the chains are for the products that begin with certain bits.
///
/// # Invariants
///
/// `base` plus the `u32::BITS - shift` top bits of such a product is the chain for it, which stays
/// as long as the place is in a [`Directory`]. For other products it is nowhere.
#[derive(Clone, Copy)]
#[repr(C)]
struct Place {
    base: *const Chain<Entry>,
    shift: u32,
}

impl Place {
    /// The place for `1 << chain_bits` chains from `first` on, which are for the products whose
    /// `depth` top bits are `top`.
    fn new(first: *const Chain<Entry>, chain_bits: u32, top: usize, depth: u32) -> Self {
        // INVARIANT: The chain for the least of these products is `first`.
        Self {
            base: first.wrapping_sub(top.wrapping_shl(chain_bits)),
            shift: u32::BITS.wrapping_sub(depth).wrapping_sub(chain_bits),
        }
    }

    /// The place for a segment, which is leaked.
    fn of(segment: KBox<Segment>, top: usize, depth: u32) -> Self {
        let first = KBox::leak(segment).0.as_ptr();
        Self::new(first, SEGMENT_BITS, top, depth)
    }

    /// The segment of a place that is for this product, if the place has one.
    fn segment(&self, product: u32) -> NonNull<Segment> {
        let bits = self.shift.wrapping_add(SEGMENT_BITS);
        let first = u64::from(product).wrapping_shr(bits).wrapping_shl(bits);
        // SAFETY: By the type invariant a chain is there.
        let first = unsafe { NonNull::new_unchecked(self.at(first as u32).cast_mut()) };
        first.cast()
    }

    /// Where the chain for a product is.
    #[inline]
    fn at(&self, product: u32) -> *const Chain<Entry> {
        // A shift by all 32 bits, for no top bits, is one of a longer word.
        let index = u64::from(product).wrapping_shr(self.shift);
        self.base.wrapping_add(index as usize)
    }
}

/// The chains of a kind.
///
/// # Invariants
///
/// - There are places for all values of the `u32::BITS - shift` top bits of a product: those of
///   `segments` if there are any, else `first`.
/// - `first` is the place for the chains in the root.
/// - The chains of all places live as long as the directory.
#[repr(C)]
pub(crate) struct Directory {
    places: *const Place,
    shift: u32,
    first: Place,
    segments: Option<KBox<Segments>>,
}

impl Directory {
    /// Sets up a directory that is zeroed, with the chains of the root.
    ///
    /// # Safety
    ///
    /// The directory is valid for writes, new, and does not move. The chains, `1 << chain_bits` of
    /// them, live as long as it.
    pub(crate) unsafe fn init(this: *mut Self, run: *const Chain<Entry>, chain_bits: u32) {
        // SAFETY: The field of an object that is valid for writes.
        unsafe { (*this).first = Place::new(run, chain_bits, 0, 0) };
        // SAFETY: By the requirements of this function.
        unsafe { (*this).refresh() };
    }

    /// The chain for a product, and how many top bits of the product chose it.
    #[inline]
    pub(crate) fn chain(&self, product: u32) -> (&Chain<Entry>, u32) {
        let index = u64::from(product).wrapping_shr(self.shift) as usize;
        // SAFETY: There is a place for it by the type invariant.
        let place = unsafe { &*self.places.wrapping_add(index) };
        // SAFETY: The chain lives by the type invariant.
        let chain = unsafe { &*place.at(product) };
        (chain, u32::BITS.wrapping_sub(place.shift))
    }

    /// The chains in the root.
    pub(crate) fn run(&self) -> &[Chain<Entry>] {
        let bits = u32::BITS.wrapping_sub(self.first.shift);
        // SAFETY: By the type invariant the chains for all values of so many bits are there.
        unsafe { slice::from_raw_parts(self.first.base, 1usize.wrapping_shl(bits)) }
    }

    /// Takes the segments away, to work on them: until they are back, the chains are those of the
    /// root.
    pub(crate) fn take(&mut self) -> Option<KBox<Segments>> {
        let segments = self.segments.take();
        self.refresh();
        segments
    }

    /// Makes the chains those of the segments, if there are any.
    pub(crate) fn set(&mut self, segments: Option<KBox<Segments>>) {
        self.segments = segments;
        self.refresh();
    }

    /// Looks where the places are now.
    fn refresh(&mut self) {
        // INVARIANT: These are all places that there are.
        (self.places, self.shift) = match &self.segments {
            Some(segments) => (
                segments.pairs.as_ptr().cast(),
                u32::BITS.wrapping_sub(segments.depth),
            ),
            None => (&raw const self.first, u32::BITS),
        };
    }
}

/// The chains of a kind that has outgrown the root.
///
/// There is a place for each value of the `depth` top bits of a product. Segments are split one
/// after the other; one that is not split yet has both places of its pair. When all pairs are split
/// the places are doubled, and every segment has both places of a pair again.
///
/// # Invariants
///
/// - There are `1 << depth` places.
/// - In the first `split` pairs each place has a segment of its own, in the others both have the
///   same.
/// - Segments come from a [`KBox`], and live as long as they have a place.
pub(crate) struct Segments {
    depth: u32,
    split: usize,
    pairs: KVVec<[Place; 2]>,
}

impl Segments {
    /// Enough: the numbers of 2^32 objects do not need more segments.
    const MAX_DEPTH: u32 = u32::BITS - SEGMENT_BITS;

    /// Moves what is in a run of chains, which are sorted as a whole, to a first segment.
    pub(crate) fn new(
        run: &[Chain<Entry>],
        lock: &WriteGuard<'_>,
    ) -> Result<KBox<Self>, AllocError> {
        let mut pairs = KVVec::with_capacity(1, flags()?)?;
        let segments = KBox::new_uninit(flags()?)?;
        let place = Place::of(Segment::new()?, 0, 0);
        for chain in run {
            while let Some(entry) = chain.first(lock) {
                let to = place.at(entry.key().product());
                // The chain is sorted, so what is for the same chain follows.
                let other = |entry: &&Entry| !ptr::eq(to, place.at(entry.key().product()));
                // SAFETY: It is in the segment, which has no place that could be taken away.
                let to = unsafe { &*to };
                // SAFETY: The first one is for `to`, which is empty: nothing before was.
                unsafe { chain.split(other, to, chain, lock) };
            }
        }
        // There is room for it.
        let _ = pairs.push_within_capacity([place; 2]);
        // INVARIANT: Two places, with the same segment.
        Ok(KBox::write(
            segments,
            Self {
                depth: 1,
                split: 0,
                pairs,
            },
        ))
    }

    /// How many entries there are enough chains for.
    pub(crate) fn capacity(&self) -> usize {
        let segments = self.pairs.len().saturating_add(self.split);
        segments.saturating_mul(Segment::load(segments))
    }

    /// Makes more chains: splits the next segment, or doubles the directory first.
    pub(crate) fn grow(&mut self, lock: &WriteGuard<'_>) -> Result<(), AllocError> {
        if self.split < self.pairs.len() {
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
        let mut pairs = KVVec::with_capacity(self.pairs.len().saturating_mul(2), flags()?)?;
        let old = self.pairs.as_flattened();
        for (place, pair) in old.iter().zip(pairs.spare_capacity_mut()) {
            pair.write([*place; 2]);
        }
        // SAFETY: There was room for a pair for each place, and they have been written.
        unsafe { pairs.inc_len(old.len()) };
        // INVARIANT: There are twice as many places, and no pair is split.
        self.pairs = pairs;
        self.depth = self.depth.wrapping_add(1);
        self.split = 0;
        Ok(())
    }

    /// Splits the segment of the first pair that is not split: it keeps the lower products, and the
    /// others get a new one.
    fn split(&mut self, lock: &WriteGuard<'_>) -> Result<(), AllocError> {
        let new = Segment::new()?;
        let (depth, top) = (self.depth, self.split.wrapping_mul(2));
        let Some([low, high]) = self.pairs.get_mut(self.split) else {
            return Err(AllocError);
        };
        let old = low.segment(least(top, depth));
        // SAFETY: By the type invariant it has a place.
        let chains = unsafe { &old.as_ref().0 };
        // The highest bit that did not choose a chain yet.
        let bit = least(1, depth.wrapping_add(SEGMENT_BITS));
        let split = |chain: &Chain<Entry>, halves: &[Chain<Entry>]| {
            if let [without, with] = halves {
                // The chain is sorted: those without the bit stand first.
                let first_with = |entry: &&Entry| entry.key().product() & bit != 0;
                // SAFETY: They are new, or have been split already, or are the chain itself.
                unsafe { chain.split(first_with, without, with, lock) };
            }
        };
        let (stay, go) = chains.split_at(chains.len() / 2);
        for (chain, halves) in go.iter().zip(new.0.chunks_exact(2)) {
            split(chain, halves);
        }
        // From the last one on: both halves of a chain are at twice its index.
        for (chain, halves) in stay.iter().zip(chains.chunks_exact(2)).rev() {
            split(chain, halves);
        }
        // INVARIANT: The pair is split now.
        *low = Place::new(chains.as_ptr(), SEGMENT_BITS, top, depth);
        *high = Place::of(new, top.wrapping_add(1), depth);
        self.split = self.split.wrapping_add(1);
        Ok(())
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        for (top, place) in self.pairs.as_flattened().iter().enumerate() {
            // Both places of a pair that is not split have the same segment.
            if top % 2 == 0 || top / 2 < self.split {
                let segment = place.segment(least(top, self.depth));
                // SAFETY: All places go, and this is the last one with this segment.
                drop(unsafe { KBox::from_raw(segment.as_ptr()) });
            }
        }
    }
}
