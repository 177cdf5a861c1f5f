// SPDX-License-Identifier: GPL-2.0

//! A KUnit suite of random steps, whose outcome is compared with that of a model.
//!
//! The model is a list of entries and what is known of each. A *run* is a sequence of random steps
//! that starts with empty roots. Steps that do not apply (waiting for a reader that is this thread,
//! say) are skipped, so any subsequence is a valid run. A run that fails is shrunk to a few steps
//! before it is reported.
//!
//! The module parameters `model_seed` and `model_steps` repeat a run, or make more of them.

use crate::{
    bindings,
    clock,
    entry::{
        Entry,
        State, //
    },
    fixture::{
        self,
        kernel_name,
        TestEntry,
        TestRoot, //
    },
    kind::Kind,
    lifecycle,
    owner,
    root::Root,
    table::Table, //
};
use core::ptr;
use kernel::{
    fmt,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    },
    task::Task, //
};

/// How many roots there are.
const ROOTS: usize = 2;

/// How many entries there are: enough for a table to grow a few times.
const ENTRIES: usize = 600;

/// The kinds that entries are of. Numbers are given to the second, and chosen for the others.
const KINDS: [Kind; 3] = [Kind::Pd, Kind::Qp, Kind::Mr];

/// How many steps a run has.
const STEPS: usize = 10_000;

/// What a step does.
#[derive(Clone, Copy, Debug)]
enum Action {
    Add,
    Get,
    Put,
    Find,
    BeginDel,
    AbortDel,
    CommitDel,
    Del,
    Sync,
    Clean,
    Walk,
}

impl Action {
    /// The action for a random number: where tables are to fill, adds are the most frequent, else
    /// deletions.
    fn choose(random: u32, fills: bool) -> Self {
        match random % 256 {
            0..=19 => Action::Add,
            20..=119 if fills => Action::Add,
            20..=119 => Action::Del,
            120..=139 => Action::Get,
            140..=169 => Action::Put,
            170..=189 => Action::Find,
            190..=204 => Action::BeginDel,
            205..=209 => Action::AbortDel,
            210..=224 => Action::CommitDel,
            225..=244 => Action::Del,
            245..=252 => Action::Sync,
            253..=254 => Action::Walk,
            // Rarely, or tables do not get large.
            _ if random >> 8 & 15 == 0 => Action::Clean,
            _ => Action::Del,
        }
    }
}

/// A step: what is done, to which entry, and a number to decide the rest.
#[derive(Clone, Copy)]
struct Step {
    action: Action,
    entry: u16,
    random: u32,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, entry, random) = (self.action, self.entry, self.random);
        f.write_fmt(fmt!("{action:?} of entry {entry}, with {random:#x}"))
    }
}

/// For how many steps tables fill, and for how many they empty then.
const TIDE: usize = 2500;

/// Marsaglia's xorshift64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    /// The step of that number in a run.
    fn step(&mut self, number: usize) -> Step {
        Step {
            action: Action::choose(self.next(), number / TIDE % 2 == 0),
            entry: (self.next() as usize % ENTRIES) as u16,
            random: self.next(),
        }
    }
}

/// What the model knows of an entry.
#[derive(Clone, Copy)]
struct Known {
    state: State,
    orphan: bool,
    root: usize,
    kind: Kind,
    id: u32,
    details: bool,
    process: bool,
    readers: i32,
}

impl Known {
    const NOTHING: Self = Self {
        state: State::New,
        orphan: false,
        root: 0,
        kind: Kind::Pd,
        id: 0,
        details: false,
        process: false,
        readers: 0,
    };

    /// Returns true if the entry is in a table.
    fn is_linked(&self) -> bool {
        matches!(self.state, State::Tracked | State::Dying) && !self.orphan
    }

    /// Returns true if a lookup for this finds the entry.
    fn is_found(&self, root: usize, kind: Kind, details: bool) -> bool {
        self.state == State::Tracked
            && !self.orphan
            && (self.root, self.kind) == (root, kind)
            && (details || !self.details)
    }
}

