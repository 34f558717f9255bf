"""What the tracks of a scenario are taken for, beside what they are, by phase of flight.

``python -m fusion.study.classes 001 … 015 --seeds 3 -o F.json``

One row per true class and phase: the ticks of tracks on such objects, by the class that the picture calls
likeliest. COALITION under full-mesh, as known. Tracks born beside another are counted, and how many of them
are on parts that the truth knows.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from configs import resolve
from fusion.command import invoke
from fusion.metrics import gospa
from fusion.scoring import CUTOFF_M
from fusion.session import Session, run
from fusion.tables import plain_table, show
from fusion.truths import Sky
from sensors.scenario import load_scenario
from sharing.messages import CLASSES, COALITION, PHASES, Picture, Truth
from sharing.settings import load_policy

TRUE_CLASSES = {
    **dict.fromkeys(("kn23", "kn23-heavy", "kn25", "scud-b", "scud-c", "scud-er", "scud-marv"), "SRBM"),
    **dict.fromkeys(("nodong", "pukguksong3"), "MRBM"),
    **dict.fromkeys(("hwasong12", "hwasong16"), "IRBM"),
    **dict.fromkeys(("hwasong14", "hwasong15", "hwasong17"), "ICBM"),
    **dict.fromkeys(("unha3", "falcon9"), "space launch"),
    "airliner": "aircraft",
    "satellite": "satellite",
}
"""By the truth's kind: what published ranges make of it. Scud-ER (1,000 km) stands at a border."""
Key = tuple[str, str]
"""True class and phase."""


def true_class(truth: Truth) -> str | None:
    """The class of an object; parts of a missile are debris. None for what has none."""
    return "debris" if "/" in truth.kind else TRUE_CLASSES.get(truth.kind)


def confusion(truth: Sequence[Truth], pictures: Iterable[Picture]) -> dict[Key, Counter[str]]:
    """How many ticks of tracks on objects were called what, by true class and phase."""
    sky = Sky(list(truth))
    found: dict[Key, Counter[str]] = {}
    for picture in pictures:
        which, where = sky.at(picture.t_valid_ns)
        rows = np.flatnonzero(picture.status >= 1)
        if not (len(which) and len(rows)):
            continue
        states = picture.state_ecef.reshape(-1, 6)[rows]
        for i, k in gospa(where[:, :3], states[:, :3], cutoff=CUTOFF_M).pairs.tolist():
            target = truth[int(which[i])]
            name = true_class(target)
            if name is not None:
                phase = PHASES[int(target.phase[np.searchsorted(target.t_valid_ns, picture.t_valid_ns)])]
                called = CLASSES[int(picture.class_number[rows[k]])]
                found.setdefault((name, phase), Counter())[called] += 1
    return found


def children(truth: Sequence[Truth], pictures: Sequence[Picture]) -> tuple[int, int, int]:
    """Tracks that were on some object; of them, those with a parent; of these, those on a part."""
    sky = Sky(list(truth))
    on: dict[int, Counter[str]] = {}
    parent: dict[int, int] = {}
    for picture in pictures:
        which, where = sky.at(picture.t_valid_ns)
        parent.update(zip(picture.track_id.tolist(), picture.parent_id.tolist(), strict=True))
        states = picture.state_ecef.reshape(-1, 6)
        if len(which) and len(states):
            for i, k in gospa(where[:, :3], states[:, :3], cutoff=CUTOFF_M).pairs.tolist():
                on.setdefault(int(picture.track_id[k]), Counter())[truth[int(which[i])].kind] += 1
    born = [i for i in on if parent[i] != 0]
    return len(on), len(born), sum("/" in on[i].most_common(1)[0][0] for i in born)


def run_seed(scenario_name: str, seed: int) -> tuple[dict[Key, Counter[str]], tuple[int, int, int], int]:
    """Confusion, children and objects of one run."""
    scenario = load_scenario(scenario_name)
    session = Session.generate(scenario, seed, load_policy(resolve("policies", "full-mesh")))
    pictures = run(session, nations=(COALITION,))[COALITION].as_known
    return confusion(session.truth, pictures), children(session.truth, pictures), len(session.truth)


@click.command()
@click.argument("scenarios", nargs=-1, required=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("-o", "out", type=click.Path(path_type=Path), help="Also write the counts as JSON.")
def main(scenarios: tuple[str, ...], seeds: int, out: Path | None) -> None:
    """Run SCENARIOS over seeds 1 … --seeds and print what tracks were taken for."""
    total: dict[Key, Counter[str]] = {}
    families = []
    for name in scenarios:
        born = np.zeros(3, int)
        for seed in range(1, seeds + 1):
            found, counted, objects = run_seed(name, seed)
            born += counted
            for key, called in found.items():
                total.setdefault(key, Counter()).update(called)
            click.echo(f"{name}, seed {seed}", err=True)
        families.append([name, f"{objects}", *(f"{n / seeds:.1f}" for n in born)])
    rows = [[*key, f"{sum(c.values())}", *_shares(c)] for key, c in sorted(total.items(), key=_order)]
    show(
        plain_table(
            "Share of a track's ticks, by likeliest class", ["truth", "phase", "ticks", *CLASSES], rows
        )
    )
    heads = ["scenario", "objects", "tracks on one", "with a parent", "of these on a part"]
    show(plain_table(f"Families, means of {seeds} seeds", heads, families))
    if out is not None:
        document: dict[str, Any] = {"seeds": seeds, "scenarios": scenarios, "families": families}
        document["confusion"] = [{"truth": k[0], "phase": k[1], "called": dict(c)} for k, c in total.items()]
        out.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _order(item: tuple[Key, Counter[str]]) -> tuple[int, int]:
    (name, phase), _ = item
    return CLASSES.index(name), PHASES.index(phase)


def _shares(called: Counter[str]) -> list[str]:
    whole = sum(called.values())
    return [f"{called[name] / whole:.2f}" if called[name] else "" for name in CLASSES]


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.classes"))
