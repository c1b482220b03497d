/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * world - three workers, the lanes between them, and what they run; move.pml includes it.
 *
 * A worker is a loop over all that it could do next: bring a message in, take one off a lane,
 * handle one, flush one, end its turn, sleep. The real loop does these in one order; whatever it
 * can do is among what this one does, and as each is a step of its own, a turn may end after any of
 * them.
 *
 * A message is a byte: the fluxion that it is for, the source that it is from, and its number in
 * the stream from there to here. Who handles it expects the next number of the stream, so that a
 * message that is overtaken, lost or doubled shows there; what never comes shows at the end, in
 * move.pml.
 */

/* --------------------------------------------------------------------------------- who and what */

#define WORKERS 3
#define A 0 /* has the slice that moves, S, at first, and always the one that stays */
#define B 1
#define C 2
#define NEXT(w) (((w) + 1) % WORKERS)
#define LAST(w) (((w) + 2) % WORKERS)

/* Fluxions; each has a vector on every worker. The slices S and Q have the numbers 0 and 1 too. */
#define FLUXIONS 6
#define F 0 /* of S; sends each message on to Q */
#define Q 1 /* downstream: its only source is S, and it must see the order in which S sent */
#define T 2 /* of the slice that stays; in the group of F */
#define R 3 /* of S, in the group of F; with LOOP, F sends to it, and it to Q */
#define L 4 /* LOCAL; with LOCAL 1 or 2, what is sent to Q goes through it, and with 2 */
#define M 5 /* also through this one */
#define S 0
#define SLICE(fluxion) ((fluxion) == Q -> Q : S)

#define MESSAGE(fluxion, source, number) ((fluxion) << 6 | (source) << 4 | (number))
#define FLUXION(message) ((message) >> 6)
#define STREAM(message) ((message) >> 4)
#define NUMBER(message) ((message) & 15)
#define STREAM_OF(fluxion, source) ((fluxion) << 2 | (source))

/* How many messages a worker brings in for F. C also brings in TO_T for T. */
#define FROM(w) ((w) == A -> FROM_A : ((w) == B -> FROM_B : FROM_C))
#define TO_S (FROM_A + FROM_B + FROM_C)
#define ROOM (TO_S * (1 + LOOP) + TO_T)

/* ------------------------------------------------------------------------------------ the state */

#define LANES 6
#define VECTOR_COUNT 18
#define LANE(from, to) ((from) * 2 + ((to) + WORKERS - (from)) % WORKERS - 1)
#define VECTOR(w, fluxion) ((w) * FLUXIONS + (fluxion))
#define PARKING(w, m) ((w) * SLOTS + (m))
#define AT(w, slice) ((w) * 2 + (slice))

/* Only the rings are bounded; the credits, which bound the others, let in all that there is. */
chan staging[LANES] = [ROOM] of { byte };
chan ring[LANES] = [RING] of { byte };
chan vector[VECTOR_COUNT] = [ROOM] of { byte };
chan parking[WORKERS * SLOTS] = [ROOM] of { byte }; /* the FIFO of a worker for a move */

byte sent[16]; /* by stream */
byte handled[16];
bit forwarded; /* a message came to a worker that its slice had left */

/*
 * The routes and flags, and what each worker saw of them last. A worker sees them all at the end of
 * a turn that finds a new epoch, and any one of them at any other time: relaxed loads promise no
 * more, and a worker that loads them once a turn does nothing else. Of one byte a worker never sees
 * an older value after a newer one. The writes of a route are counted to tell which is older.
 */
byte route[2];
byte flag[WORKERS * 2];
byte writes[2];
byte route_seen[WORKERS * 2];
byte flag_seen[WORKERS * 2];
byte writes_seen[WORKERS * 2];

#define LIVE 0
#define DEPARTED 1
#define ARRIVING 2 /* + the number of the move */

byte epoch;
byte epoch_of[WORKERS]; /* as published */

/* The ladder of scheduler/idle.h: announced, and looking once more; then away, until not parked. */
bit parked[WORKERS];
bit announced[WORKERS];
bit away[WORKERS];

