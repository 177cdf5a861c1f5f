/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol of a table that grows and shrinks while others look, add, delete
 * and walk. See rust/table.rs.
 *
 * There are one to MOST buckets. Two of them are in the root, the others in a page
 * that comes and goes; there is memory for two such pages. Of two entries A is
 * there all the time, and B comes and goes. Their hashes have two bits; every pair
 * is tried unless RANK_A or RANK_B is given. A step is what is atomic in the
 * module: one access to a shared word, or one atomic operation. Steps that a
 * process does with a lock held, and that no other can tell apart, are sometimes
 * one. A chain is the set of its entries, in the word with the lock.
 *
 * Asserted:
 *
 * - an entry is found in the bucket that is locked for its hash if, and only if,
 *   it is in the table;
 * - a walk visits what is there all the time, and nothing twice;
 * - nobody touches a page that was freed, and no entry is in one.
 *
 * The checker itself finds deadlocks. All processes see at once what is written, so
 * this says nothing of barriers. Each mutant makes the protocol wrong, and the
 * checker must find it: tests/model/protocol.py runs them all.
 */

/* The head of a bucket: the lock and the chain */
#define LOCK 1
#define A 2
#define B 4

/*
 * 0 and 1 are in the root, 2 and 3 in one page, 4 and 5 in the other. `leaf` is
 * the page that the buckets 2 and 3 are in, or were in.
 */
byte head[6];
bit leaf = 0;

byte buckets = 1;
#ifndef MOST
#define MOST 4
#endif

mtype = { FREE, USED, LOST };
mtype page[2] = FREE;

/* Sets of processes */
#define WALKER 1
#define UPDATER 2
#define LOOKUP 4
byte inside = 0;	/* that are in an RCU section */
byte awaited[2];	/* for which a lost page waits */
/*
 * that loaded a size that nobody has changed since. (In the module a size also has
 * a count of merges, so two sizes with the same number of buckets differ.)
 */
byte recent = 0;

/*
 * The ranks of the entries: their hashes with the bits in reverse. The number of
 * the bucket for a rank, and the last rank that is for the same bucket.
 */
byte rank_a, rank_b;

#define index(rank, n) (		\
	n == 1 -> 0 : (			\
	rank == 0 -> 0 : (		\
	rank == 1 -> (n >= 3 -> 2 : 0) : (	\
	rank == 2 -> 1 : (n == 4 -> 3 : 1)))))
#define last_rank(rank, n) (		\
	n == 1 -> 3 : (			\
	rank < 2 -> (n >= 3 -> rank : 1) : (n == 4 -> rank : 3)))

/* Keys: B stands behind A if they have the same hash. */
#define KEYS 8
#define key_a (2 * rank_a)
#define key_b (2 * rank_b + 1)

/* What only the checker sees */
bool there = false;	/* B is in the table */
byte due = 0;		/* what the walk has yet to visit: it was there all the time */

/* A word of a bucket may be touched. */
#define touch(this) assert(this < 2 || page[(this - 2) / 2] != FREE)

/* Where a bucket is, by its number. */
inline at(this)
{
	if
	:: this >= 2 -> this = this + 2 * leaf
	:: else
	fi
}

inline lock(this)
{
	atomic {
		!(head[this] & LOCK) ->
		touch(this);
		head[this] = head[this] | LOCK
	}
}

/* As in put(), but in one step: nobody else writes the word. */
#define unlock(this) head[this] = head[this] & ~LOCK

inline free_page(this)
{
	if
	:: page[this] == LOST && awaited[this] == 0 ->
#ifndef MUTANT_NO_GRACE_PERIOD
		/* The page is empty. */
		assert(head[2 + 2 * this] == 0 && head[3 + 2 * this] == 0);
#endif
		head[2 + 2 * this] = 0;
		head[3 + 2 * this] = 0;
		page[this] = FREE;
		leaf = (leaf == this -> 0 : leaf)
	:: else
	fi
}

/*
 * Begins an RCU section, loads the size into `n`, and the bucket for a hash into
 * `this`.
 */
inline enter(me, rank, this, n)
{
#ifdef MUTANT_SECTION_LATE
	d_step { n = buckets; recent = recent | me };
	d_step { inside = inside | me; this = index(rank, n) };
#else
	d_step {
		inside = inside | me;
		n = buckets;
		recent = recent | me;
		this = index(rank, n)
	};
#endif
	at(this)
}