/// The roots and entries, and what should be true of them.
struct World {
    // Entries go before the roots that they are in.
    entries: KVVec<(TestEntry, Known)>,
    roots: [TestRoot; ROOTS],
    task: ARef<Task>,
    usage: i32,
    processes: i32,
    buckets: [[u32; KINDS.len()]; ROOTS],
}

/// How often a table was seen to have shrunk.
static SHRUNK: Atomic<u32> = Atomic::new(0);

/// What is wrong, in words.
type Wrong = &'static str;

/// The outcome of a step.
type Checked = Result<(), Wrong>;

/// `Ok` if something is true.
fn check(is_true: bool, wrong: Wrong) -> Checked {
    if is_true {
        Ok(())
    } else {
        Err(wrong)
    }
}

impl World {
    fn new() -> Result<Self> {
        let task = owner::current_process();
        let mut entries = KVVec::with_capacity(ENTRIES, GFP_KERNEL)?;
        for _ in 0..ENTRIES {
            entries.push((TestEntry::zeroed()?, Known::NOTHING), GFP_KERNEL)?;
        }
        Ok(Self {
            entries,
            roots: [fixture::root()?, fixture::root()?],
            usage: fixture::usage(&task),
            task,
            processes: 0,
            buckets: [[0; KINDS.len()]; ROOTS],
        })
    }

    /// Takes a step, and checks what it should have changed.
    fn step(&mut self, step: Step) -> Checked {
        let Some((entry, known)) = self.entries.get_mut(usize::from(step.entry)) else {
            return Err("no such entry");
        };
        let alone = known.readers == 0;
        match (step.action, known.state) {
            (Action::Add, State::New) => {
                self.add(step)?;
            }
            (Action::Get, State::Tracked) => {
                check(entry.get(), "a live entry could not be had")?;
                known.readers += 1;
            }
            (Action::Get, State::Dying) => check(!entry.get(), "a dead entry could be had")?,
            (Action::Put, _) if !alone => {
                check(!entry.put(), "a reader's put was the last")?;
                known.readers -= 1;
            }
            (Action::BeginDel, State::Tracked) if alone => {
                lifecycle::begin_del(&entry.updater());
                known.state = State::Dying;
            }
            (Action::AbortDel, State::Dying) => {
                lifecycle::abort_del(&entry.updater());
                known.state = State::Tracked;
            }
            (Action::CommitDel | Action::Del, _) if alone => {
                lifecycle::del(entry.updater());
                known.state = State::New;
                known.orphan = false;
                self.processes -= i32::from(core::mem::take(&mut known.process));
            }
            (Action::Sync, State::Tracked) if alone => lifecycle::sync(&entry.updater()),
            (Action::Find, _) => self.find(step)?,
            (Action::Walk, _) => self.walk_all()?,
            (Action::Clean, _) => self.clean(step)?,
            _ => {}
        }
        self.check_entry(step)
    }

    /// Adds an entry, with an owner, a number and details as the step has it.
    fn add(&mut self, step: Step) -> Checked {
        let random = step.random as usize;
        let (root_index, kind_index) = (random % ROOTS, random / 2 % KINDS.len());
        let Some(root) = self.roots.get(root_index) else {
            return Err("no such root");
        };
        let Some(kind) = KINDS.get(kind_index).copied() else {
            return Err("no such kind");
        };
        let Some((entry, known)) = self.entries.get_mut(usize::from(step.entry)) else {
            return Err("no such entry");
        };
        let process = step.random & 0x100 != 0;
        let details = kind == Kind::Qp && step.random & 0x600 == 0;
        // Few enough for some to be equal.
        let given = (kind == Kind::Qp).then_some((step.random >> 16) % 256);
        entry.renew(kind);
        let owner = if process { None } else { kernel_name(c"model") };
        lifecycle::set_name(entry.updater(), owner);
        check(
            entry.add(root, given, details).is_ok(),
            "a new entry could not be added",
        )?;
        self.processes += i32::from(process);
        *known = Known {
            state: State::Tracked,
            orphan: false,
            root: root_index,
            kind,
            id: entry.id(),
            details,
            process,
            readers: 0,
        };
        match given {
            Some(id) => check(known.id == id, "the number is not the one that was given"),
            // All entries are looked at for this: now and then is enough.
            None if step.random >> 24 & 7 != 0 => Ok(()),
            None => {
                let id = known.id;
                let same = |(_, other): &&(TestEntry, Known)| {
                    other.is_linked()
                        && (other.root, other.kind, other.id) == (root_index, kind, id)
                };
                let count = self.entries.iter().filter(same).count();
                check(count == 1, "a number was given twice")
            }
        }
    }

