"""Options that several commands share, and what they stand for: arrangement, regions, filters, session."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusion.command import Number

if TYPE_CHECKING:
    from fusion.core.filters import FilterFactory
    from fusion.session import Changes, Regions, Session
    from sharing.policy import Policy

RECIPIENTS = ("JPN", "KOR", "USA", "COALITION")
FILE = click.Path(path_type=Path)
LONGEST_S = 1_000_000
"""Scenario times beyond this are a slip of the hand."""

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
seed_option = click.option(
    "--seed", type=Number(int, 0, 2**62), metavar="N", help="[default: the scenario's]"
)
backend_option = click.option(
    "--backend", type=click.Choice(["compiled", "reference"]), default="compiled", show_default=True,
    help="reference: filterpy, slow.",
)  # fmt: skip
policy_option = click.option(
    "--policy", default="full-mesh", show_default=True, metavar="NAME", help="Arrangement: slug or path."
)
change_option = click.option(
    "--change", multiple=True, metavar="NAME@S", help="Then NAME from second S on; repeatable."
)
withhold_option = click.option("--withhold", metavar="WHO[,WHO]", help="NATION or NATION/sensor.")
out_option = click.option("-o", "out", type=FILE, required=True, metavar="FILE", help="File to write.")
nation_option = click.option(
    "--nation", type=click.Choice(RECIPIENTS), default="COALITION", show_default=True, help="Whose picture."
)
registration_option = click.option(
    "--registration", metavar="HOW", help="Sensor biases: off, relative, or NATION/sensor[,…] as reference."
)
config_option = click.option("--config", required=True, metavar="F", help="TOML file.")
check_option = click.option("--check", is_flag=True, help="Only check the configuration.")


def named_policy(name: str, runs: bool = True) -> "Policy":
    """The arrangement `name` (slug or path). Raises PolicyError where it is to run and cannot yet."""
    from configs import resolve
    from sharing.release import check_runnable
    from sharing.settings import load_policy

    policy = load_policy(resolve("policies", name))
    if runs:
        check_runnable(policy)
    return policy


def changes_of(change: Sequence[str]) -> "Changes":
    """What each --change NAME@S names, in order of time. Raises BadParameter or PolicyError."""
    changes: list[tuple[int, Policy]] = []
    for text in change:
        name, _, second = text.rpartition("@")
        try:
            t_ns = round(float(second) * 1e9)
        except (ValueError, OverflowError):
            name, t_ns = "", 0
        if not name or abs(t_ns) > LONGEST_S * 1e9 or (changes and t_ns <= changes[-1][0]):
            what = f"{text!r}: expected NAME@SECONDS, each later than the one before"
            raise click.BadParameter(what, param_hint="--change")
        changes.append((t_ns, named_policy(name)))
    return changes


def without(policy: "Policy", withhold: str | None, sensors: Sequence[str]) -> "Policy":
    """`policy` without what --withhold names, of `sensors`. Raises BadParameter or PolicyError."""
    names = () if withhold is None else tuple(name.strip() for name in withhold.split(","))
    arrangement = policy.withhold(names)
    for name in names:
        nation, _, sensor = name.partition("/")
        if sensor and name not in sensors:
            there = ", ".join(s for s in sensors if s.startswith(f"{nation}/")) or f"no sensor of {nation}"
            raise click.BadParameter(f"{name!r}: in this session there are: {there}", param_hint="--withhold")
    return arrangement


def registered(session: "Session", how: str | None) -> "Session":
    """`session` with its sensors' biases estimated as --registration says. Raises BadParameter."""
    from dataclasses import replace

    from fusion.core.registration import RegistrationRules

    if how is None:
        return session
    try:
        RegistrationRules.of(how)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--registration") from None
    return replace(session, metadata={**session.metadata, "registration": how})


def regions_of(session: "Session") -> "Regions":
    """The warning regions that a session names, by recipient."""
    from configs import resolve
    from fusion.arms import by_recipient
    from fusion.regions import load_regions

    names = session.metadata.get("regions", "").split()
    return by_recipient([region for name in names for region in load_regions(resolve("regions", name))])


def filters_of(backend: str) -> "FilterFactory":
    """The filter bank of a backend; filterpy is imported only when it is asked for."""
    from fusion.core.filters import compiled

    if backend == "compiled":
        return compiled
    from fusion.reference import FilterpyBank

    return FilterpyBank.of


def session_at(path: Path) -> "Session":
    """The session recorded at `path`; says so when that was cut."""
    from fusion.session import Session

    session = Session.load(path)
    if session.truncated:
        say_cut(path, f"it ends at {session.t_end_ns / 1e9:g} s")
    return session


def say_cut(path: Path, end: str) -> None:
    """Say on stderr that the recording at `path` is cut, and where its `end` is."""
    click.echo(f"sharedsky: {path}: the recording is cut: {end}", err=True)


def print_json(answer: Any) -> None:
    """The one JSON document on stdout."""
    click.echo(json.dumps(answer, indent=1, allow_nan=False))