/* Ends it; pages that waited for it may be freed. For a d_step. */
inline leave(me, this, n)
{
	inside = inside & ~me;
	recent = recent & ~me;
	awaited[0] = awaited[0] & ~me;
	awaited[1] = awaited[1] & ~me;
	free_page(0);
	free_page(1);
	this = 0;
	n = 0
}

/* Unlocks and leaves. The pointer beside the lock is read and written back. */
inline put(me, this, n)
{
	word = head[this];
	d_step {
		touch(this);
		head[this] = word & ~LOCK;
		word = 0;
		leave(me, this, n)
	}
}

#ifdef MUTANT_NO_SECOND_LOOK
#define is_right(me, rank, n) true
#else
/* The bucket has the same number, but may be in another page by now. */
#ifdef MUTANT_NUMBER_ONLY
#define is_right(me, rank, n) (index(rank, buckets) == index(rank, n))
#else
#define is_right(me, rank, n) (recent & me)
#endif
#endif

/* Locks the bucket for a hash: `this`, of `n` buckets. */
inline lock_for(me, rank, this, n)
{
	do
	:: enter(me, rank, this, n);
		lock(this);
		if
		:: atomic { is_right(me, rank, n) -> recent = recent & ~me }; break
		:: else -> put(me, this, n)
		fi
	od
}

/* Sets the chain; the lock stays. */
#define set_chain(this, chain) head[this] = (head[this] & LOCK) | (chain)

/* Holds the semaphore: grows and shrinks the table. */
proctype resizer()
{
	byte lower, upper;	/* where the buckets are */
	byte word;
	byte goes;		/* what moves */
	byte n;			/* as it will be */

	do
	:: atomic { buckets < MOST && (buckets != 2 || page[0] == FREE || page[1] == FREE) ->
		n = buckets + 1;
		if
		:: n == 3 ->
			leaf = (page[0] == FREE -> 0 : 1);
			page[leaf] = USED
		:: else
		fi;
		lower = (n == 4 -> 1 : 0);
		upper = n - 1;
		at(upper) };
#ifdef MUTANT_PUBLISHED_BEFORE
		d_step { buckets = n; recent = 0 };
#endif
#ifndef MUTANT_SPLIT_WITHOUT_LOWER
		lock(lower);
#endif
#ifndef MUTANT_SPLIT_WITHOUT_UPPER
		lock(upper);
#endif
		d_step {
			word = head[lower] & ~LOCK;
			goes = 0;
			if
			:: word & A && index(rank_a, n) == n - 1 -> goes = goes | A
			:: else
			fi;
			if
			:: word & B && index(rank_b, n) == n - 1 -> goes = goes | B
			:: else
			fi
		};
		d_step { set_chain(lower, word & ~goes); word = 0 };
		d_step { set_chain(upper, goes); goes = 0 };
#ifdef MUTANT_PUBLISHED_AFTER
#ifndef MUTANT_SPLIT_WITHOUT_UPPER
		unlock(upper);
#endif
		unlock(lower);
		d_step { buckets = n; recent = 0; lower = 0; upper = 0; n = 0 }
#else
#ifndef MUTANT_PUBLISHED_BEFORE
		d_step { buckets = n; recent = 0 };
#endif
#ifndef MUTANT_SPLIT_WITHOUT_UPPER
		unlock(upper);
#endif
#ifndef MUTANT_SPLIT_WITHOUT_LOWER
		unlock(lower);
#endif
		d_step { lower = 0; upper = 0; n = 0 }
#endif
	:: atomic { buckets > 1 ->
		n = buckets - 1;
		lower = (n == 3 -> 1 : 0);
		upper = n;
		at(upper) };
#ifndef MUTANT_MERGE_WITHOUT_LOWER
		lock(lower);
#endif
#ifndef MUTANT_MERGE_WITHOUT_UPPER
		lock(upper);
#endif
		goes = head[upper] & ~LOCK;
		set_chain(upper, 0);
		d_step { set_chain(lower, head[lower] & ~LOCK | goes); goes = 0 };
		d_step { buckets = n; recent = 0 };
#ifndef MUTANT_MERGE_WITHOUT_UPPER
		unlock(upper);
#endif
#ifndef MUTANT_MERGE_WITHOUT_LOWER
		unlock(lower);
#endif
		d_step {
			if
			:: n == 2 ->
				page[leaf] = LOST;
#ifdef MUTANT_NO_GRACE_PERIOD
				awaited[leaf] = 0;
#else
				awaited[leaf] = inside;
#endif
				free_page(leaf)
			:: else
			fi;
			lower = 0;
			upper = 0;
			n = 0
		}
	od
}

