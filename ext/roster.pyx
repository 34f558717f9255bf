"""What every plot and every look asks of the tracks' bookkeeping, by slot: who is free, hit, missed, due.

Rules of this module:

- The columns are numpy arrays of this object; what is rare is written in Python over the same memory
  (`fusion.core.lifecycle.TrackTable`).
- Which states there are and what leads from one to another is the caller's: `changes` holds, by event and
  state + 1, the state that follows, and `NEVER` where there is none. -1 is the state of a free slot.
- Slots are int32 arrays, distinct where they are written to. Arguments are checked at the door (ValueError).
"""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

from ext.door cimport table

cnp.import_array()

FREE, NEVER = -1, -2

RECORD = np.dtype(
    [
        ("track_id", np.int64),
        ("t_birth_ns", np.int64),
        ("hits", np.int32),
        ("looks", np.int32),
        ("history", np.uint32),
        ("alike", np.int32),
        ("score", np.float64),
        ("best", np.float64),
        ("nis", np.float64),
        ("parent", np.int64),
        ("twin", np.int64),
        ("sections", np.float64, 4),
        ("energy", np.float64, 8),
        ("flight", np.float64, 8),
        ("partial", np.bool_),
    ],
    align=True,
)
"""What is kept of a track beside the columns that are read from end to end."""

cdef struct Record:
    int64_t track_id
    int64_t t_birth_ns
    int32_t hits
    int32_t looks
    uint32_t history
    int32_t alike
    double score
    double best
    double nis
    int64_t parent
    int64_t twin
    double sections[4]
    double energy[8]
    double flight[8]
    uint8_t partial

if RECORD.itemsize != sizeof(Record):
    raise ImportError("ext.roster: its record is laid out otherwise than numpy's")


cdef int64_t NO_TIME = 0x7fffffffffffffff


cdef inline int ones(uint32_t bits) noexcept nogil:
    """Number of ones."""
    cdef int count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


cdef inline int newest(const Record *record, int looks) noexcept nogil:
    """Hits in the newest so many looks."""
    return ones(record.history & ((<uint32_t>1 << looks) - 1))


