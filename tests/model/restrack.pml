/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol between the updater of an entry and its readers: add, del,
 * begin_del, abort_del, commit_del and sync against get and put. See rust/entry.rs,
 * rust/entry/updater.rs and rust/root.rs. How a table grows and shrinks is in
 * table.pml.
 *
 * There are one updater, two readers, and one process that holds the semaphore of
 * the root: it moves the entry between two buckets, and cleans the root. A step is
 * what is atomic in the module: one access to a shared field, one atomic
 * operation, or one change of the state of a lock. Every interleaving is tried.
 *
 * Asserted:
 *
 * - no reader holds an entry after its begin_del or del has returned;
 * - a reader never sees an entry that died since it was found, or whose object is
 *   gone, and never takes a tracked entry for a dead one;
 * - an entry is unlinked once;
 * - nobody touches an entry that its updater may have freed;
 * - a deletion that waits returns when the readers have left (a formula).
 *
 * The checker itself finds deadlocks. Each mutant makes the protocol wrong, and the
 * checker must find it: tests/model/protocol.py runs them all.
 */

#define READERS 2

mtype = { NEW, TRACKED, DYING, SYNCING };

/* The entry */
mtype state = NEW;
byte kref = 0;
bool initialised = false;	/* the completion */
bool completed = false;

bool root = false;		/* as the entry has it: NULL or not */

/*
 * The table: buckets 0 and perhaps 1, which is the one for the entry then. Each
 * has a lock.
 */
bool split = false;
bool locked[2];
bool linked = false;
bit bucket = 0;		/* the one that the entry is in, if it is linked */

#define lock(this)	atomic { !locked[this] -> locked[this] = true }
#define unlock(this)	locked[this] = false

/* Unlocks, and resets what is no longer needed, so that there are fewer states. */
#define put(this)	d_step { locked[this] = false; this = 0 }

/* Locks the bucket for the entry: `this`. */
inline lock_bucket(this)
{
	do
	:: this = split;
		lock(this);
		if
#ifdef MUTANT_NO_SECOND_LOOK
		:: true -> break
#else
		:: this == split -> break
		:: else -> put(this)
#endif
		fi
	od
}

/* What only the checker sees */
byte holders = 0;	/* readers with a reference */
bit deaths = 0;		/* changes whenever the entry was drained */
bool destroyed = true;	/* the object may be freed */
bool waiting = false;	/* the updater waits for readers */

inline drain(out_of_sight)
{
	state = out_of_sight;
	waiting = true;
	if
	:: atomic { kref == 1 -> kref = 0 }
	:: atomic { kref != 1 -> skip };
		atomic { kref--; last = (kref == 0) };
#ifdef MUTANT_INIT_LATE
		initialised = true;
		completed = false;
#endif
		if
		:: last -> last = false
#ifdef MUTANT_NO_WAIT
		:: !last
#else
		/* waits, and resets the completion for the next wait */
		:: !last -> atomic { completed -> completed = false }
#endif
		fi
	fi;
	waiting = false;
	/* No reader holds an entry after its begin_del or del has returned. */
	assert(holders == 0);
	deaths = !deaths
}

inline restore()
{
	state = TRACKED;
	kref = 1
}

/* An entry that is in no table is found by nobody. */
inline restore_in_table()
{
	if
#ifdef MUTANT_REVIVE_UNLOCKED
	:: root -> restore()
#else
	:: root ->
		lock_bucket(this);
		restore();
		put(this)
#endif
	:: else -> restore()
	fi
}

/* Whoever cleans the root may be faster. */
inline remove()
{
	if
	:: root ->
		lock_bucket(this);
		if
#ifdef MUTANT_REMOVE_UNCHECKED
		:: true ->
#else
		:: root ->
#endif
			assert(linked && bucket == this);
			d_step { linked = false; bucket = 0 };
			root = false
		:: else
		fi;
		put(this)
	:: else
	fi
}

active proctype updater()
{
	bool last;
	bit this;

	do
	:: true ->
		/* A new object */
		atomic { destroyed = false; state = NEW; kref = 1;
			 completed = false };
#ifndef MUTANT_INIT_LATE
		initialised = true;
#endif
		state = TRACKED;
		lock_bucket(this);
		root = true;
		d_step { linked = true; bucket = this };
		put(this);

		do
		:: true ->	/* sync */
			drain(SYNCING);
			restore_in_table()
		:: true ->	/* begin_del, and the driver refuses */
#ifdef MUTANT_ABORT_WITHOUT_DRAIN
			state = DYING;
			deaths = !deaths;
#else
			drain(DYING);
#endif
			restore_in_table()
		:: true ->	/* begin_del, commit_del */
			drain(DYING);
			remove();
			break
		:: true ->	/* del */
#ifndef MUTANT_NO_UNLINK
			remove();
#endif
			drain(DYING);
			break
		od;
		state = NEW;
		initialised = false;
		destroyed = true
	od
}

/* Holds the semaphore. */
active proctype writer()
{
	do
	:: !split ->
		lock(0);
		lock(1);
		if
		:: linked -> bucket = 1
		:: else
		fi;
		split = true;
		unlock(1);
		unlock(0)
	:: split ->
		lock(0);
		lock(1);
		if
		:: linked -> bucket = 0
		:: else
		fi;
		split = false;
		unlock(1);
		unlock(0)
	:: true ->	/* clean */
#ifndef MUTANT_CLEAN_UNLOCKED
		lock(split);
#endif
		if
		:: linked ->
			/* The updater may have freed the entry when its root is NULL. */
			assert(!destroyed);
#ifdef MUTANT_ROOT_FIRST
			root = false;
			assert(!destroyed);
			d_step { linked = false; bucket = 0 };
#else
			d_step { linked = false; bucket = 0 };
			assert(!destroyed);
			root = false;
#endif
		:: else
		fi;
#ifndef MUTANT_CLEAN_UNLOCKED
		unlock(split)
#endif
	od
}

active [READERS] proctype reader()
{
	bool got;
	bool last;
	bit born;
	bit this;

	do
	:: true ->
		lock_bucket(this);
		/* The entry is in the bucket where it is looked for. */
		assert(!linked || bucket == this);
		/* A lookup touches what is linked. */
		assert(!linked || !destroyed);
		if
#ifdef MUTANT_STATE_IGNORED
		:: linked ->
#else
		:: linked && state == TRACKED ->
#endif
			if
			:: atomic { kref > 0 -> kref++; got = true;
				    holders++; born = deaths }
#ifdef MUTANT_GET_FROM_ZERO
			:: atomic { kref == 0 -> kref++; got = true;
				    holders++; born = deaths }
#else
			/* The state was stored before the reference was dropped. */
			:: atomic { kref == 0 -> skip };
				assert(state != TRACKED)
#endif
			fi
		:: else
		fi;
		put(this);

		if
		:: got ->
			/* The object is there, and it is the one that was found. */
			assert(!destroyed);
			assert(born == deaths);
			atomic { kref--; last = (kref == 0); holders--;
				 got = false; born = 0 };
			if
			:: last ->
				/* Only if the updater waits can a reader be the last. */
				assert(state == DYING || state == SYNCING);
				assert(initialised && !destroyed);
				last = false;
				completed = true
			:: else
			fi
		:: else
		fi
	od
}

/* A deletion that waits returns when the last reader has left. */
ltl returns { [] (waiting -> <> !waiting) }
