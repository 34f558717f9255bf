"""Joint probabilistic data association: how probable each pair is, over all ways to pair rows with columns.

Formula: a joint event takes each row and each column once at most; its probability is proportional to the
product of the odds w of its pairs, where w_ij = Pd N(ν_ij; 0, S_ij) / (λ (1 - Pd)) is the likelihood of plot i
from track j beside that of clutter and a missed track. β_ij is the share of the events with the pair (T. E.
Fortmann, Y. Bar-Shalom and M. Scheffe, Sonar tracking of multiple targets using joint probabilistic data
association, IEEE J. Oceanic Eng. 8 (1983) 173-184; for Poisson clutter).

Rules of this module:

- Connected clusters are worked on one by one (`ext.assignment.clusters`).
- *Exact* where the smaller side of a cluster has at most `exact` members: the events are summed member by member of
  the larger side, by the set of the smaller side that is taken, forward and backward, 2^n sums instead of
  one for each event.
- *Approximate* beyond: loopy belief propagation (J. Williams and R. Lau, Approximate evaluation of marginal
  association probabilities with belief propagation, IEEE Trans. AES 50 (2014) 2942-2959), ended when no
  message changes by more than `TOLERANCE` of itself, or after `ROUNDS`. It is exact where a cluster is a tree.
- Sums and products of positive numbers only, in the order of the pairs.
"""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t

from ext.assignment import clusters
from ext.door cimport table
from ext.elementary cimport c_exp

cnp.import_array()

cdef enum:
    MOST_EXACT = 16
    ROUNDS = 500

cdef double TOLERANCE = 1e-10
cdef double LARGEST_LOG = 250.0

cdef struct Cluster:
    Py_ssize_t pairs
    Py_ssize_t steps  # members of the larger side
    Py_ssize_t members  # of the smaller side
    int32_t *pair  # (pairs) in the order of steps: its place in the result
    int32_t *step  # (pairs)
    int32_t *member  # (pairs)
    double *odds  # (pairs)
    double *out  # (pairs)
    double *to_member  # (pairs) messages
    double *to_step  # (pairs)
    double *total  # (members)


def marginals(rows, columns, log_odds, int exact=10):
    """Probabilities (p) of the pairs, and whether each was found exactly (bool, p).

    rows, columns (p) int32, ordered by row, then column; log_odds (p), taken as ±250 beyond that. What is
    missing to 1 in a row or a column is the probability that it goes alone. `exact`, 0 to 16: the size of the
    smaller side up to which the events of a cluster are summed.
    """
    cdef cnp.ndarray number = clusters(rows, columns)
    cdef Py_ssize_t p = cnp.PyArray_DIM(number, 0), begin = 0, end, i
    cdef cnp.ndarray log_ = table(log_odds, cnp.NPY_DOUBLE, p, 0, "log_odds")
    cdef cnp.ndarray order = np.argsort(number, kind="stable"), out = np.empty(p), sure = np.ones(p, np.bool_)
    cdef cnp.ndarray whole = np.empty(4 * p, np.int32), reals = np.empty(5 * p)
    cdef cnp.ndarray seen = np.full(np.max(columns, initial=-1) + 1, -1, np.int32)
    cdef const int64_t *place = <const int64_t *>cnp.PyArray_DATA(order)
    cdef const int32_t *name = <const int32_t *>cnp.PyArray_DATA(number)
    cdef double *odds = <double *>cnp.PyArray_DATA(log_)
    cdef double *beta = <double *>cnp.PyArray_DATA(out)
    cdef Cluster k
    if not 0 <= exact <= MOST_EXACT:
        raise ValueError(f"exact: {exact} is not one of 0 to {MOST_EXACT}")
    for i in range(p):
        if not -1e300 < odds[i] < 1e300:
            raise ValueError(f"log_odds: {odds[i]!r} is not finite")
    k.pair = <int32_t *>cnp.PyArray_DATA(whole)
    k.step, k.member = k.pair + p, k.pair + 2 * p
    k.odds = <double *>cnp.PyArray_DATA(reals)
    k.out, k.to_member, k.to_step, k.total = k.odds + p, k.odds + 2 * p, k.odds + 3 * p, k.odds + 4 * p
    while begin < p:
        end = begin + 1
        while end < p and name[place[end]] == name[place[begin]]:
            end += 1
        k.pairs = end - begin
        arrange(rows, columns, place + begin, seen, k.pair + 3 * p, &k)
        for i in range(k.pairs):
            k.odds[i] = c_exp(min(max(odds[k.pair[i]], -LARGEST_LOG), LARGEST_LOG))
        if k.pairs == 1:
            k.out[0] = k.odds[0] / (1.0 + k.odds[0])
        elif k.members <= exact:
            sum_events(&k)
        else:
            propagate(&k)
        for i in range(k.pairs):
            beta[k.pair[i]] = k.out[i]
            (<cnp.npy_bool *>cnp.PyArray_DATA(sure))[k.pair[i]] = k.members <= exact or k.pairs == 1
        begin = end
    return out, sure


