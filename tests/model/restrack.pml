/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol between the keeper of an entry and its readers: add, del,
 * begin_del, abort_del, commit_del and sync against get and put.
 *
 * One keeper, two readers, every interleaving. A step here is what is atomic in
 * the module: one access to a shared field, one atomic operation, one change of
 * the lock's state. See rust/entry.rs (drain, put) and rust/root.rs.
 *
 * Asserted: no reader holds an entry when its deletion has returned or begun; a
 * reader never sees an entry that died since it was found, nor one whose object
 * is gone. As a formula: a deletion that waits returns when the readers have
 * left. And the checker itself finds out if all processes are stuck.
 *
 * With one of the MUTANT_* defined the protocol is wrong, and the checker has to
 * find out: scripts/protocol.py runs them all.
 */

#define READERS 2

mtype = { NEW, TRACKED, DYING, SYNCING };

/* The entry */
mtype state = NEW;
byte kref = 0;
bool linked = false;
bool initialised = false;	/* the completion */
bool completed = false;

/* The lock: 0 free, 255 held for writing, else held by so many readers */
byte rwsem = 0;

#define down_read()	atomic { rwsem < 254 -> rwsem++ }
#define up_read()	rwsem--
#define down_write()	atomic { rwsem == 0 -> rwsem = 255 }
#define up_write()	rwsem = 0

/* What only the checker sees */
byte holders = 0;	/* readers with a reference */
byte deaths = 0;	/* how often the entry was drained (modulo 4) */
bool destroyed = true;	/* the object may be freed */
bool waiting = false;	/* the keeper waits for readers */

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
		:: last
#ifdef MUTANT_NO_WAIT
		:: !last
#else
		/* what it waits for is taken: the next wait is for another one */
		:: !last -> atomic { completed -> completed = false }
#endif
		fi
	fi;
	waiting = false;
	/* No reader holds an entry after its deletion (began and) returned. */
	assert(holders == 0);
	deaths = (deaths + 1) % 4
}

inline revive()
{
	down_write();
	state = TRACKED;
	kref = 1;
	up_write()
}

inline unlink()
{
	down_write();
	linked = false;
	up_write()
}

active proctype keeper()
{
	bool last;

	do
	:: true ->
		/* A new object */
		atomic { destroyed = false; state = NEW; kref = 1;
			 completed = false };
#ifndef MUTANT_INIT_LATE
		initialised = true;
#endif
		state = TRACKED;
		down_write();
		linked = true;
		up_write();

		do
		:: true ->	/* sync */
			drain(SYNCING);
			revive()
		:: true ->	/* begin_del, and the driver refuses */
#ifdef MUTANT_ABORT_WITHOUT_DRAIN
			state = DYING;
			deaths = (deaths + 1) % 4;
			revive()
#else
			drain(DYING);
			revive()
#endif
		:: true ->	/* begin_del, commit_del */
			drain(DYING);
			unlink();
			break
		:: true ->	/* del */
#ifndef MUTANT_NO_UNLINK
			unlink();
#endif
			drain(DYING);
			break
		od;
		state = NEW;
		initialised = false;
		destroyed = true
	od
}

active [READERS] proctype reader()
{
	bool got;
	bool last;
	byte born;

	do
	:: true ->
		got = false;
		down_read();
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
			:: atomic { kref == 0 -> skip }
#endif
			fi
		:: else
		fi;
		up_read();

		if
		:: got ->
			/* The object is there, and is the one that was found. */
			assert(!destroyed);
			assert(born == deaths);
			atomic { kref--; last = (kref == 0); holders-- };
			if
			:: last ->
				/* Only a keeper that waits lets a reader be the last. */
				assert(state == DYING || state == SYNCING);
				assert(initialised && !destroyed);
				completed = true
			:: else
			fi
		:: else
		fi
	od
}

/* A deletion that waits returns when the last reader has left. */
ltl returns { [] (waiting -> <> !waiting) }