/* The moves. What they are is in move.pml. */
byte state[SLOTS];
byte source[SLOTS];
byte target[SLOTS];
byte since[SLOTS]; /* the epoch that began its grace period */
bit away_seen[WORKERS * SLOTS];
byte known; /* writes of Q's route that the source had seen when it handed S over */
/*
 * What a step waits for: note is put - taken of a lane when it was noted, mark the messages that a
 * vector held when it was marked. Each that is taken or popped counts down: the same as comparing
 * counts that only grow, in fewer states.
 */
byte note[LANES * SLOTS];
byte mark[VECTOR_COUNT * SLOTS];
byte note_handled; /* COUNT_HANDLED */
bit late[WORKERS]; /* BACK_STATE_FIRST: has yet to write its flag */

/* Of one step only, so not part of a state. A breadth-first search cannot have that. */
#ifdef SHORTEST
#define scratch
#else
#define scratch hidden
#endif
scratch byte x;
scratch byte y;
scratch byte z;
/* What goes wrong. The name of one is what an error says. */
scratch byte overtaken; /* by a younger message of its stream, or gone */
scratch byte doubled;
scratch byte two_owners;
scratch byte stuck; /* at the end: a move has not ended */
scratch byte lost;  /* at the end: a message was not handled */

/* ----------------------------------------------------------------------------- to see, to sleep */

inline see_route(w, slice)
{
	route_seen[AT(w, slice)] = route[slice];
	writes_seen[AT(w, slice)] = writes[slice]
}

inline see_flag(w, slice)
{
	flag_seen[AT(w, slice)] = flag[AT(w, slice)]
}

inline see_all(w)
{
	see_route(w, S);
	see_route(w, Q);
	see_flag(w, S);
	see_flag(w, Q)
}

#define AWAKE(w) (!announced[w] && !away[w])
#define WAKE(w) parked[w] = 0

/* A full fence lies between a sleeper's away = 0 and its first look. */
inline wake_up(w)
{
	away[w] = 0;
	parked[w] = 0;
	if
	:: IS(WAKE_STALE)
	:: else -> see_all(w)
	fi
}

#define OUTGOING(w, m) \
	(source[m] == (w) && state[m] >= REQUESTED && state[m] != HANDED && !IS(SLEEP_MOVING))
#define INCOMING(w, m) \
	(target[m] == (w) && \
	 (state[m] == HANDED || state[m] == BACK_VECTORS || state[m] == BACK_MARKED))
#define MOVING(w, m) (OUTGOING(w, m) || INCOMING(w, m))

#define NOTHING_IN(queue) (len(queue) == 0)
#define IDLE(w) \
	(NOTHING_IN(vector[VECTOR(w, F)]) && NOTHING_IN(vector[VECTOR(w, Q)]) && \
	 NOTHING_IN(vector[VECTOR(w, T)]) && NOTHING_IN(vector[VECTOR(w, R)]) && \
	 NOTHING_IN(vector[VECTOR(w, L)]) && NOTHING_IN(vector[VECTOR(w, M)]) && \
	 NOTHING_IN(staging[LANE(w, NEXT(w))]) && NOTHING_IN(staging[LANE(w, LAST(w))]) && \
	 NOTHING_IN(ring[LANE(NEXT(w), w)]) && NOTHING_IN(ring[LANE(LAST(w), w)]) && \
	 !MOVING(w, 0) && !MOVING(w, SLOTS - 1))

/* ----------------------------------------------------------------------- send, handle, dispatch */

/* Sends look only at the route. */
inline send(w, message)
{
	y = (FLUXION(message) == T -> A : route_seen[AT(w, SLICE(FLUXION(message)))]);
	if
	:: IS(SEND_BY_FLAG) && FLUXION(message) != T &&
	   flag_seen[AT(w, SLICE(FLUXION(message)))] == LIVE -> y = w
	:: else
	fi;
	if
	:: y == w -> vector[VECTOR(w, FLUXION(message))]!message
	:: else -> staging[LANE(w, y)]!message
	fi
}

/* What the fluxions of S send on. */
inline send_on(w, fluxion)
{
	z = (LOOP && fluxion == F -> R : Q);
	z = MESSAGE(z, S, sent[STREAM_OF(z, S)]);
	sent[STREAM(z)]++;
	if
	:: LOCAL && FLUXION(z) == Q -> vector[VECTOR(w, L)]!z
	:: else -> send(w, z)
	fi
}