    /// Looks up the number of an entry, in each root and kind.
    fn find(&self, step: Step) -> Checked {
        let Some((_, Known { id, .. })) = self.entries.get(usize::from(step.entry)) else {
            return Err("no such entry");
        };
        for (index, root) in self.roots.iter().enumerate() {
            for kind in KINDS {
                let found = root.get(kind, *id);
                let mut expected = self
                    .entries
                    .iter()
                    .filter(|(_, known)| known.id == *id && known.is_found(index, kind, true));
                match found {
                    None => check(expected.next().is_none(), "an entry was not found")?,
                    Some(found) => check(
                        expected.any(|(entry, _)| ptr::eq::<Entry>(&*found, &**entry)),
                        "the wrong entry was found",
                    )?,
                }
            }
        }
        Ok(())
    }

    /// Walks over all tables, and compares what it meets with what is known.
    fn walk_all(&self) -> Checked {
        for (index, root) in self.roots.iter().enumerate() {
            for kind in KINDS {
                for details in [false, true] {
                    self.walk(index, root, kind, details)?;
                }
            }
        }
        Ok(())
    }

    fn walk(&self, index: usize, root: &Root, kind: Kind, details: bool) -> Checked {
        let (mut cursor, mut met, mut last) = (0, 0, None);
        while let Some(entry) = root.next(kind, &mut cursor, details) {
            let key = entry.key();
            check(last.is_none_or(|last| last < key), "a walk went back")?;
            last = Some(key);
            met += 1;
        }
        // They come in order, so none came twice: it is enough to count.
        let known = |(_, known): &&(TestEntry, Known)| known.is_found(index, kind, details);
        let count = self.entries.iter().filter(known).count();
        check(met == count, "a walk met too many or too few")
    }

    /// Cleans a root; the entries of it become orphans.
    fn clean(&mut self, step: Step) -> Checked {
        let index = step.random as usize % ROOTS;
        let Some(root) = self.roots.get(index) else {
            return Err("no such root");
        };
        let told = root.clean().count;
        let mut count = 0;
        for (entry, known) in &mut self.entries {
            if known.is_linked() && known.root == index {
                check(!entry.is_valid(), "an orphan is valid")?;
                known.orphan = true;
                count += 1;
            }
        }
        check(told == count, "cleaning told of too many or too few")?;
        self.walk_all()
    }

    /// Checks what is cheap to check after each step.
    fn check_entry(&self, step: Step) -> Checked {
        let Some((entry, known)) = self.entries.get(usize::from(step.entry)) else {
            return Err("no such entry");
        };
        check(entry.state() == known.state, "the state is wrong")?;
        let valid = known.is_linked();
        check(entry.is_valid() == valid, "the validity is wrong")?;
        check(
            entry.owner().process().is_some() == known.process,
            "the owner is wrong",
        )?;
        check(
            fixture::usage(&self.task) == self.usage + self.processes,
            "a reference to a task was lost, or is left",
        )?;
        let linked = !entry.root().is_null();
        check(linked == valid, "the entry is linked, or is not")
    }

