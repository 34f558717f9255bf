"""The pictures of docs/gallery.md: ``python -m fusion.figures.gallery [DIR]`` (make gallery).

Every numbered scenario as `plot scenario` draws it with the scenario's own seed, and of one of them the
coverage and a session under full-mesh.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import configs
from fusion.arms import by_recipient, run_arm
from fusion.figures import coverage, scenario, session, style
from fusion.regions import load_regions
from fusion.session import Session
from sensors.scenario import load_scenario
from sharing.settings import load_policy

FOLDER = Path("docs/gallery")
CHOSEN = "009-hwasong12-aomori"


def names() -> list[str]:
    """The numbered scenarios, in order; others are for load tests."""
    return [path.stem for path in configs.available("scenarios") if path.stem[0].isdigit()]


def draw_all(folder: Path) -> Iterator[Path]:
    """Write the pictures one by one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names():
        loaded = load_scenario(name)
        out = folder / f"{name}.png"
        style.save(scenario.draw(scenario.tell(loaded, loaded.seed_default)), out)
        yield out
    out = folder / "coverage.png"
    style.save(coverage.draw(load_scenario(CHOSEN)), out)
    yield out
    out = folder / "session.png"
    with tempfile.TemporaryDirectory() as scratch:
        recording = Path(scratch) / "session.mcap"
        _record(recording)
        style.save(session.draw(session.read(recording, None)), out)
    yield out


def _record(recording: Path) -> None:
    loaded = load_scenario(CHOSEN)
    made = Session.generate(
        loaded, loaded.seed_default, load_policy(configs.resolve("policies", "full-mesh"))
    )
    regions = [r for name in loaded.regions for r in load_regions(configs.resolve("regions", name))]
    run_arm(made, made.policy, regions=by_recipient(regions), record=recording)


def main() -> None:
    """Write the pictures into the folder named, and say which and how large."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for out in draw_all(folder):
        print(f"{out}: {out.stat().st_size // 1000} kB", flush=True)


if __name__ == "__main__":
    main()
