"""Pictures at other times: what the prediction must say of its own uncertainty."""

import msgspec
import numpy as np
import pytest
from pymap3d import enu2uvw, geodetic2ecef

from fusion.ahead import OutsideError, at_times, predicted
from fusion.core.filters import COAST, Models
from fusion.core.picture import next_impact
from sharing.messages import Picture, S, floats, ints

UPPER = np.triu_indices(6)
SPEED_MPS = 2000.0


def picture(t_s=100, height_m=40_000.0):
    """One coasting track at 2 km/s to the east, known to the millimetre."""
    position = geodetic2ecef(38.0, 130.0, height_m)
    velocity = enu2uvw(SPEED_MPS, 0.0, 0.0, 38.0, 130.0)
    none = {name: floats([]) for name in (
        "launch_lat_deg", "launch_lon_deg", "launch_covariance_m2", "impact_lat_deg", "impact_lon_deg",
        "impact_covariance_m2",
    )}  # fmt: skip
    rows = {name: ints([]) for name in ("launch_row", "launch_t_ns", "impact_row", "impact_t_ns")}
    return Picture(
        originator="JPN", picture="settled", t_valid_ns=t_s * S, t_sent_ns=t_s * S, t_available_ns=t_s * S,
        track_id=ints([1]), status=ints([1]), mode=ints([COAST]), t_update_ns=ints([t_s * S]),
        state_ecef=floats([*position, *velocity]), covariance=floats(np.diag([1e-6] * 6)[UPPER]),
        nis=floats([1.0]), **none, **rows,
    )  # fmt: skip


def test_unknown_drag_widens_a_coasting_track_in_the_air():
    after = predicted(picture(), 101 * S)
    covariance = np.zeros((6, 6))
    covariance[UPPER] = after.covariance
    # US Standard Atmosphere 1976 at 40 km: 3.996e-3 kg/m³; a = ρ v² / 2β, noise b a² on each axis (filters).
    models = Models()
    deceleration = 3.996e-3 * SPEED_MPS**2 / (2 * models.beta[COAST])
    expected = 3 * (models.drag_noise_s * deceleration**2 + models.q[COAST])
    assert np.trace(covariance[3:, 3:]) == pytest.approx(expected, rel=0.1)
    in_space = predicted(picture(height_m=300_000.0), 101 * S)
    assert in_space.covariance[[15, 18, 20]].sum() < 1e-3


def test_the_newest_picture_not_after_each_time_is_taken():
    pictures = [picture(100), picture(101), picture(106)]
    found = list(at_times(pictures, [100 * S, 105 * S]))
    assert [p.t_valid_ns for p in found] == [100 * S, 105 * S]
    assert found[0].state_ecef.tolist() == pictures[0].state_ecef.tolist()
    with pytest.raises(ValueError, match="back"):
        predicted(pictures[1], 100 * S)


@pytest.mark.parametrize("t_s", [-3, 1])
def test_there_is_no_picture_before_the_first_or_after_the_last(t_s):
    with pytest.raises(OutsideError, match=rf"{t_s} s: expected from -2 to 0 s"):
        list(at_times([picture(-2), picture(0)], [-1 * S, t_s * S]))


def test_the_next_impact_is_the_first_still_to_come():
    ends = {
        "impact_row": ints([0]), "impact_t_ns": ints([160 * S]), "impact_lat_deg": floats([38.0]),
        "impact_lon_deg": floats([135.0]), "impact_covariance_m2": floats([1e6, 0.0, 1e6]),
    }  # fmt: skip
    old = msgspec.structs.replace(picture(), **ends)
    new = msgspec.structs.replace(old, impact_t_sigma_s=floats([1.5]))
    assert next_impact(new, 100 * S) == (60.0, 1.5)
    assert next_impact(old, 100 * S) == (60.0, 0.0)
    assert next_impact(new, 160 * S) is next_impact(picture(), 100 * S) is None
