"""Properties of the simulators' geometry and interpolation, for any input."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors import geodesy
from sensors.draws import uniforms
from sensors.radar import catalogue, place
from sensors.scans import beam_times, interpolate, schedule
from sensors.stations import RadarType
from sharing.messages import S, Truth, floats, ints

RADARS = sorted(name for name, (_, _, kind) in catalogue().items() if isinstance(kind, RadarType))
latitudes, longitudes = st.floats(-85.0, 85.0), st.floats(-179.9, 179.9)


@given(st.floats(-100.0, 100.0))
def test_wrapping_changes_an_angle_by_whole_turns(angle):
    wrapped = float(geodesy.wrap(angle))
    assert -np.pi < wrapped <= np.pi
    turns = (angle - wrapped) / (2 * np.pi)
    assert abs(turns - round(turns)) < 1e-9


@given(latitudes, longitudes, latitudes, longitudes, st.floats(0.0, 1000e3))
@settings(max_examples=60)
def test_measuring_and_placing_are_inverse(lat, lon, other_lat, other_lon, height):
    radar = place("JPN/asev-1", catalogue()["JPN/asev-1"], lat, lon)
    point = geodesy.ecef(other_lat, other_lon, height)
    distance, azimuth, elevation = (float(v[0]) for v in radar.measure(point))
    level = distance * np.cos(elevation)
    enu = np.array([level * np.sin(azimuth), level * np.cos(azimuth), distance * np.sin(elevation)])
    assert np.linalg.norm(radar.position_ecef_m + enu @ radar.axes - point) < 1e-5


@given(latitudes, longitudes)
def test_the_local_axes_are_a_rotation(lat, lon):
    axes = geodesy.enu_axes(lat, lon)
    assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(axes) > 0


@given(latitudes, longitudes, st.floats(0.0, 360.0), st.floats(1e3, 8000e3))
@settings(max_examples=60)
def test_a_geodesic_ends_where_it_is_measured_to_end(lat, lon, bearing, length):
    end = geodesy.destination(lat, lon, bearing, length)
    measured, _ = geodesy.geodesic(lat, lon, *end)
    assert abs(measured - length) < 1.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=12, max_size=12), st.lists(st.integers(0, 5 * S), min_size=1))
def test_cubic_motion_is_interpolated_exactly(coefficients, times):
    a = np.array(coefficients).reshape(4, 3)

    def state(t):
        t = np.asarray(t, dtype=float)[:, None]
        return np.concatenate(
            [a[0] + a[1] * t + a[2] * t**2 + a[3] * t**3, a[1] + 2 * a[2] * t + 3 * a[3] * t**2], axis=1
        )

    grid = np.arange(6)
    truth = Truth(
        originator="COALITION", name="x", kind="x", counts=True, t_valid_ns=ints(grid * S),
        state_ecef=floats(state(grid)), phase=ints(grid), liftoff_t_ns=0,
    )  # fmt: skip
    asked = np.array(times, dtype=np.int64)
    assert np.allclose(interpolate(truth, asked), state(asked / S), rtol=1e-9, atol=1e-6)


@given(st.integers(0, 2**31), st.integers(1, 20), st.integers(1, 20))
def test_rows_of_draws_do_not_depend_on_how_many_are_asked(seed, few, more):
    assert np.array_equal(uniforms(few, 4, seed, "x"), uniforms(few + more, 4, seed, "x")[:few])


@given(st.integers(0, 1000), st.sampled_from(RADARS), st.floats(-np.pi, np.pi))
@settings(max_examples=60)
def test_a_beam_looks_inside_its_scan(seed, name, azimuth):
    radar = place(name, catalogue()[name], 38.0, 135.0)
    plan = schedule(radar, seed, -10 * S, 100 * S)
    looks = beam_times(radar, plan, np.full(len(plan.start_ns), azimuth), plan.start_ns)
    assert (looks > plan.start_ns).all() and (looks < plan.start_ns + plan.period_ns).all()
    assert plan.start_ns[0] >= -10 * S and plan.start_ns[-1] + plan.period_ns <= 100 * S