cdef int arrange(
    cnp.ndarray rows, cnp.ndarray columns, const int64_t *place, cnp.ndarray seen, int32_t *count, Cluster *k
) noexcept:
    """Numbers both sides of a cluster from 0, and puts its pairs in the order of the larger side."""
    cdef const int32_t *r = <const int32_t *>cnp.PyArray_DATA(rows)
    cdef const int32_t *c = <const int32_t *>cnp.PyArray_DATA(columns)
    cdef int32_t *number = <int32_t *>cnp.PyArray_DATA(seen)  # of each column
    cdef Py_ssize_t n = 0, m = 0, i, at
    for i in range(k.pairs):
        n += 1 if i == 0 or r[place[i]] != r[place[i - 1]] else 0
        if number[c[place[i]]] < 0:
            number[c[place[i]]], count[m] = m, 0
            m += 1
        count[number[c[place[i]]]] += 1
    k.steps, k.members = max(n, m), min(n, m)
    at = 0
    for i in range(m):  # where each column's pairs begin
        at += count[i]
        count[i] = at - count[i]
    n = -1
    for i in range(k.pairs):
        n += 1 if i == 0 or r[place[i]] != r[place[i - 1]] else 0
        at = i
        if k.steps == m:
            at = count[number[c[place[i]]]]
            count[number[c[place[i]]]] += 1
        k.pair[at] = place[i]
        k.step[at] = number[c[place[i]]] if k.steps == m else n
        k.member[at] = n if k.steps == m else number[c[place[i]]]
    for i in range(k.pairs):
        number[c[place[i]]] = -1
    return 0


cdef int sum_events(Cluster *k) except -1:
    """Exact probabilities, by sums over the sets of members that are taken.

    forward (steps + 1, sets): the odds of all ways to pair the first steps with exactly this set; backward
    (sets): of all ways to pair the later ones with members outside of it. Each is scaled to a greatest
    value of 1, which cancels in the shares of one step's pairs.
    """
    cdef Py_ssize_t sets = 1 << k.members, s, last = k.pairs, first
    cdef cnp.ndarray sums = np.zeros((k.steps + 3, sets))
    cdef double *forward = <double *>cnp.PyArray_DATA(sums)
    cdef double *backward = forward + (k.steps + 1) * sets
    cdef double *earlier = backward + sets
    cdef double *swap
    forward[0] = 1.0
    first = 0
    for s in range(k.steps):
        last = first
        while last < k.pairs and k.step[last] == s:
            last += 1
        take_forward(k, first, last, sets, forward + s * sets, forward + (s + 1) * sets)
        first = last
    for s in range(sets):
        backward[s] = 1.0
    last = k.pairs
    for s in range(k.steps - 1, -1, -1):
        first = last
        while first > 0 and k.step[first - 1] == s:
            first -= 1
        take_backward(k, first, last, sets, forward + s * sets, backward, earlier)
        swap = backward
        backward = earlier
        earlier = swap
        last = first
    return 0


