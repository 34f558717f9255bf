"""Six scenarios beside what was reported: which changes are tried, for whom, and what is compared.

What was reported stands in the scenarios' headers and in docs/scenarios.md. A case is one change of the
scenario; an arm is one recipient with its own sensors, or with what the feeds of others add.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fusion.study.changes import cross_sections, display, mask, moved, without
from fusion.study.known import Known
from sensors.scenario import Scenario
from sharing.messages import COALITION

Change = Callable[[Scenario], Scenario]
SHIPS = {
    "JPN": ("JPN/jmsdf-aegis-1", "JPN/jmsdf-aegis-2"),
    "KOR": ("KOR/rokn-aegis-1", "KOR/rokn-aegis-2"),
    "USA": ("USA/us-aegis-1",),
}
ALL_SHIPS = tuple(ship for ships in SHIPS.values() for ship in ships)
KOREAN_LAND = ("KOR/greenpine-b-1", "KOR/greenpine-b-2", "KOR/greenpine-c")
MISHIMA, SHIMOKOSHIKI = "JPN/fps7-mishima", "JPN/fps5-shimokoshiki"


@dataclass(frozen=True)
class Arm:
    """A recipient under an arrangement; `withhold` as on the command line."""

    title: str
    recipient: str
    policy: str = "national-only"
    withhold: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One change of the scenario, and who is asked."""

    title: str
    change: Change
    arms: tuple[Arm, ...]


@dataclass(frozen=True)
class Column:
    """One number of what a recipient knew."""

    title: str
    measure: Callable[[Known], float | None]
    form: str = ".0f"


@dataclass(frozen=True)
class Story:
    """The cases of one scenario."""

    columns: tuple[Column, ...]
    cases: tuple[Case, ...]


JPN, KOR, USA = Arm("Japan alone", "JPN"), Arm("Korea alone", "KOR"), Arm("United States alone", "USA")
ALL = Arm("all together", COALITION, "full-mesh")
EACH = (JPN, KOR, USA, ALL)


def _same(scenario: Scenario) -> Scenario:
    return scenario


def _shore(scenario: Scenario) -> Scenario:
    """Without any ship."""
    return without(scenario, *ALL_SHIPS)


def _first_held(known: Known) -> float | None:
    ticks = known.ticks(known.first.name)
    return float(ticks[0]) if len(ticks) else None


def _last_held(known: Known) -> float | None:
    ticks = known.ticks(known.first.name)
    return float(ticks[-1]) if len(ticks) else None


def _share(known: Known) -> float:
    return len(known.ticks(known.first.name)) / len(known.first.t_valid_ns)


FIRST_PLOT = Column("first plot, s", lambda k: k.metrics["first_detection_s"])
HELD = (
    Column("held from, s", _first_held),
    Column("to, s", _last_held),
    Column("share held", _share, ".2f"),
)
SAYS = Column("range it says, km", lambda k: k.range_km)


# ------------------------------------------------------------------------------------- 001, 002: pull-up

PULL_UP = Story(
    (FIRST_PLOT, *HELD, SAYS),
    (
        Case("as in the file", _same, EACH),
        Case("no ships", _shore, EACH),
        Case("no ships, cross-sections × 4", lambda s: cross_sections(_shore(s), 4.0), (JPN, KOR)),
        Case("no ships, cross-sections ÷ 4", lambda s: cross_sections(_shore(s), 0.25), (JPN, KOR)),
        Case("no ships, Mishima's mask 2° instead of 1°", lambda s: mask(_shore(s), 2.0, MISHIMA), (JPN,)),
        Case("no ships, Korean masks 0.5°", lambda s: mask(_shore(s), 0.5, *KOREAN_LAND), (KOR,)),
        Case(
            "Korea's eastern ship at 36.0° N 129.9° E",
            lambda s: moved(s, "KOR/rokn-aegis-1", 36.0, 129.9), (KOR,),
        ),
    ),
)  # fmt: skip

WITH_JPN = Arm("Korea with Japan's feeds", "KOR", "full-mesh", ("USA",))
WITH_USA = Arm("Korea with United States feeds", "KOR", "full-mesh", ("JPN",))
WITH_BOTH = Arm("Korea with both", "KOR", "full-mesh")


def _korean_shore(scenario: Scenario) -> Scenario:
    return without(scenario, *SHIPS["KOR"])


def _korean_shore_bright(scenario: Scenario) -> Scenario:
    return cross_sections(_korean_shore(scenario), 4.0)


VARIANT = Story(
    (FIRST_PLOT, *HELD, SAYS),
    (
        Case("as in the file", _same, (KOR, JPN, USA, WITH_JPN, WITH_USA, WITH_BOTH)),
        Case("Korean ships in port", _korean_shore, (KOR, WITH_JPN, WITH_USA, WITH_BOTH)),
        Case("Korean ships in port, cross-sections × 4", _korean_shore_bright, (KOR,)),
        Case("Korean ships in port, masks 0.5°", lambda s: mask(_korean_shore(s), 0.5, *KOREAN_LAND), (KOR,)),
        Case("all ships in port", _shore, (KOR, WITH_BOTH)),
    ),
)  # fmt: skip

