/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * move - how a slice moves from one worker to another, for spin: design.md 4, scheduler/migrate_steps.c.
 *
 * Three workers (world.pml), each of which brings messages in. The slice S moves from A to B and,
 * when that has ended, back; what it handles it sends on to the slice Q, which must see the order.
 * T stays at A, in S's group. run.py has the models, which are made of these:
 *
 *	FROM_A to FROM_C  messages that each worker sends to S; TO_T: that C sends to T
 *	RING		  elements that a lane's ring holds; what is beyond waits in staging
 *	HOME		  where Q is; with B, S comes to where Q is
 *	Q_TO		  Q moves too, at any time, to there and back; not defined: it stays
 *	MOVES		  how often a slice moves at most
 *	LOOP		  S sends to itself before it sends to Q
 *	LOCAL		  LOCAL fluxions in a row between S and Q, 0 to 2
 *	UNDO		  a move may be undone, whenever that is possible
 *	SLEEP		  a worker without work sleeps until it is woken
 *	MUTANT		  what is broken, from the list below; 0: nothing
 *
 * In migrate_steps.c: a value of state[] is the one of struct flx_move.state with that name, and an
 * option of proctype move is what is done in that state once what it waits for has come, by the
 * source at the end of a turn or by the target at the begin of one. BACK_MARKED is BACK_VECTORS
 * after the target has marked; DONE and UNDONE are FREE here, since all that the control thread
 * adds is delay. It asks for a move at any time or never again; UNDO is its word that comes just
 * then. flag[], route[] and epoch are the shared bytes and count, epoch_of[] what a worker has
 * published, away[] is flx_pulse.away, parking[] the FIFO of a worker for a move, note[] and mark[]
 * what is left of a lane's or a vector's count.
 *
 * Checked: no message is overtaken, lost or doubled in its stream, no slice has two owners (handle,
 * in world.pml), no message meets a worker that its slice has left (finish, below). Progress, in
 * two parts. Where nothing can happen any more, all has been handled and every move has ended
 * (finish). And the graph of states has no cycle (the models named progress: nothing is labelled as
 * progress, so that any cycle is an error). So whatever the order in which workers take their
 * turns, as long as they do, they come to that end: no more than that is asked of fairness.
 *
 * What the code must do, apart from the order of steps, mutants tell: who writes a flag does so
 * before it writes the state that lets another go on (BACK_STATE_FIRST); B is woken in an undo too
 * (BACK_NO_WAKE); after the hand-over B sends by no route older than the last that A sent by
 * (ROUTE_FORGOTTEN): relaxed loads in place keep that, a copy from before the turn that sees HANDED
 * does not.
 *
 * Not modelled: weak memory, but for what a worker sees of routes and flags, which may be old
 * (world.pml); the counts of lanes and the states of moves are seen at once. Credits and the cap on
 * parked messages. Timers, handler errors, TX queues, the RETA, a worker that ends. Several slices
 * in one move: the steps are the same for each, and they share the FIFO. More than two moves.
 */

/* ---------------------------------------------------------------------------------- the mutants */

#define IS(mutant) (MUTANT == mutant)

#define NO_GRACE_1 1		/* step 2 does not wait for the grace period of step 1 */
#define NO_GRACE_2 2		/* step 3 does not wait for that of step 2 */
#define NO_STEP_3 3		/* neither lanes into A, nor its vectors, nor LOCAL vectors */
#define NO_LANES_IN 4		/* not the lanes into A */
#define NO_VECTORS 5		/* not A's vectors of the group */
#define NO_LOCALS 6		/* not A's LOCAL vectors */
#define LOCALS_ONCE 7		/* these once, though there are two LOCAL fluxions in a row */
#define NO_STEP_4 8		/* not the lanes out of A */
#define NO_LANE_TO_B 9		/* those, without the one to B */
#define STAGING_UNCOUNTED 10	/* what a lane has in staging does not count */
#define COUNT_HANDLED 11	/* step 3 counts what A has handled, of all fluxions */
#define LIVE_UNDRAINED 12	/* B is live before it has drained its FIFO */
#define NEWER_FIRST 13		/* B drains, and meanwhile handles what comes in at once */
#define PARKING_DROPS 14	/* a FIFO has room for one message */
#define SEND_BY_FLAG 15		/* who is live sends to itself */
#define DISPATCH_BY_ROUTE 16	/* who has the route handles */
#define ROUTE_FORGOTTEN 17	/* B sends by an older route than A did before handing over */
#define UNDO_EARLY 18		/* an undo between step 2 and the end of step 3 */
#define BACK_NO_GRACE 19	/* an undo without its grace period */
#define BACK_NO_LANES 20	/* without waiting for the lanes into B */
#define BACK_NO_VECTORS 21	/* without waiting for B's vectors */
#define BACK_OWN_FIRST 22	/* A's own FIFO is not behind what it takes over from B */
#define BACK_STATE_FIRST 23	/* B gives its FIFO back, and only then sets its flag */
#define HANDED_NO_WAKE 24	/* A does not wake B when it hands over */
#define BACK_NO_WAKE 25		/* nor when it needs it for an undo */
#define SLEEP_MOVING 26		/* A sleeps in the middle of a move */
#define SLEEP_BLIND 27		/* no look between announcing and sleeping, but one before */
#define WAKE_STALE 28		/* no fence between a sleeper's away = 0 and its first look */
#define AWAY_IGNORED 29		/* a grace period waits for sleepers as well */

