"""One sensor that sees what it is told to, as the messages that a core takes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pymap3d

from fusion.core.engine import Core, Received, Tick
from sharing.messages import Detections, Los, Message, Picture, Polar, S, Scan, Site, floats, ints

Floats = npt.NDArray[np.float64]
UPPER = np.triu_indices(6)


@dataclass(frozen=True)
class Sensor:
    """A sensor at a geodetic place; `kind` says what it measures. Its plots have no bias."""

    name: str
    lat_deg: float
    lon_deg: float
    alt_m: float = 0.0
    kind: type[Detections] | type[Polar] | type[Los] = Detections
    sigma: tuple[float, float, float] = (100.0, 1e-3, 1e-3)
    scan_s: float = 1.0

    def site(self) -> Site:
        """Where it stands: everything above the horizon, or below a satellite, is in its sector."""
        lat, lon = np.radians(self.lat_deg), np.radians(self.lon_deg)
        up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        east = np.array([-np.sin(lon), np.cos(lon), 0.0])
        enu = np.array([east, np.cross(up, east), up])
        rangeless = self.kind is Los
        return Site(
            originator="JPN", sensor=self.name, item_id=b"site" + self.name.encode(), t_valid_ns=-100 * S,
            position_ecef_m=pymap3d.geodetic2ecef(self.lat_deg, self.lon_deg, self.alt_m),
            velocity_ecef_mps=(0.0, 0.0, 0.0), enu_ecef=tuple(enu.ravel()),
            sigma_range_m=1e7 if rangeless else self.sigma[0],
            sigma_azimuth_rad=self.sigma[1], sigma_elevation_rad=self.sigma[2],
            bias_sigma_range_m=0.0, bias_sigma_azimuth_rad=0.0, bias_sigma_elevation_rad=0.0,
            azimuth_center_rad=0.0, azimuth_width_rad=2 * np.pi,
            elevation_min_rad=-1.57 if rangeless else 0.0, elevation_max_rad=-1.4 if rangeless else 1.5,
            range_13db_m=5e7 if rangeless else 2e6, range_max_m=5e7 if rangeless else 3e6,
            scan_s=self.scan_s, clutter_per_scan=0.1,
        )  # fmt: skip

    def look(self, number: int, t_s: float, positions: Floats, rng: np.random.Generator) -> list[Message]:
        """The scan that ends at `t_s` with a plot of each position (k, 3), and of nothing else."""
        e, n, u = pymap3d.ecef2enu(*positions.reshape(-1, 3).T, self.lat_deg, self.lon_deg, self.alt_m)
        z = np.column_stack([np.sqrt(e**2 + n**2 + u**2), np.arctan2(e, n), np.arctan2(u, np.hypot(e, n))])
        z += rng.normal(size=z.shape) * self.sigma
        names = ("range_m", "azimuth_rad", "elevation_rad")
        missing = {Detections: None, Polar: 2, Los: 0}[self.kind]
        columns = {}
        for i, name in enumerate(names):
            if i != missing:
                columns[name] = floats(z[:, i])
                columns[f"sigma_{name}"] = floats(np.full(len(z), self.sigma[i]))
        t_ns, site = round(t_s * S), self.site()
        envelope = {"originator": "JPN", "sensor": self.name, "t_sent_ns": t_ns, "scan": number}
        return [
            Scan(
                **envelope, item_id=f"s{self.name}{number}".encode(),
                t_start_ns=t_ns - round(self.scan_s * S), t_end_ns=t_ns,
                azimuth_center_rad=0.0, azimuth_width_rad=2 * np.pi,
                elevation_min_rad=site.elevation_min_rad, elevation_max_rad=site.elevation_max_rad,
                range_max_m=site.range_max_m,
            ),
            self.kind(
                **envelope, item_id=number.to_bytes(3) + self.name.encode(),  # six bytes name a track
                t_valid_ns=ints([t_ns] * len(z)), snr_db=floats([15.0] * len(z)), **columns,
            ),
        ]  # fmt: skip


def drive(core: Core, messages: list[Message], last_s: int) -> list[Picture]:
    """The as-known pictures of every second from 0 to `last_s`."""
    messages = sorted(messages, key=lambda m: m.t_sent_ns)
    pictures, i = [], 0
    for t_s in range(last_s + 1):
        while i < len(messages) and messages[i].t_sent_ns <= t_s * S:
            core.handle(Received(messages[i], messages[i].t_sent_ns))
            i += 1
        effects = core.handle(Tick(t_s * S))
        pictures += [e for e in effects if isinstance(e, Picture) and e.picture == "as-known"]
    return pictures


def covariances(picture: Picture) -> Floats:
    """Covariances (n, 6, 6) of a picture's tracks."""
    p = np.zeros((len(picture.track_id), 6, 6))
    p[:, UPPER[0], UPPER[1]] = picture.covariance.reshape(-1, 21)
    return p + np.transpose(np.triu(p, 1), (0, 2, 1))


def level_path(
    lat_deg: float, lon_deg: float, alt_m: float, speed_mps: float, course_deg: float, times_s: Floats
) -> Floats:
    """States (n, 6) of an aircraft on a rhumb-free straight way: a great circle of the local sphere."""
    start = np.array(pymap3d.geodetic2ecef(lat_deg, lon_deg, alt_m))
    course = np.radians(course_deg)
    ahead = np.array(
        pymap3d.enu2uvw(speed_mps * np.sin(course), speed_mps * np.cos(course), 0.0, lat_deg, lon_deg)
    )
    radius = float(np.linalg.norm(start))
    up = start / radius
    ahead = ahead - (ahead @ up) * up
    ahead /= np.linalg.norm(ahead)
    turn = np.asarray(times_s)[:, None] * speed_mps / radius
    return np.hstack([
        radius * (np.cos(turn) * up + np.sin(turn) * ahead),
        speed_mps * (np.cos(turn) * ahead - np.sin(turn) * up),
    ])  # fmt: skip
