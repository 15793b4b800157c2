/* The hand-over of a session from socket to socket: one client, two edges, the broker's session records, a log of UPDATES updates.
 *
 *   client --connect(ticket, position)--> edge --claim(ticket)--> broker: the fence rises, the former owner is fenced
 *          <--welcome(ticket)------------      <--granted|refused--
 *
 * A drain offers the client a ticket (`migrating`); it opens a second socket, and says `bye` on the first when the second is
 * welcomed. Anywhere in between: an edge crashes (its sockets die, it forgets them) or a socket is cut. Refused means that the
 * ticket was used before: the edge begins a new session, and the client's own position decides where its stream goes on.
 *
 * Judged: the client applies every update once and in order; a ticket is honoured once; in the end the client is at the head of
 * the log, on one socket, which owns its session. With CALM (no crash, no cut) it is never without an open socket.
 * run.py checks this, and that each BUG_ below is found. The clauses are PROTOCOL.md 5.
 */
#ifndef UPDATES
#define UPDATES 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef CUTS
#define CUTS 1
#endif
#ifdef CALM
#undef CRASHES
#undef CUTS
#define CRASHES 0
#define CUTS 0
#endif
#ifndef SOCKETS
#define SOCKETS 5 /* one to begin with, one for the drain, and as many for each trouble */
#endif
#define NONE 9
#define EDGES 2

mtype = { connect, bye, welcome, update, migrating, closed };

chan up[SOCKETS] = [2] of { mtype, byte, byte, byte };   /* connect: session, ticket, position */
chan down[SOCKETS] = [2] of { mtype, byte, byte };       /* welcome: session, ticket; migrating: ticket; update: offset */

bool edge_up[EDGES] = true;
bool draining[EDGES];
byte edge_of[SOCKETS];
bool cut[SOCKETS];       /* the client no longer hears it, nor the edge the client */
bool told[SOCKETS];      /* and the edge was told: otherwise it goes on for a socket that nobody is behind */
bool served[SOCKETS];    /* an edge holds it open */
byte head = 0;

/* The broker's records, one a session. */
byte fence[SOCKETS];
byte owner[SOCKETS] = NONE;
bool fenced[SOCKETS];
byte sessions = 0;
bool used[36]; /* session * 6 + ticket: honoured */

byte crashes = 0;
byte cuts = 0;

/* The client. */
byte position = 0;
byte opened = 0;
byte current = NONE;    /* welcomed */
byte coming = NONE; /* connected, not welcomed */
byte leaving = NONE; /* the one before, until it is closed */
byte session = NONE;
byte ticket = 0;

inline claim(s, id, t, granted) {
  atomic {
    granted = false;
    if
    :: id != NONE && (fence[id] == t
#ifdef BUG_REUSE
       || t > 0
#endif
      ) ->
      assert(!used[id * 6 + t]);
      used[id * 6 + t] = true;
#ifndef BUG_NO_FENCE
      if
      :: owner[id] != NONE -> fenced[owner[id]] = true
      :: else
      fi;
#endif
      fence[id]++;
      owner[id] = s;
      granted = true
    :: else
    fi
  }
}

/* The edge's side of one socket. */
proctype serve(byte s) {
  byte id, t, at, e = edge_of[s];
  bool granted, offered = false;
  if
  :: up[s] ? connect(id, t, at)
  :: !edge_up[e] -> goto gone
  fi;
  if
  :: !edge_up[e] -> goto gone
  :: else -> claim(s, id, t, granted)
  fi;
  /* The answer comes later: the edge may crash before. */
  if
  :: !edge_up[e] -> goto gone
  :: else ->
    atomic {
      if
      :: granted
      :: else -> id = sessions; sessions++; fence[id] = 1; owner[id] = s
      fi;
      t = fence[id]
    }
#ifdef BUG_OWN_POSITION
    at = head;
#endif
    if
    :: down[s] ! welcome(id, t)
    :: !edge_up[e] -> goto gone
    fi
  fi;
end:
  do
  :: !edge_up[e] || told[s] -> goto gone
  :: atomic { edge_up[e] && !cut[s] && at < head && nfull(down[s]) -> at++; down[s] ! update(at, 0) }
  :: atomic { edge_up[e] && up[s] ? [bye] -> up[s] ? bye(_, _, _); goto gone }
  :: atomic { edge_up[e] && fenced[s] && !cut[s] && nfull(down[s]) -> down[s] ! closed(0, 0); goto gone }
  :: edge_up[e] && fenced[s] && cut[s] -> goto gone
  :: atomic { edge_up[e] && !cut[s] && draining[e] && !offered && nfull(down[s]) -> offered = true; down[s] ! migrating(fence[id], 0) }
#ifndef CALM
  /* The deadline of the drain: whoever did not move is closed. */
  :: atomic { edge_up[e] && draining[e] && offered && nfull(down[s]) -> down[s] ! closed(0, 0); goto gone }
#endif
  od;
gone:
  atomic {
    served[s] = false;
    if
    :: id < SOCKETS && owner[id] == s -> owner[id] = NONE
    :: else
    fi
  }
}

