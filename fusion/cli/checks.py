"""``check``: what is wrong with a file and where; and whether physics allows a published claim."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusion.cli.options import FILE, json_option, print_json
from fusion.cli.root import Group, cli
from fusion.command import Number

if TYPE_CHECKING:
    from fusion.cli.inspecting import Report


class FilesOr(Group):
    """A group whose arguments are files, unless the first is the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the command `files` before anything that names none."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["files", *args]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """How it is called."""
        return ["F… | launch [OPTIONS]"]


@cli.group(
    cls=FilesOr,
    epilog="Example: sharedsky check configs/scenarios/009-hwasong12-aomori.toml session.mcap",
)
def check() -> None:
    """What is wrong with files, one line each; exit 1 if anything is.

    F: configurations, scenarios, policies, sensors, threats, regions, daemon configurations, recordings,
    CSVs and captures of plots, files with one wire frame; CSVs of published flight times or tests, which are
    judged.
    A file that is called like a command is given as ./launch. --json: one document.
    """


@check.command(hidden=True, epilog="Example: sharedsky check session.mcap --json")
@click.argument("files", metavar="F…", nargs=-1, required=True, type=FILE)
@json_option
def files(files: tuple[Path, ...], as_json: bool) -> int:
    """What is wrong with files, one line each; exit 1 if anything is."""
    from fusion.cli.inspecting import inspect

    reports = []
    for path in files:
        report = inspect(path)
        reports.append(report)
        if not as_json:
            click.echo(report.line)
            _show(report)
    if as_json:
        print_json({"ok": not any(r.problems for r in reports), "files": [_document(r) for r in reports]})
    return int(any(report.problems for report in reports))


def _document(report: "Report") -> dict[str, object]:
    document: dict[str, object] = {
        "file": report.file,
        "kind": report.kind,
        "ok": not report.problems,
        "problems": report.problems,
        "summary": report.summary,
    }
    return document if report.rows is None else {**document, "rows": report.rows}


def _show(report: "Report") -> None:
    """The table of a CSV of published flights."""
    if not report.rows:
        return
    from fusion.tables import plain_table, show

    columns, line = _FLIGHT_TIMES if report.kind == "flight times" else _TESTS
    show(plain_table(Path(report.file).name, columns, [line(row) for row in report.rows]))


def _flight_time(row: dict[str, Any]) -> list[str]:
    from fusion.tables import number

    return [
        f"{row['date']} {row['missile']}" + ("" if row["tested"] else " (not tested)"),
        *(number(row[key], "g") for key in ("range_km", "apogee_km", "time_s")),
        *(number(row[key], ".0f") for key in ("vacuum_time_s", "model_time_s")),
        number(row["difference"], "+.1%"),
        row["verdict"],
    ]


def _odd(row: dict[str, Any]) -> list[str]:
    from fusion.tables import number

    return [
        f"{row['line']}: {row['date']} {row['missile']}",
        *(number(row[key], "g") for key in ("apogee_km", "distance_km")),
        row["outcome"],
        row["reason"],
    ]


_FLIGHT_TIMES = (
    ("published", "range km", "apogee km", "time s", "vacuum s", "model s", "diff.", "verdict"),
    _flight_time,
)
_TESTS = (("line: odd", "apogee km", "distance km", "outcome", "why"), _odd)


@check.command(epilog="Example: sharedsky check launch --range-km 600 --apogee-km 50 --time-s 420")
@click.option("--range-km", type=Number(float, 0, 20_000), required=True, metavar="R")
@click.option("--apogee-km", type=Number(float, 0, 50_000), required=True, metavar="H")
@click.option(
    "--time-s", type=Number(float, 0, 100_000), metavar="T", help="A multiple of 60 is ±30 s, else ±0.5 s."
)
@click.option("--lat", type=Number(float, -89, 89), default=39.0, show_default=True, metavar="D")
@click.option("--lon", type=Number(float, -180, 180), default=126.0, show_default=True, metavar="D")
@click.option(
    "--bearing-deg", type=Number(float, 0, 360), default=90.0, show_default=True, metavar="D",
    help="From true north.",
)  # fmt: skip
@click.option(
    "--class", "threat", metavar="C", help="Class of configs/threats [default: the lightest that can]."
)
@json_option
def launch(
    range_km: float,
    apogee_km: float,
    time_s: float | None,
    lat: float,
    lon: float,
    bearing_deg: float,
    threat: str | None,
    as_json: bool,
) -> None:
    """Does physics allow a published range, apogee and flight time?

    Compares with an impulsive shot without air (a lower bound) and with the powered flight of a class.
    Verdict: consistent, too-short, too-long (5 % and rounding) or not-ballistic (only with lift).
    """
    from sensors.claims import Claim, judge

    found = judge(Claim(range_km, apogee_km, time_s, lat, lon, bearing_deg, threat))
    if as_json:
        print_json(
            {
                "vacuum_time_s": found.vacuum_time_s,
                "model_time_s": found.model_time_s,
                "verdict": found.verdict,
                "reason": found.reason,
                "class": found.threat,
                "notice": "SIMULATED, NOTIONAL",
            }
        )
        return
    model = "–" if found.model_time_s is None else f"{found.model_time_s:.0f} s"
    click.echo(f"{found.verdict}: {found.reason}")
    click.echo(f"vacuum {found.vacuum_time_s:.0f} s, model {model} (SIMULATED, NOTIONAL)")
