"""Which plots are of an object: by what they measure, from where the sensor stands by then."""

import msgspec
import numpy as np
import pytest

from fusion.truths import Sky, is_of, states_at
from sharing.messages import COALITION, Detections, Los, Measurement, Polar, S, Site, Truth, floats, ints

AXES = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)  # at latitude and longitude 0
START = np.array([6_378_137.0 + 100e3, 200e3, 300e3, -50.0, 1500.0, 2000.0])


def flight(every_s: int = 1) -> Truth:
    t_s = np.arange(0, 61, every_s)
    states = np.concatenate([START[:3] + t_s[:, None] * START[3:], np.tile(START[3:], (len(t_s), 1))], axis=1)
    return Truth(
        originator=COALITION, name="m", kind="nodong", counts=True, t_valid_ns=ints(t_s * S),
        state_ecef=floats(states), phase=ints(np.ones(len(t_s))), liftoff_t_ns=0,
    )  # fmt: skip


def site(velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Site:
    return Site(
        originator="JPN", sensor="ship", t_valid_ns=0, position_ecef_m=(6_378_137.0, 0.0, 0.0),
        velocity_ecef_mps=velocity, enu_ecef=AXES, sigma_range_m=30.0, sigma_azimuth_rad=1e-3,
        sigma_elevation_rad=1e-3, bias_sigma_range_m=0.0, bias_sigma_azimuth_rad=0.0,
        bias_sigma_elevation_rad=0.0, azimuth_center_rad=0.0, azimuth_width_rad=6.0, elevation_min_rad=0.0,
        elevation_max_rad=1.5, range_13db_m=9e5, range_max_m=1e6, scan_s=5.0, clutter_per_scan=0.0,
    )  # fmt: skip


def plots(kind: type, from_m: tuple[float, float, float], off: dict[str, float]) -> Measurement:
    """One plot at 30 s of the flight seen from a point, put off by some sigmas in each component."""
    offset = (START[:3] + 30.0 * START[3:]) - np.array(from_m)
    east, north, up = np.array(AXES).reshape(3, 3) @ offset
    whole = {
        "range": np.sqrt(offset @ offset) + 30.0 * off.get("range", 0.0),
        "azimuth": np.arctan2(east, north) + 1e-3 * off.get("azimuth", 0.0),
        "elevation": np.arctan2(up, np.hypot(east, north)) + 1e-3 * off.get("elevation", 0.0),
    }
    sigma = {"range": 30.0, "azimuth": 1e-3, "elevation": 1e-3}
    unit = {"range": "m", "azimuth": "rad", "elevation": "rad"}
    names = {Detections: list(whole), Polar: ["range", "azimuth"], Los: ["azimuth", "elevation"]}[kind]
    columns = {f"{n}_{unit[n]}": floats([whole[n]]) for n in names}
    columns |= {f"sigma_{n}_{unit[n]}": floats([sigma[n]]) for n in names}
    return kind(originator="JPN", scan=0, t_valid_ns=ints([30 * S]), snr_db=floats([13.0]), **columns)


@pytest.mark.parametrize("kind", [Detections, Polar, Los])
def test_near_plots_are_of_the_object(kind: type) -> None:
    near = dict.fromkeys(("range", "azimuth", "elevation"), 4.0)
    assert is_of(plots(kind, site().position_ecef_m, near), site(), flight())


@pytest.mark.parametrize(
    ("kind", "component", "counts"),
    [(Detections, "range", True), (Detections, "elevation", True), (Polar, "elevation", False),
     (Polar, "azimuth", True), (Los, "range", False), (Los, "elevation", True)],
)  # fmt: skip
def test_only_what_is_measured_can_be_wrong(kind: type, component: str, counts: bool) -> None:
    off = plots(kind, site().position_ecef_m, {component: 50.0})
    assert is_of(off, site(), flight()) != counts


def test_a_site_moves_on_between_its_messages() -> None:
    velocity = (0.0, 100.0, 0.0)
    seen = plots(Detections, (6_378_137.0, 3000.0, 0.0), {})
    assert is_of(seen, site(velocity), flight())
    assert not is_of(seen, site(), flight())


def test_nothing_is_of_an_object_that_is_not_there() -> None:
    seen = plots(Detections, site().position_ecef_m, {})
    late = msgspec.structs.replace(seen, t_valid_ns=ints([90 * S]))
    assert not is_of(late, site(), flight())


def test_states_between_coarse_samples() -> None:
    t_ns = ints([0, 7 * S, 30 * S, 60 * S])
    assert states_at(flight(10), t_ns) == pytest.approx(states_at(flight(1), t_ns), abs=1e-6)


def test_sky_holds_who_is_there() -> None:
    numbers, states = Sky([flight(), flight(10)]).at(33 * S)
    assert numbers.tolist() == [0, 1]
    assert states[0] == pytest.approx(states[1], abs=1e-6)
    assert states[0, :3] == pytest.approx(START[:3] + 33 * START[3:])
    assert len(Sky([flight()]).at(61 * S)[0]) == 0 and len(Sky([]).at(0)[0]) == 0
