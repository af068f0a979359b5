/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How workers and the control thread meet: epochs, reload, expiry
 *
 * What src/store/reclaim.c, expire.c, series.c and src/engine/feed.c do when two workers take
 * samples of one name, while control publishes new rules and frees the old ones, and lets the
 * series expire. Each access to a shared word is a step of its own; a worker's announcement waits
 * in a store buffer until the fence, so it may be late, as on real processors.
 *
 * Laws:
 *      no worker reads rules that were freed
 *      no sample is written to a cell that was given back, or given to another series
 *      what is removed was not seen for its time to live, and nobody is about to write to it
 *
 * Made with RELOAD or with EXPIRY, since both at once are too many states; PROMPT leaves the store
 * buffer out, which takes a fraction of them. With NO_FENCE, NO_WAIT or
 * NO_MARK one part of the hand-shake is left out, and a law must break: a model that cannot fail
 * says nothing.
 */
#define WORKERS 2
#define BATCHES 2  /* of each worker */
#ifndef TURNS
#define TURNS 4    /* of control */
#endif

#define RULES   4
#define CELLS   3
#define NONE    7
#define TTL     1

byte epoch = 1;
byte entered[WORKERS];
byte late[WORKERS];        /* an announcement on its way; 0: none */

byte rules;                /* those in force */
bool freed[RULES];

byte now = 1;
bool lock;
byte cell_birth[CELLS];    /* 0: taken away, every route to it misses */
byte cell_owner[CELLS];    /* the birth number it was given to; 0: in the pool */
byte cell_tick[CELLS];     /* when it was last written */
byte series = NONE;        /* the cell of the series of our name, in the index */
byte births;
bool dying;

inline acquire() { atomic { !lock -> lock = true } }
inline release() { lock = false }

inline passed(e, yes)
{
    atomic { yes = true; n = 0 }
    do
    :: n < WORKERS ->
        if
        :: entered[n] != 0 && entered[n] < e -> yes = false
        :: else
        fi;
        n++
    :: else -> break
    od
}

/* The store buffers empty themselves at any time. */
active proctype memory()
{
end:
    do
    :: atomic { late[0] != 0 -> entered[0] = late[0]; late[0] = 0 }
    :: atomic { late[1] != 0 -> entered[1] = late[1]; late[1] = 0 }
    od
}

inline enter()
{
    clock = now;
#ifdef PROMPT
    entered[_pid - 1] = epoch
#else
    late[_pid - 1] = epoch;
#ifndef NO_FENCE
    late[_pid - 1] == 0
#endif
#endif
}

inline leave()
{
    atomic { late[_pid - 1] == 0 -> entered[_pid - 1] = 0 }
}

inline write_sample()
{
    assert(cell_owner[route] == birth);
    cell_tick[route] = clock
}

/* series_acquire(): found, and revived if it was dying; or born. */
inline take_series()
{
    acquire();
    if
    :: series != NONE ->
        route = series;
        birth = cell_owner[series];
        dying = false;
        cell_birth[series] = birth
    :: else ->
        births++;
        birth = births;
        route = 0;
        do
        :: cell_owner[route] != 0 -> route++
        :: else -> break
        od;
        assert(route < CELLS);
        cell_owner[route] = birth;
        cell_tick[route] = clock;
        cell_birth[route] = birth;
        series = route
    fi;
    release()
}

active [WORKERS] proctype worker()
{
    byte clock, mine, route = NONE, birth, batch;

    do
    :: batch < BATCHES ->
        batch++;
        enter();
#ifdef RELOAD
        mine = rules;
        assert(!freed[mine]);
#endif
#ifdef EXPIRY
        if
        :: route != NONE && cell_birth[route] == birth -> skip
        :: else -> take_series()
        fi;
        write_sample();
#endif
#ifdef RELOAD
        assert(!freed[mine]);
#endif
        leave()
    :: else -> break
    od
}

inline look_again()
{
    acquire();
    if
    :: series != NONE && dying && now - cell_tick[series] > TTL ->
        cell_birth[series] = 0;
        cell_owner[series] = 0;
        series = NONE
    :: series != NONE && !(dying && now - cell_tick[series] > TTL) ->
        cell_birth[series] = cell_owner[series]
    :: else
    fi;
    dying = false;
    marked = 0;
    release()
}

inline mark()
{
    acquire();
    if
    :: series != NONE && now - cell_tick[series] > TTL ->
        dying = true;
#ifndef NO_MARK
        cell_birth[series] = 0;
#endif
        epoch++;
        marked = epoch
    :: else
    fi;
    release()
}

active proctype control()
{
    byte n, turn, marked, retired = NONE, retired_epoch;
    bool yes;

    do
    :: turn < TURNS ->
        turn++;
        now = now + 1;
#ifdef EXPIRY
        if /* expiry: the second look, then the first */
        :: marked != 0 ->
            passed(marked, yes);
#ifdef NO_WAIT
            yes = true;
#endif
            if
            :: yes -> look_again()
            :: else
            fi
        :: else -> mark()
        fi;
#endif
#ifdef RELOAD
        if /* reload: publish, and free the old rules when they are nobody's */
        :: retired == NONE && rules + 1 < RULES ->
            retired = rules;
            rules = rules + 1;
            epoch++;
            retired_epoch = epoch
        :: retired != NONE ->
            passed(retired_epoch, yes);
            if
            :: yes -> freed[retired] = true; retired = NONE
            :: else
            fi
        :: else
        fi;
#endif
        skip
    :: else -> break
    od
}
