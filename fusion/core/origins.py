"""Regions of launch, by which an arrangement may choose what it lets others have. NOTIONAL."""

import numpy as np

from fusion.core.regions import Region, inside

ORIGINS = (Region("north", "", "launch", ((38.0, 124.0), (38.0, 131.0), (43.2, 131.0), (43.2, 124.0)), 0.0),)
"""The peninsula's north: a box on land and along its coasts, NOTIONAL and wide on purpose."""


def origin_of(lat_deg: float, lon_deg: float) -> str:
    """The region in which a launch point lies, or an empty text."""
    lat, lon = np.array([lat_deg]), np.array([lon_deg])
    return next((region.name for region in ORIGINS if inside(region.polygon, lat, lon)[0]), "")