/* Opens a socket to an edge that is up, another one than `from` when that is draining. */
inline open_socket(from) {
  atomic {
    assert(opened < SOCKETS);
    coming = opened;
    opened++;
    if
    :: edge_up[0] && (from != 0 || !draining[0]) -> edge_of[coming] = 0
    :: edge_up[1] && (from != 1 || !draining[1]) -> edge_of[coming] = 1
    fi;
    served[coming] = true;
    run serve(coming);
    up[coming] ! connect(session, ticket, position)
  }
}

inline apply(offset) {
  if
  :: offset == position + 1 -> position = offset
  :: else -> assert(offset <= position) /* seen on the other socket: dropped. Beyond the next one it would be a gap */
  fi
}

#define at(s) (s % SOCKETS) /* only looked at when s != NONE */
#define dead(s) (s != NONE && (cut[at(s)] || (!served[at(s)] && empty(down[at(s)]))))
#define heard(s) (s != NONE && !cut[at(s)] && nempty(down[at(s)]))

proctype client() {
  byte a, b, old;
  mtype what;
  open_socket(NONE);
end:
  do
  :: atomic {
      heard(leaving) -> down[leaving] ? what(a, b);
      if
      :: what == update -> apply(a)
      :: else /* closed, or an offer that came too late */
      fi
    }
  :: atomic {
      heard(coming) -> down[coming] ? what(a, b);
      if
      :: what == welcome ->
        session = a;
        ticket = b;
        old = current;
        current = coming;
        coming = NONE;
        if
        :: old != NONE ->
          leaving = old;
          if
          :: up[old] ! bye(0, 0, 0)
          :: dead(old)
          fi
        :: else
        fi
      :: else
      fi
    }
  :: atomic {
      heard(current) -> down[current] ? what(a, b);
      if
      :: what == update -> apply(a)
      :: what == migrating ->
        ticket = a;
#ifdef BUG_BREAK_FIRST
        up[current] ! bye(0, 0, 0);
        leaving = current;
        current = NONE;
#endif
        if
        :: coming == NONE && current != NONE -> open_socket(edge_of[current])
        :: else
        fi
      :: else
      fi
    }
  :: atomic { dead(current) -> current = NONE }
  :: atomic { dead(leaving) -> leaving = NONE }
  :: atomic { dead(coming) -> coming = NONE }
  :: current == NONE && coming == NONE && (edge_up[0] || edge_up[1]) -> open_socket(NONE)
  od
}

proctype publisher() {
  do
  :: head < UPDATES -> head++
  :: else -> break
  od
}

/* An edge is started again once all its sockets are gone. */
#define left(s, e) (served[s] && edge_of[s] == e)
#define quiet(e) (!left(0, e) && !left(1, e) && !left(2, e) && !left(SOCKETS - 2, e) && !left(SOCKETS - 1, e))

/* One drain of the edge that holds the client, and what goes wrong. */
proctype trouble() {
  byte s, e;
  do
  :: crashes < CRASHES ->
    crashes++;
    if
    :: e = 0
    :: e = 1
    fi;
    edge_up[e] = false;
    quiet(e);
    edge_up[e] = true
  :: atomic {
      cuts < CUTS && current != NONE -> cuts++;
      cut[current] = true;
      if
      :: told[current] = true
      :: true
      fi
    }
  :: break
  od
}

proctype drain() {
  if
  :: atomic { current != NONE -> draining[edge_of[current]] = true }
  :: true
  fi
}

#ifdef CALM
/* Make before break: from its first welcome on the client has a socket that an edge serves. */
#define open_at(x) (x != NONE && served[x])
proctype never_cut() {
  current != NONE;
  do
  :: atomic { !open_at(current) && !open_at(coming) && !open_at(leaving) -> assert(false) }
  :: timeout -> break
  od
}
#endif

/* When nothing can move any more. */
active proctype judge() {
  timeout;
  assert(head == UPDATES && position == UPDATES);
  assert(current != NONE && served[current] && owner[session] == current && fence[session] == ticket);
  byte i = 0, open = 0;
  do
  :: i < SOCKETS -> open = open + served[i]; i++
  :: else -> break
  od;
  assert(open == 1)
}

init {
  atomic {
    run client();
    run publisher();
    run trouble();
    run drain()
#ifdef CALM
    ; run never_cut()
#endif
  }
}