cdef class Roster:
    """Columns of so many slots, all free.

    Parameters
    ----------
    capacity, max_sensors
        Number of slots, and of sensors.
    changes
        (events, states + 1) int8: see the module's rules.
    start
        The event that takes a free slot.
    newborn
        What a record (`RECORD`, of dimension 0) begins with.
    """

    cdef readonly cnp.ndarray records
    cdef readonly cnp.ndarray status
    cdef readonly cnp.ndarray t_hit_ns
    cdef readonly cnp.ndarray due_ns
    cdef readonly cnp.ndarray misses
    cdef readonly cnp.ndarray last_scan
    cdef readonly int used
    cdef int capacity, sensors, start, states, events
    cdef cnp.ndarray changes
    cdef Record newborn
    cdef Record *record
    cdef int8_t *state
    cdef int64_t *hit_ns
    cdef int64_t *due
    cdef int32_t *missed
    cdef int64_t *scan

    def __init__(self, int capacity, int max_sensors, changes, int start, newborn):
        self.changes = table(changes, cnp.NPY_INT8, -1, -1, "changes")
        self.events, self.states = cnp.PyArray_DIM(self.changes, 0), cnp.PyArray_DIM(self.changes, 1)
        if not 0 < capacity <= 1_000_000 or not 0 < max_sensors <= 4096 or not 0 <= start < self.events:
            raise ValueError(f"capacity {capacity}, max_sensors {max_sensors}, start {start}: out of range")
        self.capacity, self.sensors, self.start, self.used = capacity, max_sensors, start, 0
        self.records = np.zeros(capacity, RECORD)
        self.records[0] = newborn
        self.record = <Record *>cnp.PyArray_DATA(self.records)
        self.newborn = self.record[0]
        self.status = np.full(capacity, FREE, np.int8)
        self.t_hit_ns, self.due_ns = np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
        self.misses = np.zeros(capacity, np.int32)
        self.last_scan = np.full((capacity, max_sensors), -1, np.int64)
        self.state = <int8_t *>cnp.PyArray_DATA(self.status)
        self.hit_ns = <int64_t *>cnp.PyArray_DATA(self.t_hit_ns)
        self.due = <int64_t *>cnp.PyArray_DATA(self.due_ns)
        self.missed = <int32_t *>cnp.PyArray_DATA(self.misses)
        self.scan = <int64_t *>cnp.PyArray_DATA(self.last_scan)

    cdef const int32_t *named(self, slots) except NULL:
        cdef cnp.ndarray array = table(slots, cnp.NPY_INT32, -1, 0, "slots")
        cdef const int32_t *slot = <const int32_t *>cnp.PyArray_DATA(array)
        cdef Py_ssize_t i
        for i in range(cnp.PyArray_DIM(array, 0)):
            if not 0 <= slot[i] < self.capacity:
                raise ValueError(f"slots: {slot[i]}, there are {self.capacity}")
        return slot

    cdef int column(self, int sensor) except -1:
        if not 0 <= sensor < self.sensors:
            raise ValueError(f"sensor: {sensor}, there are {self.sensors}")
        return sensor

    # -- lives ----------------------------------------------------------------------------------------------

    def claim(self, track_ids, int64_t t_ns):
        """The lowest free slots (int32) begin as `track_ids` (n) in their order; fewer when it is full."""
        cdef cnp.ndarray ids = table(np.asarray(track_ids, np.int64), cnp.NPY_INT64, -1, 0, "track_ids")
        cdef const int64_t *id_of = <const int64_t *>cnp.PyArray_DATA(ids)
        cdef Py_ssize_t n = cnp.PyArray_DIM(ids, 0), m = 0
        cdef cnp.ndarray out = np.empty(n, np.int32)
        cdef int32_t *slot = <int32_t *>cnp.PyArray_DATA(out)
        cdef int i = 0
        while m < n and i < self.capacity:
            if self.state[i] == -1:
                slot[m] = i
                self.begin(i, id_of[m], t_ns)
                m += 1
            i += 1
        if m and slot[m - 1] >= self.used:
            self.used = slot[m - 1] + 1
        taken = out[:m]
        self.move(taken, self.start)
        return taken

    cdef void begin(self, int slot, int64_t track_id, int64_t t_ns) noexcept:
        self.record[slot] = self.newborn
        self.record[slot].track_id = track_id
        self.record[slot].t_birth_ns = self.hit_ns[slot] = self.due[slot] = t_ns
        self.missed[slot] = 0
        memset(self.scan + <Py_ssize_t>slot * self.sensors, 0xff, self.sensors * sizeof(int64_t))

    def move(self, slots, int event):
        """The event happens to these tracks. ValueError, and nobody moves, where `changes` knows no such one."""
        cdef const int32_t *slot = self.named(slots)
        cdef Py_ssize_t n = len(slots), i
        cdef const int8_t *after = <const int8_t *>cnp.PyArray_DATA(self.changes) + event * self.states
        if not 0 <= event < self.events:
            raise ValueError(f"event: {event}, there are {self.events}")
        for i in range(n):
            if after[self.state[slot[i]] + 1] == -2:
                raise ValueError(f"event {event}: does not happen to a track of state {self.state[slot[i]]}")
        for i in range(n):
            self.state[slot[i]] = after[self.state[slot[i]] + 1]

    # -- plots and looks ------------------------------------------------------------------------------------

    def hit(self, slots, int64_t t_ns, int sensor, int64_t scan, nis, bint partial=False):
        """The tracks were updated by a plot of this scan, which may be older than their newest; nis (n)."""
        cdef const int32_t *slot = self.named(slots)
        cdef Py_ssize_t n = len(slots), i
        cdef const double *fits = <const double *>cnp.PyArray_DATA(table(nis, cnp.NPY_DOUBLE, n, 0, "nis"))
        cdef Record *r
        cdef int64_t *last
        self.column(sensor)
        for i in range(n):
            r = self.record + slot[i]
            r.hits += 1
            r.looks += 1
            r.history = r.history << 1 | 1
            r.nis, r.partial = fits[i], partial
            self.missed[slot[i]], self.hit_ns[slot[i]] = 0, max(self.hit_ns[slot[i]], t_ns)
            last = self.scan + <Py_ssize_t>slot[i] * self.sensors + sensor
            last[0] = max(last[0], scan)

    def expect(self, slots, int64_t due_ns):
        """The tracks have until `due_ns` for their next hit, or longer if they had."""
        cdef const int32_t *slot = self.named(slots)
        cdef Py_ssize_t i
        for i in range(len(slots)):
            if self.due[slot[i]] < due_ns:
                self.due[slot[i]] = due_ns

    def miss(self, slots):
        """A scan that should have seen the tracks did not."""
        cdef const int32_t *slot = self.named(slots)
        cdef Py_ssize_t i
        for i in range(len(slots)):
            self.record[slot[i]].history <<= 1
            self.record[slot[i]].looks += 1
            self.missed[slot[i]] += 1

    def fresh(self, slots, int sensor, int64_t scan):
        """Which of the slots (bool (n)) this scan of the sensor has not hit yet."""
        cdef const int32_t *slot = self.named(slots)
        cdef Py_ssize_t i
        cdef cnp.ndarray out = np.empty(len(slots), np.bool_)
        cdef uint8_t *is_fresh = <uint8_t *>cnp.PyArray_DATA(out)
        self.column(sensor)
        for i in range(len(slots)):
            is_fresh[i] = self.scan[<Py_ssize_t>slot[i] * self.sensors + sensor] != scan
        return out

    def overlooked(self, slots, int sensor, int64_t scan, int state=-1):
        """Which of the slots (bool (n)) the sensor has hit before, but not in this scan.

        Only of one state, where that is asked.
        """
        cdef const int32_t *slot = self.named(slots)
        cdef Py_ssize_t i
        cdef cnp.ndarray out = np.empty(len(slots), np.bool_)
        cdef uint8_t *is_overlooked = <uint8_t *>cnp.PyArray_DATA(out)
        cdef int64_t last
        self.column(sensor)
        for i in range(len(slots)):
            last = self.scan[<Py_ssize_t>slot[i] * self.sensors + sensor]
            is_overlooked[i] = last >= 0 and last != scan and (state == -1 or self.state[slot[i]] == state)
        return out

    def overlooks(self, int sensor, int64_t scan):
        """Whether the sensor has hit any live or tentative track before, but not in this scan."""
        cdef int64_t last
        cdef int i
        self.column(sensor)
        for i in range(self.used):
            last = self.scan[<Py_ssize_t>i * self.sensors + sensor]
            if self.state[i] != -1 and last >= 0 and last != scan:
                return True
        return False

    def out_of_reach(self, slots, int state, int hits, int looks):
        """Slots of a state that can not have so many hits in so many looks any more."""
        cdef const int32_t *slot = self.named(slots)
        cdef Py_ssize_t i, m = 0
        cdef cnp.ndarray out = np.empty(len(slots), np.int32)
        cdef Record *r
        for i in range(len(slots)):
            r = self.record + slot[i]
            if self.state[slot[i]] == state:
                if newest(r, looks) + max(looks - r.looks, 0) < hits:
                    (<int32_t *>cnp.PyArray_DATA(out))[m] = slot[i]
                    m += 1
        return out[:m]

    def proven(self, slots, int state, int hits, int looks, double score):
        """Slots of a state with so many hits in so many looks, and this score at least."""
        cdef const int32_t *slot = self.named(slots)
        cdef Py_ssize_t i, m = 0
        cdef cnp.ndarray out = np.empty(len(slots), np.int32)
        cdef Record *r
        for i in range(len(slots)):
            r = self.record + slot[i]
            if self.state[slot[i]] == state and r.score >= score and newest(r, looks) >= hits:
                (<int32_t *>cnp.PyArray_DATA(out))[m] = slot[i]
                m += 1
        return out[:m]

    # -- the passing of time --------------------------------------------------------------------------------

    def between(
        self, int lowest, int highest, int64_t hit_before_ns=NO_TIME, int64_t due_before_ns=NO_TIME,
        int misses=0,
    ):
        """Slots (int32) whose state is one of lowest … highest: hit and due before these times, so often missed."""
        cdef cnp.ndarray out = np.empty(self.used, np.int32)
        cdef int32_t *slot = <int32_t *>cnp.PyArray_DATA(out)
        cdef int i
        cdef Py_ssize_t m = 0
        for i in range(self.used):
            if (
                lowest <= self.state[i] <= highest and self.hit_ns[i] < hit_before_ns
                and self.due[i] < due_before_ns and self.missed[i] >= misses
            ):
                slot[m] = i
                m += 1
        return out[:m]

    # -- checkpoints ----------------------------------------------------------------------------------------

    def checkpoint(self):
        """A compact copy, for `restore`."""
        cdef int used = self.used
        return (
            self.records[:used].copy(), self.status[:used].copy(), self.t_hit_ns[:used].copy(),
            self.due_ns[:used].copy(), self.misses[:used].copy(), self.last_scan[:used].copy(),
        )

    def restore(self, saved):
        """Become what `checkpoint` saved."""
        records, status, t_hit_ns, due_ns, misses, last_scan = saved
        cdef int used = len(records)
        self.status[used:self.used] = FREE
        self.records[:used], self.status[:used], self.t_hit_ns[:used] = records, status, t_hit_ns
        self.due_ns[:used], self.misses[:used], self.last_scan[:used] = due_ns, misses, last_scan
        self.used = used
