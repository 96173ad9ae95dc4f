/*
 * How a batch gets from a sensor into exactly one lake: sensor, network, two
 * collectors with journal and lake, and the ledger they share. Spin looks at
 * every order in which what can happen may happen; model_test.go runs it.
 *
 * What can go wrong: datagrams are lost and come late or again, the sensor goes
 * over to the other collector whenever it likes, collectors die at any moment
 * (what was not synced may be on the disk or not), syncs fail, the ledger's
 * database goes away. All of it has a bound, so that the search ends.
 *
 * What must hold: a batch that the sensor has forgotten is durable at the
 * collector that owns it; no batch gets into the lakes twice; and as long as
 * one is missing there is a next step ("invalid end state" otherwise).
 *
 * BREAK takes one rule out of the protocol, to see that it is needed.
 */
#define NOTHING           0
#define ACK_BEFORE_SYNC   1
#define CLAIM_BEFORE_SYNC 2
#define NO_CLAIM          3
#define NO_SETTLE         4 /* at recovery */
#define BELIEVE_SYNC      5 /* after one that failed */
#define NO_CUT            6 /* of what a failed sync left */
#define RECLAIM           7 /* the answer to a claim that was made before is "lost" */
#ifndef BREAK
#define BREAK NOTHING
#endif
#ifndef N
#define N 1 /* batches */
#endif
#define LAST (N - 1)
#define AT(c, b) ((c) * N + (b))

bit held[N];         /* in the sensor's spool */
bit coming[2 * N];   /* a copy is on its way to the collector */
bit acking[2 * N];   /* an ACK that says it is stored is on its way back */

bit cached[2 * N];   /* written to the journal, not synced */
bit doubt[2 * N];    /* its sync failed: may be on the disk or not */
byte disk[2 * N];    /* durable copies that count */
bit known[2 * N];    /* settled: in the memory of what is stored */
bit other[2 * N];    /* settled: the other collector has it */
bit asked[2];        /* a claim is made, its answer is on its way */
bit lost[2 * N];     /* that answer */
bit up[2];
bit read[2 * N];     /* in the collector's lake, and so is the position */
byte rows[N];        /* in both lakes */

byte owner[N];       /* the ledger: 0 for nobody, else collector + 1 */
bit database;

byte losses = LOSSES, copies = COPIES, sends = SENDS, deaths = DEATHS, failures = FAILURES, outages = OUTAGES;
byte i;

#define CACHED(c)    (cached[AT(c, 0)] || cached[AT(c, LAST)])
#define DOUBT(c)     (doubt[AT(c, 0)] || doubt[AT(c, LAST)])
#define UNSETTLED(c) (disk[AT(c, 0)] && !known[AT(c, 0)] || disk[AT(c, LAST)] && !known[AT(c, LAST)])
#define IDLE(c)      (!CACHED(c) && !UNSETTLED(c) && !DOUBT(c) && !asked[c])
/* the next segment says first what of the last one counts */
#define MAY_WRITE(c) (!DOUBT(c) || BREAK == NO_CUT)

/* claim enters the collector as the owner of what is durable and nobody has,
   and notes what the answer will say. */
inline claim(c) {
	for (i : 0 .. LAST) {
		if
		:: disk[AT(c, i)] ->
			lost[AT(c, i)] = (BREAK != NO_CLAIM && owner[i] && (owner[i] != c + 1 || BREAK == RECLAIM));
			if
			:: !owner[i] -> owner[i] = c + 1
			:: else
			fi
		:: else
		fi
	}
	i = 0
}

/* settle takes the answer into the memory, and acknowledges. */
inline settle(c, ack) {
	for (i : 0 .. LAST) {
		if
		:: disk[AT(c, i)] && !known[AT(c, i)] ->
			known[AT(c, i)] = 1;
			other[AT(c, i)] = lost[AT(c, i)];
			acking[AT(c, i)] = acking[AT(c, i)] || ack
		:: else
		fi;
		lost[AT(c, i)] = 0
	}
	i = 0
}

/* die ends a collector: recovery finds any part of what was not synced. */
inline die(c) {
	up[c] = 0;
	asked[c] = 0;
	for (i : 0 .. LAST) {
		if
		:: cached[AT(c, i)] -> disk[AT(c, i)] = disk[AT(c, i)] + 1
		:: true
		fi;
		if
		:: doubt[AT(c, i)] -> disk[AT(c, i)] = disk[AT(c, i)] + 1
		:: true
		fi;
		cached[AT(c, i)] = 0;
		doubt[AT(c, i)] = 0;
		known[AT(c, i)] = 0;
		other[AT(c, i)] = 0;
		lost[AT(c, i)] = 0
	}
	i = 0
}

/* receive is what a collector does with a batch that has come: one whose group
   is being made durable or claimed is left alone. */