# ----------------------------------------------------------------------------------------- 005: a count


def _held_by(t_s: float) -> Callable[[Known], float]:
    """How many objects that count had been held ten seconds or more by a time."""

    def count(known: Known) -> float:
        names = [t.name for t in known.truth if t.counts]
        return float(sum(int((known.ticks(n) <= t_s).sum()) >= 10 for n in names))

    return count


def _short_ones(known: Known) -> float:
    """How many of the two flights of 110 km were held."""
    return float(sum(name in known.held for name in ("hungnam-2", "hungnam-3")))


COUNT = Story(
    (
        Column("by 10 min", _held_by(600.0)),
        Column("by 20 min", _held_by(1200.0)),
        Column("by 30 min", _held_by(1800.0)),
        Column("in the end, of 8", _held_by(1e9)),
        Column("short ones, of 2", _short_ones),
    ),
    (
        Case("as in the file", _same, EACH),
        Case("no ships", _shore, EACH),
        Case("no ships, cross-sections × 4", lambda s: cross_sections(_shore(s), 4.0), (JPN,)),
        Case("cross-sections ÷ 4", lambda s: cross_sections(s, 0.25), (JPN,)),
        Case(
            "Japanese ships 300 km farther east",
            lambda s: moved(moved(s, "JPN/jmsdf-aegis-1", 38.5, 139.2), "JPN/jmsdf-aegis-2", 36.3, 135.6),
            (JPN,),
        ),
    ),
)

# ------------------------------------------------------------------------------------- 010: lofted ICBM


def _to_go_min(known: Known) -> float | None:
    """Minutes from the first right warning to impact."""
    warned, impact = known.metrics["warning_s"], known.first.impact
    return None if warned is None or impact is None else (impact[0] / 1e9 - warned) / 60.0


def _gap_min(known: Known) -> float | None:
    gap = known.gap_s(known.first.name)
    return None if gap is None else gap / 60.0


LOFTED = Story(
    (
        FIRST_PLOT, *HELD,
        Column("longest gap, min", _gap_min, ".1f"),
        Column("warned, min before impact", _to_go_min, ".1f"),
    ),
    (
        Case("as in the file", _same, EACH),
        Case("cross-sections × 16", lambda s: cross_sections(s, 16.0), (ALL,)),
        Case("display × 4", lambda s: display(s, 4.0), (ALL,)),
        Case("cross-sections × 16, display × 4", lambda s: display(cross_sections(s, 16.0), 4.0), (ALL,)),
        Case("no ships", _shore, (JPN, ALL)),
    ),
)  # fmt: skip

# --------------------------------------------------------------------------- 012, 015: how many objects


def _part(name: str) -> Callable[[Known], float]:
    """Seconds for which a part of the first object was held."""
    return lambda known: float(len(known.ticks(f"{known.first.name}/{name}")))


def _pieces(known: Known) -> float:
    """How many pieces (of debris, or of a break-up) were held."""
    return float(sum(t.kind.endswith("/debris") and t.name in known.held for t in known.truth))


SPLIT = Story(
    (
        Column("payload held, s", lambda k: float(len(k.ticks(k.first.name)))),
        Column("first stage, s", _part("stage-1")),
        Column("second stage, s", _part("stage-2")),
        Column("pieces", _pieces),
        Column("objects", lambda k: float(len(k.held))),
    ),
    (
        Case("as in the file", _same, EACH),
        Case("no ships", _shore, EACH),
        Case("cross-sections ÷ 10", lambda s: cross_sections(s, 0.1), (JPN, KOR)),
        Case("no ships, cross-sections ÷ 10", lambda s: cross_sections(_shore(s), 0.1), (JPN, KOR)),
    ),
)

JPN_WITH_USA = Arm("Japan with United States feeds", "JPN", "full-mesh", ("KOR",))
BREAK_UP = Story(
    (
        FIRST_PLOT,
        Column("first radar plot, s", lambda k: k.metrics["first_range_detection_s"]),
        Column("held from, s", _first_held),
        Column("to, s", _last_held),
        Column("pieces held", _pieces),
    ),
    (
        Case("as in the file", _same, (JPN, JPN_WITH_USA, KOR, USA, ALL)),
        Case("Shimokoshiki's mask 3° instead of 1.5°", lambda s: mask(s, 3.0, SHIMOKOSHIKI), (JPN,)),
        Case("without Shimokoshiki", lambda s: without(s, SHIMOKOSHIKI), (JPN,)),
        Case("cross-sections ÷ 10", lambda s: cross_sections(s, 0.1), (JPN, KOR)),
        Case(
            "a Japanese ship in the Yellow Sea (35.0° N 123.8° E)",
            lambda s: moved(s, "JPN/jmsdf-aegis-1", 35.0, 123.8), (JPN,),
        ),
    ),
)  # fmt: skip

STORIES = {"001": PULL_UP, "002": VARIANT, "005": COUNT, "010": LOFTED, "012": SPLIT, "015": BREAK_UP}
"""By the number of the scenario."""