/* ----------------------------------------------------------------------------------- the states */

#define FREE 0
#define REQUESTED 1
#define ANNOUNCED 2
#define ROUTED 3
#define LANES_IN 4
#define VECTORS 5
#define LOCALS 6
#define LANES_OUT 7
#define HANDED 8
#define BACK_ROUTED 9
#define BACK_LANES 10
#define BACK_VECTORS 11
#define BACK_MARKED 12
#define BACK_GIVEN 13

/* A move has the number of its slice. */
#ifdef Q_TO
#define SLOTS 2
#else
#define SLOTS 1
#define Q_TO HOME
#endif

#include "world.pml"

/* ----------------------------------------------------------------------------- bytes and counts */

inline begin_grace(m)
{
	epoch++;
	since[m] = epoch;
	AWAY_SEEN(A, m) = 0;
	AWAY_SEEN(B, m) = 0;
	AWAY_SEEN(C, m) = 0
}

inline set_flag(w, m, value)
{
	flag[AT(w, m)] = value;
	see_flag(w, m)
}

inline set_route(w, m, owner)
{
	route[m] = owner;
	writes[m]++;
	see_route(w, m)
}

#define ON_WAY(from, to) \
	(len(ring[LANE(from, to)]) + (IS(STAGING_UNCOUNTED) -> 0 : len(staging[LANE(from, to)])))

inline note_lane(m, from, to)
{
	note[m * LANES + LANE(from, to)] = ON_WAY(from, to)
}

inline note_lanes_in(m, w)
{
	note_lane(m, NEXT(w), w);
	note_lane(m, LAST(w), w)
}

inline note_lanes_out(m, w)
{
	note_lane(m, w, NEXT(w));
	note_lane(m, w, LAST(w));
	if
	:: IS(NO_LANE_TO_B) -> note[m * LANES + LANE(w, target[m])] = 0
	:: else
	fi
}

inline forget_notes(m, w)
{
	note[m * LANES + LANE(w, NEXT(w))] = 0;
	note[m * LANES + LANE(w, LAST(w))] = 0
}

#define TAKEN(m) \
	(note[(m) * LANES] + note[(m) * LANES + 1] + note[(m) * LANES + 2] + \
	 note[(m) * LANES + 3] + note[(m) * LANES + 4] + note[(m) * LANES + 5] == 0)

#define MARK(m, w, fluxion) mark[(m) * VECTOR_COUNT + VECTOR(w, fluxion)]

inline mark_vector(m, w, fluxion)
{
	MARK(m, w, fluxion) = len(vector[VECTOR(w, fluxion)])
}

inline mark_group(m, w)
{
	if
	:: m == S -> mark_vector(m, w, F); mark_vector(m, w, T); mark_vector(m, w, R)
	:: m == Q -> mark_vector(m, w, Q)
	fi
}

#define POPPED(m, w) \
	(MARK(m, w, F) + MARK(m, w, Q) + MARK(m, w, T) + MARK(m, w, R) + MARK(m, w, L) + \
	 MARK(m, w, M) == 0)

/* ---------------------------------------------------------------- the steps */

inline request(m)
{
	left--;
	source[m] = route[m];
	target[m] = (m == S -> (route[m] == A -> B : A) : (route[m] == HOME -> Q_TO : HOME));
	state[m] = REQUESTED;
	WAKE(source[m])
}

inline announce(m)
{
	flag[AT(target[m], m)] = ARRIVING + m;
	begin_grace(m);
	state[m] = ANNOUNCED
}

inline turn_route(m)
{
	set_route(source[m], m, target[m]);
	begin_grace(m);
	state[m] = ROUTED
}

