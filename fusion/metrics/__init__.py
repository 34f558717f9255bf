"""Pure metrics: arrays in, numbers out; no messages, no files, nothing else of ours.

`gospa` and `ospa` compare two sets of points, `siap` two tables of tracks and objects over time,
`commonality` two pictures. `nees` and `nis` hold an estimate to its covariance, `consistency` their mean to
its χ² interval, `contained` and `wilson` an ellipse to its probability. `pcrlb` and `trajectory_crlb` say how
well anybody could have known, `information_reduction` what missed detections and clutter leave of that.
Units are the caller's: a cutoff is in the unit of the points.
"""

from fusion.metrics.bounds import bound, fisher, information_reduction, pcrlb, trajectory_crlb
from fusion.metrics.commonality import Commonality, Held, commonality
from fusion.metrics.consistency import (
    Consistency,
    Proportion,
    consistency,
    contained,
    mean_bounds,
    nees,
    nis,
    wilson,
)
from fusion.metrics.sets import Gospa, Ospa, gospa, ospa
from fusion.metrics.tracks import Siap, siap

__all__ = [
    "Commonality", "Consistency", "Gospa", "Held", "Ospa", "Proportion", "Siap", "bound", "commonality",
    "consistency", "contained", "fisher", "gospa", "information_reduction", "mean_bounds", "nees", "nis",
    "ospa", "pcrlb", "siap", "trajectory_crlb", "wilson",
]  # fmt: skip