#ifndef NO_UPDATER
/* The updater of B. */
proctype updater()
{
	byte this, word, n;

	do
	:: true ->
#ifdef MUTANT_ADD_UNLOCKED
		enter(UPDATER, rank_b, this, n);
#else
		lock_for(UPDATER, rank_b, this, n);
#endif
		word = head[this];
		d_step { head[this] = word | B; word = 0; there = true };
#ifdef MUTANT_ADD_UNLOCKED
		d_step { leave(UPDATER, this, n) };
#else
		put(UPDATER, this, n);
#endif

		lock_for(UPDATER, rank_b, this, n);
		atomic {
			assert(head[this] & B);
			head[this] = head[this] & ~B;
			there = false;
			due = due & ~B
		};
		put(UPDATER, this, n)
	od
}
#endif

#ifndef NO_LOOKUP
proctype lookup()
{
	byte this, word, n;

	do
	:: true ->
		lock_for(LOOKUP, rank_a, this, n);
		assert(head[this] & A);
		put(LOOKUP, this, n)
	:: true ->
		lock_for(LOOKUP, rank_b, this, n);
		assert(((head[this] & B) != 0) == there);
		put(LOOKUP, this, n)
	od
}
#endif

#ifndef NO_WALKER
/* Visits A or B if it is in the bucket, and at or behind the cursor. */
inline visit(entry, key)
{
	if
	:: word & entry && key >= from ->
		/* A has not been visited. B may be new. */
		assert(entry == B || due & A);
		due = due & ~entry;
		/* Perhaps the step ends behind this entry. */
		if
		:: true
		:: true -> end = key + 1; word = 0
		fi
	:: else
	fi
}

proctype walker()
{
	byte this, word, n;
	byte from;	/* the cursor, a key */
	byte end;	/* where it goes next */
#ifdef MUTANT_STALE_END
	byte before;
#endif

	do
	:: d_step { from = 0; due = (there -> A | B : A) };
		do
		:: from < KEYS ->
			/* Passes over an empty bucket. */
			enter(WALKER, from / 2, this, n);
#ifdef MUTANT_STALE_END
			before = n;
#endif
			d_step { touch(this); word = head[this] };
			if
#ifdef MUTANT_LOCKED_IS_EMPTY
			:: (word & ~LOCK) == 0 -> d_step {
#else
			:: word == 0 -> d_step {
#endif
				word = 0;
				if
#ifdef MUTANT_EMPTY_UNCHECKED
				:: true ->
#else
				:: recent & WALKER ->
#endif
					from = 2 * (last_rank(from / 2, n) + 1)
				:: else
				fi;
				leave(WALKER, this, n) }
			:: else ->
				d_step { word = 0; leave(WALKER, this, n) };
#ifdef MUTANT_WALK_UNLOCKED
				enter(WALKER, from / 2, this, n);
#else
				lock_for(WALKER, from / 2, this, n);
#endif
				atomic {
					word = head[this];
#ifdef MUTANT_STALE_END
					n = before;
#endif
					end = 2 * (last_rank(from / 2, n) + 1);
					if
					:: key_a < key_b -> visit(A, key_a); visit(B, key_b)
					:: else -> visit(B, key_b); visit(A, key_a)
					fi;
					from = end;
					end = 0;
					word = 0
				};
#ifdef MUTANT_WALK_UNLOCKED
				d_step { leave(WALKER, this, n) }
#else
				put(WALKER, this, n)
#endif
			fi
		:: else -> break
		od;
		assert(due == 0)
	od
}
#endif

init
{
	atomic {
#ifdef RANK_A
		rank_a = RANK_A;
#else
		select(rank_a : 0 .. 3);
#endif
#ifdef RANK_B
		rank_b = RANK_B;
#else
		select(rank_b : 0 .. 3);
#endif
		head[0] = A;
		run resizer();
#ifndef NO_UPDATER
		run updater();
#endif
#ifndef NO_LOOKUP
		run lookup();
#endif
#ifndef NO_WALKER
		run walker()
#endif
	}
}