inline handle(w, message)
{
	overtaken = NUMBER(message) > handled[STREAM(message)];
	assert(!overtaken);
	doubled = NUMBER(message) < handled[STREAM(message)];
	assert(!doubled);
	two_owners = FLUXION(message) != T &&
		     (flag[AT(NEXT(w), SLICE(FLUXION(message)))] == LIVE ||
		      flag[AT(LAST(w), SLICE(FLUXION(message)))] == LIVE);
	assert(!two_owners);
	handled[STREAM(message)]++;
	if
	:: FLUXION(message) == F || FLUXION(message) == R -> send_on(w, FLUXION(message))
	:: else
	fi
}

inline park(w, m, message)
{
	if
	:: IS(PARKING_DROPS) && len(parking[PARKING(w, m)]) > 0
	:: else -> parking[PARKING(w, m)]!message
	fi
}

/* Dispatch looks only at the flag. */
inline dispatch(w, message)
{
	y = (FLUXION(message) == T -> LIVE : flag_seen[AT(w, SLICE(FLUXION(message)))]);
	if
	:: IS(DISPATCH_BY_ROUTE) && FLUXION(message) != T ->
		y = (route_seen[AT(w, SLICE(FLUXION(message)))] == w -> LIVE : DEPARTED)
	:: IS(NEWER_FIRST) && y >= ARRIVING -> y = (state[y - ARRIVING] == HANDED -> LIVE : y)
	:: else
	fi;
	if
	:: y == LIVE -> handle(w, message)
	:: y == DEPARTED -> forwarded = 1; send(w, message)
	:: y >= ARRIVING -> park(w, y - ARRIVING, message)
	fi
}

/* ------------------------------------------------------------------------------- lanes, vectors */

inline count_down(counter)
{
	if
	:: counter > 0 -> counter--
	:: else
	fi
}

/* Taken is what has left the ring: it is in a vector then, and not yet handled or parked. */
inline take(from, w)
{
	ring[LANE(from, w)]?x;
	vector[VECTOR(w, FLUXION(x))]!x;
	count_down(note[LANE(from, w)]);
	if
	:: SLOTS > 1 -> count_down(note[(SLOTS - 1) * LANES + LANE(from, w)])
	:: else
	fi
}

inline pop(w, fluxion)
{
	vector[VECTOR(w, fluxion)]?x;
	count_down(mark[VECTOR(w, fluxion)]);
	if
	:: SLOTS > 1 -> count_down(mark[(SLOTS - 1) * VECTOR_COUNT + VECTOR(w, fluxion)])
	:: else
	fi;
	if
	:: IS(COUNT_HANDLED) && w == source[S] -> count_down(note_handled)
	:: else
	fi
}

/* What the first LOCAL fluxion sends, with two of them. */
inline send_local(w)
{
	if
	:: LOCAL > 1 -> vector[VECTOR(w, M)]!x
	:: else -> send(w, x)
	fi
}

inline flush(w, to)
{
	staging[LANE(w, to)]?x;
	ring[LANE(w, to)]!x;
	WAKE(to)
}

/* From the port; a chain begins. */
inline admit(here, fluxion, from)
{
	z = MESSAGE(fluxion, from, sent[STREAM_OF(fluxion, from)]);
	sent[STREAM(z)]++;
	send(here, z)
}

#define ADMITS(w) (sent[STREAM_OF(F, w)] < FROM(w))
#define ADMITS_T(w) ((w) == C && sent[STREAM_OF(T, 0)] < TO_T)
#define ON_RING(w, from) nempty(ring[LANE(from, w)])
#define STAGED(w, to) (nempty(staging[LANE(w, to)]) && nfull(ring[LANE(w, to)]))
#define PENDING(w, fluxion) nempty(vector[VECTOR(w, fluxion)])

/* A grace period: every other worker has published its epoch, or was seen away after it began. */
#define AWAY_SEEN(w, m) away_seen[(w) * SLOTS + (m)]
#define PASSED(w, m) ((w) == source[m] || epoch_of[w] >= since[m] || AWAY_SEEN(w, m))
#define GRACE(m) (PASSED(A, m) && PASSED(B, m) && PASSED(C, m))
#define IN_GRACE(m) (state[m] == ANNOUNCED || state[m] == ROUTED || state[m] == BACK_ROUTED)
#define LOOKS(w, other, m) \
	(away[other] && source[m] == (w) && IN_GRACE(m) && !PASSED(other, m) && !IS(AWAY_IGNORED))

