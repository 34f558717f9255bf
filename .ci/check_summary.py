"""Refuses a demo's summary.json that is incomplete or that lost a message. Usage: check_summary.py FILE."""

import json
import sys
from pathlib import Path

RECIPIENTS = {"JPN", "KOR", "USA", "COALITION"}
FIELDS = {
    "scenario", "seed", "speed", "sim_s", "wall_s", "backend",
    "session_sha256", "feeds", "arms", "cost", "latency_ms",
}  # fmt: skip


def faults(summary: dict) -> list[str]:
    """What is wrong with `summary`, one line each; empty when nothing is."""
    arms = summary.get("arms", {})
    absent = FIELDS - set(summary)
    if absent:
        return [f"summary.json lacks {', '.join(sorted(absent))}"]
    found = [f"{name} lost {feed['lost']}" for name, feed in summary["feeds"].items() if feed["lost"]]
    found += [f"{name} published nothing" for name, feed in summary["feeds"].items() if not feed["published"]]
    found += [f"arm {arm} lacks a recipient" for arm in arms if set(arms[arm]) != RECIPIENTS]
    if not summary["feeds"]:
        found.append("there are no feeds")
    if len(arms) != 2:
        found.append("there are not two arms")
    return found


if __name__ == "__main__":
    problems = faults(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)