    /// Checks all counts, of all entries.
    fn check_counts(&self) -> Checked {
        for (index, root) in self.roots.iter().enumerate() {
            for kind in KINDS {
                for details in [false, true] {
                    let known =
                        |(_, known): &&(TestEntry, Known)| known.is_found(index, kind, details);
                    let count = self.entries.iter().filter(known).count();
                    check(
                        usize::try_from(root.count(kind, details)) == Ok(count),
                        "a count is wrong",
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Counts the tables that have shrunk, other than by being cleaned.
    fn look_at_tables(&mut self) {
        for (root, buckets) in self.roots.iter().zip(&mut self.buckets) {
            for (kind, before) in KINDS.into_iter().zip(buckets) {
                let now = root.bucket_count(kind);
                if now < *before && now >= Table::KEPT {
                    SHRUNK.add(1, Relaxed);
                }
                *before = now;
            }
        }
    }

    /// Deletes everything, and checks that nothing is left.
    fn end(&mut self) -> Checked {
        for (entry, known) in &mut self.entries {
            for _ in 0..core::mem::take(&mut known.readers) {
                entry.put();
            }
            lifecycle::del(entry.updater());
            *known = Known::NOTHING;
        }
        self.processes = 0;
        self.check_counts()?;
        self.walk_all()?;
        check(
            fixture::usage(&self.task) == self.usage,
            "a reference to a task is left",
        )
    }
}

/// Takes steps until one fails: which, and how.
fn run(steps: &[Step]) -> Result<Option<(usize, Wrong)>> {
    let mut world = World::new()?;
    let mut outcome = Ok(());
    let mut taken = 0;
    for step in steps {
        outcome = world.step(*step);
        if taken % 64 == 0 {
            outcome = outcome.and_then(|()| world.check_counts());
            world.look_at_tables();
        }
        if outcome.is_err() {
            break;
        }
        taken += 1;
    }
    // Even a world that is wrong has to be left in order.
    let end = world.end();
    Ok(outcome.and(end).err().map(|wrong| (taken, wrong)))
}

/// Leaves out of a run that fails what it does not need in order to fail.
fn shrink(steps: &mut KVVec<Step>) -> Result {
    if let Some((failed, _)) = run(steps)? {
        steps.truncate(failed + 1);
    }
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut start = 0;
        while start < steps.len() {
            let mut shorter = KVVec::with_capacity(steps.len(), GFP_KERNEL)?;
            for (index, step) in steps.iter().enumerate() {
                if index < start || index >= start + size {
                    shorter.push(*step, GFP_KERNEL)?;
                }
            }
            if run(&shorter)?.is_some() {
                *steps = shorter;
            } else {
                start += size;
            }
        }
        size /= 2;
    }
    Ok(())
}

/// The seed of the first run.
fn seed() -> u64 {
    // SAFETY: A parameter of this module, which nobody changes after it was loaded.
    match unsafe { bindings::restrack_model_seed } {
        0 => clock::now() as u64,
        given => given,
    }
}

#[kernel::prelude::kunit_tests(restrack_model)]
mod tests {
    use super::*;

    #[test]
    fn random_steps_end_as_in_the_model() -> Result {
        let seed = seed();
        // SAFETY: A parameter of this module, which nobody changes after it was loaded.
        let steps = unsafe { bindings::restrack_model_steps };
        let steps = steps as usize;
        pr_info!("model: {steps} steps from model_seed={seed}\n");
        // Nothing but zero stays zero.
        let mut random = Random(seed | 1 << 63);
        for _ in 0..steps.div_ceil(STEPS) {
            let mut run_steps = KVVec::with_capacity(STEPS, GFP_KERNEL)?;
            for number in 0..STEPS {
                run_steps.push(random.step(number), GFP_KERNEL)?;
            }
            if run(&run_steps)?.is_some() {
                shrink(&mut run_steps)?;
                let wrong = run(&run_steps)?.map_or("it does not fail again", |(_, wrong)| wrong);
                pr_err!("model: {wrong}, after these steps:\n");
                for step in &run_steps {
                    pr_err!("model:   {step}\n");
                }
                return Err(EINVAL);
            }
        }
        assert!(steps == 0 || SHRUNK.load(Relaxed) > 0);
        Ok(())
    }
}