inline note_handled_of(w)
{
	note_handled = ON_WAY(NEXT(w), w) + ON_WAY(LAST(w), w) + len(vector[VECTOR(w, F)]) +
		       len(vector[VECTOR(w, T)])
}

inline enter_lanes_in(m)
{
	if
	:: IS(NO_STEP_3) || IS(NO_LANES_IN)
	:: IS(COUNT_HANDLED) -> note_handled_of(source[m])
	:: else -> note_lanes_in(m, source[m])
	fi;
	state[m] = LANES_IN
}

inline enter_vectors(m)
{
	if
	:: IS(NO_STEP_3) || IS(NO_VECTORS) || IS(COUNT_HANDLED)
	:: else -> mark_group(m, source[m])
	fi;
	state[m] = VECTORS
}

/* As often as there are LOCAL fluxions in a row: each time, what is in one goes on to the next. */
inline enter_locals(m)
{
	rounds = (LOCAL == 0 || IS(NO_STEP_3) || IS(NO_LOCALS) -> 0 :
		  (IS(LOCALS_ONCE) -> 1 : LOCAL));
	state[m] = LOCALS
}

inline mark_locals(m)
{
	rounds--;
	mark_vector(m, source[m], L);
	mark_vector(m, source[m], M)
}

inline enter_lanes_out(m)
{
	if
	:: IS(NO_STEP_4)
	:: else -> note_lanes_out(m, source[m])
	fi;
	state[m] = LANES_OUT
}

/* The release of the state tells B by which routes A has sent last. */
inline hand_over(m)
{
	set_flag(source[m], m, DEPARTED);
	known = (m == S -> writes_seen[AT(source[m], Q)] : known);
	state[m] = HANDED;
	if
	:: IS(HANDED_NO_WAKE)
	:: else -> WAKE(target[m])
	fi
}

/* Whether B sees no older route than A did: loads of one byte, ordered by the hand-over. */
#define KNOWS(m) (m != S || writes_seen[AT(target[m], Q)] >= known || IS(ROUTE_FORGOTTEN))

#define SOME_PARKED(m, w) nempty(parking[PARKING(w, m)])
#define NONE_PARKED(m, w) NOTHING_IN(parking[PARKING(w, m)])

inline handle_parked(m, whose, w)
{
	parking[PARKING(whose, m)]?x;
	handle(w, x)
}

inline go_live(m, w)
{
	set_flag(w, m, LIVE);
	state[m] = FREE
}

/* ----------------------------------------------------------------------------------------- undo */

inline call_off(m)
{
	flag[AT(target[m], m)] = DEPARTED;
	state[m] = FREE
}

inline turn_route_back(m)
{
	forget_notes(m, source[m]);
	set_flag(source[m], m, ARRIVING + m);
	set_route(source[m], m, source[m]);
	begin_grace(m);
	state[m] = BACK_ROUTED
}

inline enter_back_lanes(m)
{
	if
	:: IS(BACK_NO_LANES)
	:: else -> note_lanes_in(m, target[m])
	fi;
	state[m] = BACK_LANES
}

inline enter_back_vectors(m)
{
	state[m] = BACK_VECTORS;
	if
	:: IS(BACK_NO_WAKE)
	:: else -> WAKE(target[m])
	fi
}

inline mark_back_vectors(m)
{
	if
	:: IS(BACK_NO_VECTORS)
	:: else -> mark_group(m, target[m])
	fi;
	state[m] = BACK_MARKED
}

inline give_back(m)
{
	if
	:: IS(BACK_STATE_FIRST) -> late[target[m]] = 1
	:: else -> set_flag(target[m], m, DEPARTED)
	fi;
	state[m] = BACK_GIVEN
}

/* ---------------------------------------------------------------------------- the state machine */

#define AT_SOURCE(m, step) (state[m] == step && AWAKE(source[m]))
#define AT_TARGET(m, step) (state[m] == step && AWAKE(target[m]))