/* ----------------------------------------------------------------------------------- the worker */

proctype worker(byte w)
{
end:	do
	:: d_step { AWAKE(w) && ADMITS(w) -> admit(w, F, w) }
	:: d_step { AWAKE(w) && ADMITS_T(w) -> admit(w, T, 0) }
	:: d_step { AWAKE(w) && ON_RING(w, NEXT(w)) -> take(NEXT(w), w) }
	:: d_step { AWAKE(w) && ON_RING(w, LAST(w)) -> take(LAST(w), w) }
	:: d_step { AWAKE(w) && PENDING(w, F) -> pop(w, F); dispatch(w, x) }
	:: d_step { AWAKE(w) && PENDING(w, Q) -> pop(w, Q); dispatch(w, x) }
	:: d_step { AWAKE(w) && PENDING(w, T) -> pop(w, T); dispatch(w, x) }
	:: d_step { AWAKE(w) && PENDING(w, R) -> pop(w, R); dispatch(w, x) }
	:: d_step { AWAKE(w) && PENDING(w, L) -> pop(w, L); send_local(w) }
	:: d_step { AWAKE(w) && PENDING(w, M) -> pop(w, M); send(w, x) }
	:: d_step { AWAKE(w) && STAGED(w, NEXT(w)) -> flush(w, NEXT(w)) }
	:: d_step { AWAKE(w) && STAGED(w, LAST(w)) -> flush(w, LAST(w)) }

	/* The end of a turn: acquire the epoch, publish it with what was put before. */
	:: d_step { AWAKE(w) && epoch_of[w] != epoch -> epoch_of[w] = epoch; see_all(w) }
	/* Relaxed loads that find something new. */
	:: d_step { AWAKE(w) && writes_seen[AT(w, S)] != writes[S] -> see_route(w, S) }
	:: d_step { AWAKE(w) && writes_seen[AT(w, Q)] != writes[Q] -> see_route(w, Q) }
	:: d_step { AWAKE(w) && flag_seen[AT(w, S)] != flag[AT(w, S)] -> see_flag(w, S) }
	:: d_step { AWAKE(w) && flag_seen[AT(w, Q)] != flag[AT(w, Q)] -> see_flag(w, Q) }

	/* As the source of a move: who of the others is away. */
	:: d_step { AWAKE(w) && LOOKS(w, NEXT(w), 0) -> AWAY_SEEN(NEXT(w), 0) = 1 }
	:: d_step { AWAKE(w) && LOOKS(w, LAST(w), 0) -> AWAY_SEEN(LAST(w), 0) = 1 }
	:: d_step { AWAKE(w) && LOOKS(w, NEXT(w), SLOTS - 1) -> AWAY_SEEN(NEXT(w), SLOTS - 1) = 1 }
	:: d_step { AWAKE(w) && LOOKS(w, LAST(w), SLOTS - 1) -> AWAY_SEEN(LAST(w), SLOTS - 1) = 1 }

	/* Announce, look once more, and only then sleep. */
	:: d_step {
		SLEEP && AWAKE(w) && IDLE(w) -> announced[w] = 1; parked[w] = !IS(SLEEP_BLIND)
	   }
	:: d_step {
		announced[w] && !IDLE(w) && !IS(SLEEP_BLIND) -> announced[w] = 0; parked[w] = 0
	   }
	:: d_step {
		announced[w] && IDLE(w) && !IS(SLEEP_BLIND) -> announced[w] = 0; away[w] = 1
	   }
	:: d_step {
		announced[w] && IS(SLEEP_BLIND) -> announced[w] = 0; parked[w] = 1; away[w] = 1
	   }
	:: d_step { away[w] && !parked[w] -> wake_up(w) }
	/* Its sleep's time is over, and the port has something. If not it sleeps on. */
	:: d_step { away[w] && ADMITS(w) -> wake_up(w); admit(w, F, w) }
	:: d_step { away[w] && ADMITS_T(w) -> wake_up(w); admit(w, T, 0) }

	:: d_step {
		late[w] -> late[w] = 0;
		flag[AT(w, S)] = DEPARTED;
		see_flag(w, S)
	   }
	od
}