inline receive(c, b) {
	if
	:: known[AT(c, b)] -> acking[AT(c, b)] = 1
	:: !known[AT(c, b)] && !cached[AT(c, b)] && !disk[AT(c, b)] ->
		cached[AT(c, b)] = 1;
		acking[AT(c, b)] = acking[AT(c, b)] || (BREAK == ACK_BEFORE_SYNC);
		if
		:: BREAK == CLAIM_BEFORE_SYNC && !owner[b] -> owner[b] = c + 1
		:: else
		fi
	:: else
	fi
}

inline sync(c, works) {
	for (i : 0 .. LAST) {
		if
		:: cached[AT(c, i)] ->
			cached[AT(c, i)] = 0;
			disk[AT(c, i)] = disk[AT(c, i)] + works;
			doubt[AT(c, i)] = doubt[AT(c, i)] || !works;
			known[AT(c, i)] = known[AT(c, i)] || (!works && BREAK == BELIEVE_SYNC);
			acking[AT(c, i)] = acking[AT(c, i)] || (!works && BREAK == BELIEVE_SYNC)
		:: else
		fi
	}
	i = 0
}

/* BATCH has the steps that are about one batch at one collector: of sensor,
   network, edge and lake. */
#define BATCH(c, b) \
	:: d_step { held[b] && !coming[AT(c, b)] && sends > 0 -> sends--; coming[AT(c, b)] = 1 } \
	:: d_step { held[b] && !coming[AT(c, b)] && !acking[AT(c, b)] && up[c] && IDLE(c) -> coming[AT(c, b)] = 1 } \
	:: d_step { acking[AT(c, b)] -> acking[AT(c, b)] = 0; held[b] = 0; \
		assert(owner[b] != 0); assert(disk[AT(owner[b] - 1, b)] > 0) } \
	:: d_step { coming[AT(c, b)] && losses > 0 -> losses--; coming[AT(c, b)] = 0 } \
	:: d_step { acking[AT(c, b)] && losses > 0 -> losses--; acking[AT(c, b)] = 0 } \
	:: d_step { coming[AT(c, b)] && !up[c] -> coming[AT(c, b)] = 0 } \
	:: d_step { coming[AT(c, b)] && up[c] && MAY_WRITE(c) -> coming[AT(c, b)] = 0; receive(c, b) } \
	:: d_step { coming[AT(c, b)] && up[c] && MAY_WRITE(c) && copies > 0 -> copies--; receive(c, b) } \
	:: d_step { up[c] && known[AT(c, b)] && !other[AT(c, b)] && !read[AT(c, b)] && disk[AT(c, b)] > 0 -> \
		read[AT(c, b)] = 1; rows[b] = rows[b] + disk[AT(c, b)]; assert(rows[b] <= 1) }

/* COLLECTOR has the steps of a committer, and of a collector's life: recovery
   claims before anything is read or taken, and may die at that. */
#define COLLECTOR(c) \
	:: d_step { up[c] && CACHED(c) && !UNSETTLED(c) -> sync(c, 1) } \
	:: d_step { up[c] && CACHED(c) && !UNSETTLED(c) && failures > 0 -> failures--; sync(c, 0) } \
	:: d_step { up[c] && DOUBT(c) && BREAK != NO_CUT -> doubt[AT(c, 0)] = 0; doubt[AT(c, LAST)] = 0 } \
	:: d_step { up[c] && database && UNSETTLED(c) && !asked[c] -> claim(c); asked[c] = 1 } \
	:: d_step { up[c] && asked[c] -> asked[c] = 0; settle(c, 1) } \
	:: atomic { up[c] && deaths > 0 -> deaths--; die(c) } \
	:: d_step { !up[c] && BREAK == NO_SETTLE -> settle(c, 0); up[c] = 1 } \
	:: d_step { !up[c] && BREAK != NO_SETTLE && database -> claim(c); settle(c, 0); up[c] = 1 } \
	:: d_step { !up[c] && BREAK != NO_SETTLE && database && deaths > 0 -> deaths--; claim(c); lost[AT(c, 0)] = 0; lost[AT(c, LAST)] = 0 }

#define DONE (rows[0] == 1 && rows[LAST] == 1 && !held[0] && !held[LAST])

active proctype world() {
	d_step {
		held[0] = 1; held[LAST] = 1;
		up[0] = 1; up[1] = 1;
		database = 1
	}
	do
	BATCH(0, 0)
	BATCH(1, 0)
#if N > 1
	BATCH(0, 1)
	BATCH(1, 1)
#endif
	COLLECTOR(0)
	COLLECTOR(1)
	:: d_step { database && outages > 0 -> outages--; database = 0 }
	:: d_step { !database -> database = 1 }
	:: DONE -> break
	od
}