cdef void take_forward(
    const Cluster *k, Py_ssize_t first, Py_ssize_t last, Py_ssize_t sets, const double *before, double *after
) noexcept nogil:
    """One step more: alone, or with one of its members that is not in the set yet."""
    cdef Py_ssize_t set_, i, bit
    cdef double most = 0.0
    for set_ in range(sets):
        after[set_] = before[set_]
    for i in range(first, last):
        bit = 1 << k.member[i]
        for set_ in range(sets):
            if not set_ & bit:
                after[set_ | bit] += before[set_] * k.odds[i]
    for set_ in range(sets):
        most = after[set_] if after[set_] > most else most
    for set_ in range(sets):
        after[set_] /= most


cdef void take_backward(
    Cluster *k, Py_ssize_t first, Py_ssize_t last, Py_ssize_t sets, const double *before,
    const double *backward, double *earlier
) noexcept nogil:
    """The same from the end, and the probabilities of the step's pairs."""
    cdef Py_ssize_t set_, i, bit
    cdef double most = 0.0, share, total = 0.0
    for set_ in range(sets):
        earlier[set_] = backward[set_]
        total += before[set_] * backward[set_]
    for i in range(first, last):
        bit = 1 << k.member[i]
        share = 0.0
        for set_ in range(sets):
            if not set_ & bit:
                share += before[set_] * backward[set_ | bit]
                earlier[set_] += k.odds[i] * backward[set_ | bit]
        k.out[i] = share * k.odds[i]
        total += k.out[i]
    for i in range(first, last):
        k.out[i] /= total
    for set_ in range(sets):
        most = earlier[set_] if earlier[set_] > most else most
    for set_ in range(sets):
        earlier[set_] /= most


cdef void propagate(Cluster *k) noexcept nogil:
    """Approximate probabilities, by belief propagation: messages from steps to members and back."""
    cdef Py_ssize_t i, turn
    cdef double change = 1.0
    for i in range(k.pairs):
        k.to_step[i] = 1.0
    for turn in range(ROUNDS):
        if change <= TOLERANCE:
            break
        to_members(k, False)
        change = to_steps(k)
    to_members(k, True)


cdef void to_members(Cluster *k, bint last) noexcept nogil:
    """Each pair's odds beside the step's other ways; `last`: its probability, beside all of them."""
    cdef Py_ssize_t first = 0, end, i
    cdef double total
    while first < k.pairs:
        total, end = 1.0, first
        while end < k.pairs and k.step[end] == k.step[first]:
            total += k.odds[end] * k.to_step[end]
            end += 1
        for i in range(first, end):
            if last:
                k.out[i] = k.odds[i] * k.to_step[i] / total
            else:
                k.to_member[i] = k.odds[i] / beside(k, first, end, i, total)
        first = end


cdef inline double beside(
    const Cluster *k, Py_ssize_t first, Py_ssize_t end, Py_ssize_t i, double total
) noexcept nogil:
    """1 + what the step's other pairs weigh; added up anew where a difference would lose it."""
    cdef double rest = total - k.odds[i] * k.to_step[i]
    cdef Py_ssize_t j
    if rest > 1e-3 * total:
        return rest
    rest = 1.0
    for j in range(first, end):
        rest += k.odds[j] * k.to_step[j] if j != i else 0.0
    return rest


cdef double to_steps(Cluster *k) noexcept nogil:
    """How free each member is, without the pair's own step; gives the largest relative change."""
    cdef double change = 0.0, value, rest
    cdef Py_ssize_t i, j
    for i in range(k.members):
        k.total[i] = 1.0
    for i in range(k.pairs):
        k.total[k.member[i]] += k.to_member[i]
    for i in range(k.pairs):
        rest = k.total[k.member[i]] - k.to_member[i]
        if rest <= 1e-3 * k.total[k.member[i]]:
            rest = 1.0
            for j in range(k.pairs):
                rest += k.to_member[j] if j != i and k.member[j] == k.member[i] else 0.0
        value = 1.0 / rest
        change = max(change, max(value - k.to_step[i], k.to_step[i] - value) / value)
        k.to_step[i] = value
    return change
