"""Recorded radars through the commands: import, replay, export; what is predicted beside what came."""

import csv
import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import chi2

from fusion.cli import invoke
from sensors import geodesy
from sharing.messages import Picture
from sharing.recording import Recording
from sharing.wire import decode

pytestmark = pytest.mark.integration

LAT_DEG, LON_DEG, ALT_M = 38.0, 138.4, 50.0
SIGMA_DEG, SIGMA_M = 0.02, 100.0
HALF = 50


@pytest.fixture
def sharedsky(capsys):
    """Run a command that succeeds; gives stdout."""

    def run(*arguments):
        code = invoke([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    return run


def satellite(t_s):
    """ECEF positions (n, 3) of a low satellite that passes over Sado: two bodies and J2, inertial frame."""
    radius = geodesy.RADIUS_M + 500e3

    def slope(_, y):
        r = np.linalg.norm(y[:3])
        z2 = 5 * (y[2] / r) ** 2
        flattened = 1.5 * geodesy.J2 * (geodesy.RADIUS_M / r) ** 2
        pull = 1 + flattened * (np.array([1, 1, 3]) - z2)
        return np.concatenate([y[3:], -geodesy.GM / r**3 * pull * y[:3]])

    over = geodesy.ecef(LAT_DEG + 1.5, LON_DEG - 3.0)
    up = over / np.linalg.norm(over)
    east = np.cross([0, 0, 1], up) / np.linalg.norm(np.cross([0, 0, 1], up))
    along = 0.3 * east + np.sqrt(1 - 0.09) * np.cross(up, east)
    start = np.concatenate([radius * up, np.sqrt(geodesy.GM / radius) * along])
    before = solve_ivp(slope, (0.0, -60.0), start, rtol=1e-11, atol=1e-6).y[:, -1]
    flown = solve_ivp(slope, (0.0, 2.0 * HALF), before, t_eval=t_s, rtol=1e-11, atol=1e-6).y[:3].T
    turned = geodesy.ROTATION_RADPS * (t_s - 60.0)
    cos, sin = np.cos(turned), np.sin(turned)
    x, y, z = flown.T
    return np.stack([cos * x + sin * y, cos * y - sin * x, z], axis=1)


def pass_csv(path, seed, t_s):
    """The plots of the pass up to the last of `t_s`, as CSV."""
    noise = np.random.default_rng(seed).normal(size=(len(t_s), 3))
    axes = geodesy.enu_axes(LAT_DEG, LON_DEG)
    east, north, up = axes @ (satellite(t_s) - geodesy.ecef(LAT_DEG, LON_DEG, ALT_M)).T
    level = np.hypot(east, north)
    azimuth = np.degrees(np.arctan2(east, north)) + SIGMA_DEG * noise[:, 0]
    elevation = np.degrees(np.arctan2(up, level)) + SIGMA_DEG * noise[:, 1]
    reached = np.hypot(level, up) + SIGMA_M * noise[:, 2]
    assert elevation.min() > 5.0
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([
            "time_s", "sensor", "lat_deg", "lon_deg", "alt_m", "azimuth_deg", "elevation_deg", "range_m",
            "sigma_azimuth_deg", "sigma_elevation_deg", "sigma_range_m", "object",
        ])  # fmt: skip
        for row in zip(t_s, azimuth, elevation, reached, strict=True):
            writer.writerow(
                [row[0], "dish", LAT_DEG, LON_DEG, ALT_M, *row[1:], SIGMA_DEG, SIGMA_DEG, SIGMA_M, "s"]
            )


def nees_of_second_half(sharedsky, folder, seed):
    """Position NEES at every second of the half that the tracker has not seen, and its 95 % axis in m."""
    t_s = np.arange(2.0 * HALF)
    path, session, picture, table = (folder / n for n in ("pass.csv", "pass.mcap", "picture.mcap", "at.csv"))
    pass_csv(path, seed, t_s[:HALF])
    options = ("--bias-fraction", "0", "--models", "missiles", "--until-s", 2 * HALF)
    sharedsky("import", "plots", path, "-o", session, *options)
    sharedsky("replay", session, "-o", picture)
    ahead = t_s[HALF + 1 :]
    sharedsky("export", "csv", picture, "-o", table, "--covariance", "--at", ",".join(map(str, ahead)))
    with table.open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["picture"] == "as-known"]
    assert len(rows) == len(ahead), "one satellite, one track"
    errors = np.array([[float(row[k]) for k in ("x_m", "y_m", "z_m")] for row in rows]) - satellite(ahead)
    names = ("p00", "p01", "p02", "p01", "p11", "p12", "p02", "p12", "p22")
    covariance = np.array([[float(row[k]) for k in names] for row in rows]).reshape(-1, 3, 3)
    nees = np.einsum("ni,nij,nj->n", errors, np.linalg.inv(covariance), errors)
    return nees, np.sqrt(5.991 * np.linalg.eigvalsh(covariance)[:, -1])


def test_half_a_satellite_pass_predicts_the_other_half(sharedsky, tmp_path):
    nees, axis_m = nees_of_second_half(sharedsky, tmp_path, 1)
    assert (nees < chi2.ppf(0.999, 3)).all()
    assert axis_m[-1] < 20e3, "a prediction, not a shrug"


@pytest.mark.slow
def test_predictions_are_as_good_as_they_say(sharedsky, tmp_path):
    """Over 60 passes, the mean NEES at the end of the pass is that of a right covariance (99.8 %)."""
    last = [nees_of_second_half(sharedsky, tmp_path, seed)[0][-1] for seed in range(60)]
    low, high = chi2.ppf([0.001, 0.999], 3 * 60) / 60
    assert low < np.mean(last) < high


def test_aircraft_seen_once_make_no_track(sharedsky, tmp_path, data_dir):
    pytest.importorskip("asterix.base", reason="libasterix is not installed")
    session, picture = tmp_path / "a.mcap", tmp_path / "b.mcap"
    capture = data_dir / "asterix" / "cat_034_048.pcap"
    said = json.loads(sharedsky("import", "asterix", capture, "-o", session, "--json"))
    assert said["plots"] == said["duplicates"] == 64 and len(said["radars"]) == 7
    told = json.loads(sharedsky("replay", session, "-o", picture, "--json"))
    assert told["refused"] == 0
    with Recording.open(picture) as recording:
        shown = [decode(r.data)[1] for r in recording if r.topic == "picture/COALITION"]
    assert shown and all(isinstance(p, Picture) and not (p.status >= 1).any() for p in shown)


def test_identities_are_recorded_beside_the_plots(sharedsky, tmp_path):
    from fusion.imported import identities

    path, session = tmp_path / "pass.csv", tmp_path / "pass.mcap"
    pass_csv(path, 1, np.arange(20.0))
    sharedsky("import", "plots", path, "-o", session)
    assert {i.objects for i in identities(session)} == {("s",)}
    with Recording.open(session) as recording:
        assert recording.metadata["models"] == "mixed"


def test_a_site_is_written_as_the_help_says(capsys, tmp_path):
    assert invoke(["import", "asterix", "x.pcap", "-o", str(tmp_path / "o"), "--site", "25=1,2,3"]) == 1
    assert "SAC/SIC=LAT,LON,ALT" in capsys.readouterr().err