proctype move(byte m)
{
	byte left = MOVES;
	byte rounds;

end:	do
	/* The control thread, or never again: then what is under way ends, and nothing begins. */
	:: d_step { state[m] == FREE && left > 0 -> request(m) }
	:: d_step { state[m] == FREE && left > 0 -> left = 0 }

	/* A, at the end of a turn. */
	:: d_step { AT_SOURCE(m, REQUESTED) -> announce(m) }
	:: d_step { AT_SOURCE(m, ANNOUNCED) && (GRACE(m) || IS(NO_GRACE_1)) -> turn_route(m) }
	:: d_step { AT_SOURCE(m, ROUTED) && (GRACE(m) || IS(NO_GRACE_2)) -> enter_lanes_in(m) }
	:: d_step { AT_SOURCE(m, LANES_IN) && TAKEN(m) && note_handled == 0 -> enter_vectors(m) }
	:: d_step { AT_SOURCE(m, VECTORS) && POPPED(m, source[m]) -> enter_locals(m) }
	:: d_step {
		AT_SOURCE(m, LOCALS) && POPPED(m, source[m]) && rounds > 0 -> mark_locals(m)
	   }
	:: d_step {
		AT_SOURCE(m, LOCALS) && POPPED(m, source[m]) && rounds == 0 -> enter_lanes_out(m)
	   }
	:: d_step { AT_SOURCE(m, LANES_OUT) && TAKEN(m) -> hand_over(m) }

	/* B, at the begin of a turn. */
	:: d_step {
		AT_TARGET(m, HANDED) && KNOWS(m) && SOME_PARKED(m, target[m]) ->
		handle_parked(m, target[m], target[m])
	   }
	:: d_step {
		AT_TARGET(m, HANDED) && KNOWS(m) && NONE_PARKED(m, target[m]) ->
		go_live(m, target[m])
	   }
	:: d_step {
		AT_TARGET(m, HANDED) && IS(LIVE_UNDRAINED) && flag[AT(target[m], m)] != LIVE ->
		set_flag(target[m], m, LIVE)
	   }

	/* Undo: A, but for the two in which it waits for B. */
	:: d_step { AT_SOURCE(m, REQUESTED) && UNDO -> state[m] = FREE }
	:: d_step { AT_SOURCE(m, ANNOUNCED) && UNDO -> call_off(m) }
	:: d_step { AT_SOURCE(m, LANES_OUT) && UNDO -> turn_route_back(m) }
	:: d_step { AT_SOURCE(m, ROUTED) && UNDO && IS(UNDO_EARLY) -> turn_route_back(m) }
	:: d_step {
		AT_SOURCE(m, BACK_ROUTED) && (GRACE(m) || IS(BACK_NO_GRACE)) ->
		enter_back_lanes(m)
	   }
	:: d_step { AT_SOURCE(m, BACK_LANES) && TAKEN(m) -> enter_back_vectors(m) }
	:: d_step { AT_TARGET(m, BACK_VECTORS) -> mark_back_vectors(m) }
	:: d_step { AT_TARGET(m, BACK_MARKED) && POPPED(m, target[m]) -> give_back(m) }
	:: d_step {
		AT_SOURCE(m, BACK_GIVEN) && SOME_PARKED(m, target[m]) ->
		handle_parked(m, target[m], source[m])
	   }
	:: d_step {
		AT_SOURCE(m, BACK_GIVEN) && SOME_PARKED(m, source[m]) &&
		(NONE_PARKED(m, target[m]) || IS(BACK_OWN_FIRST)) ->
		handle_parked(m, source[m], source[m])
	   }
	:: d_step {
		AT_SOURCE(m, BACK_GIVEN) && NONE_PARKED(m, target[m]) &&
		NONE_PARKED(m, source[m]) ->
		go_live(m, source[m])
	   }
	od
}

/* Where nothing else can happen. A mutant must do harm: that it forwards is not enough. */
active proctype finish()
{
	timeout;
	stuck = state[0] != FREE || state[SLOTS - 1] != FREE;
	assert(!stuck);
	lost = handled[STREAM_OF(F, A)] != FROM_A || handled[STREAM_OF(F, B)] != FROM_B ||
	       handled[STREAM_OF(F, C)] != FROM_C || handled[STREAM_OF(T, 0)] != TO_T ||
	       handled[STREAM_OF(R, S)] != LOOP * TO_S || handled[STREAM_OF(Q, S)] != TO_S;
	assert(!lost);
	assert(!forwarded || MUTANT > 0)
}

init
{
	d_step {
		route[S] = A;
		flag[AT(B, S)] = DEPARTED;
		flag[AT(C, S)] = DEPARTED;
		route[Q] = HOME;
		flag[AT(A, Q)] = DEPARTED;
		flag[AT(B, Q)] = DEPARTED;
		flag[AT(C, Q)] = DEPARTED;
		flag[AT(HOME, Q)] = LIVE;
		see_all(A);
		see_all(B);
		see_all(C)
	};
	atomic {
		run worker(A);
		run worker(B);
		run worker(C);
		run move(S);
		if
		:: SLOTS > 1 -> run move(Q)
		:: else
		fi
	}
}
