"""Pure metrics: arrays in, numbers out; no messages, no files, nothing else of ours.

`gospa` and `ospa` compare two sets of points, `siap` two tables of tracks and objects over time,
`nees` an estimate with its covariance. Units are the caller's: a cutoff is in the unit of the points.
"""

from fusion.metrics.consistency import mean_bounds, nees
from fusion.metrics.sets import Gospa, Ospa, gospa, ospa
from fusion.metrics.tracks import Siap, siap

__all__ = ["Gospa", "Ospa", "Siap", "gospa", "mean_bounds", "nees", "ospa", "siap"]
