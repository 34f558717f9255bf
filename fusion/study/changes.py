"""One thing changed in a scenario, everything else as it was: what a comparison asks "which decides?" with.

Each function gives a changed copy. Draws are keyed by sensor and object, so whatever a change does not touch
keeps its bytes. A sensor that the scenario does not have is a mistake of the caller: KeyError.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from sensors import radar as radars
from sensors.looks import Sensor
from sensors.radar import Radar
from sensors.scenario import Scenario


def name_of(sensor: Sensor) -> str:
    """``NATION/id``."""
    return f"{sensor.nation}/{sensor.id}"


def without(scenario: Scenario, *names: str) -> Scenario:
    """The scenario without some of its sensors (``NATION/id``, or ``NATION`` for all of a nation's)."""
    known = {name_of(s) for s in scenario.sensors} | {s.nation for s in scenario.sensors}
    if not set(names) <= known:
        raise KeyError(f"{scenario.name}: no {', '.join(sorted(set(names) - known))}")
    kept = [name_of(s) for s in scenario.sensors if s.nation not in names and name_of(s) not in names]
    return scenario.with_sensors(kept)


def cross_sections(scenario: Scenario, factor: float) -> Scenario:
    """Every radar cross-section times `factor`.

    The mean signal-to-noise ratio goes with cross-section × range_13db⁴, so all radars' `range_13db_km` times
    factor^(1/4) is the same thing.
    """

    def changed(radar: Radar) -> Radar:
        reach = radar.type.range_13db_km * factor**0.25
        return replace(radar, type=msgspec.structs.replace(radar.type, range_13db_km=reach))

    return _on_radars(scenario, changed)


def display(scenario: Scenario, factor: float) -> Scenario:
    """Every radar's display range (`range_max_km`) times `factor`."""

    def changed(radar: Radar) -> Radar:
        farthest = radar.type.range_max_km * factor
        return replace(radar, type=msgspec.structs.replace(radar.type, range_max_km=farthest))

    return _on_radars(scenario, changed)


def mask(scenario: Scenario, elevation_deg: float, *names: str) -> Scenario:
    """Some radars with another lowest elevation, whatever their type and terrain say."""

    def changed(radar: Radar) -> Radar:
        kind = msgspec.structs.replace(radar.type, elevation_min_deg=elevation_deg)
        station = msgspec.structs.replace(radar.station, site_mask_deg=elevation_deg)
        return replace(radar, type=kind, station=station)

    return _on_radars(scenario, changed, names)


def moved(scenario: Scenario, name: str, lat_deg: float, lon_deg: float) -> Scenario:
    """A ship standing somewhere else."""

    def changed(radar: Radar) -> Radar:
        return radars.place(name, (radar.nation, radar.station, radar.type), lat_deg, lon_deg)

    return _on_radars(scenario, changed, (name,))


def _on_radars(scenario: Scenario, change: Callable[[Radar], Radar], names: Sequence[str] = ()) -> Scenario:
    """`change` applied to the named radars, to all of them without names."""
    there = {name_of(s) for s in scenario.sensors if isinstance(s, Radar)}
    if not set(names) <= there:
        raise KeyError(f"{scenario.name}: no radar {', '.join(sorted(set(names) - there))}")
    chosen = set(names) or there
    sensors = tuple(
        change(s) if isinstance(s, Radar) and name_of(s) in chosen else s for s in scenario.sensors
    )
    return replace(scenario, sensors=sensors)
