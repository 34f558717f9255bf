"""``recording`` and ``recover``: what is in a recording; pieces, sums and rescues of recordings."""

from collections import Counter
from pathlib import Path
from typing import Any

import click

from fusion.cli.options import FILE, LONGEST_S, json_option, out_option, print_json
from fusion.cli.root import Group, cli
from fusion.command import Number

SECONDS = Number(float, -LONGEST_S, LONGEST_S)


CUT = "Example: sharedsky recording cut session.mcap --from-s 60 --until-s 180 -o piece.mcap"


@cli.group(cls=Group, epilog=CUT)
def recording() -> None:
    """Recordings: what is in one, a piece of one, one of several."""


@recording.command(epilog="Example: sharedsky recording info session.mcap")
@click.argument("path", metavar="F.mcap", type=FILE)
@json_option
def info(path: Path, as_json: bool) -> None:
    """What is in F: metadata, span, and every topic's messages."""
    found = contents(path)
    if as_json:
        print_json(found)
        return
    from fusion.tables import plain_table, show

    for key, value in found["metadata"].items():
        click.echo(f"{key}: {value}")
    end = "cut: no end" if found["truncated"] else "complete"
    click.echo(f"{found['messages']} messages, {found['bytes']} bytes, {end}")
    rows = [
        (t["topic"], str(t["messages"]), str(t["bytes"]), f"{t['first_s']:.1f}", f"{t['last_s']:.1f}")
        for t in found["topics"]
    ]
    show(plain_table(str(path), ("topic", "messages", "bytes", "first s", "last s"), rows))


def contents(path: Path) -> dict[str, Any]:
    """What `info` says of a recording. Raises RecordingError."""
    from sharing.messages import S
    from sharing.recording import Recording

    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    span: dict[str, tuple[int, int]] = {}
    with Recording.open(path) as recording:
        for message in recording:
            count[message.topic] += 1
            size[message.topic] += len(message.data)
            first, last = span.get(message.topic, (message.t_ns, message.t_ns))
            span[message.topic] = min(first, message.t_ns), max(last, message.t_ns)
        topics = [
            {"topic": topic, "messages": count[topic], "bytes": size[topic],
             "first_s": span[topic][0] / S, "last_s": span[topic][1] / S}
            for topic in sorted(count)
        ]  # fmt: skip
        return {
            "file": str(path), "metadata": dict(recording.metadata), "truncated": recording.truncated,
            "messages": count.total(), "bytes": path.stat().st_size, "topics": topics,
        }  # fmt: skip


@recording.command(epilog=CUT)
@click.argument("path", metavar="F.mcap", type=FILE)
@click.option("--from-s", type=SECONDS, required=True, metavar="T", help="Scenario seconds, included.")
@click.option("--until-s", type=SECONDS, required=True, metavar="T", help="Scenario seconds, excluded.")
@out_option
def cut(path: Path, from_s: float, until_s: float, out: Path) -> None:
    """A piece of a session, for a test: what arrived then, the sites from before, policy and truth.

    Pictures are left out: a replay of the piece makes its own, and begins without tracks.
    """
    from sharing import mending
    from sharing.messages import S

    count = mending.cut(path, out, round(from_s * S), round(until_s * S))
    click.echo(f"{out}: {count} messages, {out.stat().st_size} bytes", err=True)


@recording.command(epilog="Example: sharedsky recording merge jpn.mcap kor.mcap --policy full-mesh -o s.mcap")
@click.argument("paths", metavar="F.mcap…", nargs=-1, required=True, type=FILE)
@click.option("--policy", metavar="NAME", help="The arrangement that was in force: slug or path.")
@out_option
def merge(paths: tuple[Path, ...], policy: str | None, out: Path) -> None:
    """One session from the recordings of several nodes, given in the order of their nations.

    A node does not know the arrangement: --policy states it. The metadata are those of the first.
    """
    from fusion.cli.options import named_policy
    from sharing.recording import Recording
    from sharing.recording import merge as merged

    with Recording.open(paths[0]) as first:
        metadata = {k: v for k, v in first.metadata.items() if k != "nation"}
        start_ns = int(metadata.get("t_start_ns", "0"))
    extra = []
    if policy is not None:
        arrangement = named_policy(policy, runs=False)
        metadata["policy"] = arrangement.name
        extra.append(("policy", arrangement.text.encode(), start_ns))
    for path in merged(paths, out, metadata, extra):
        click.echo(f"{path}: was cut; what it holds is in {out}", err=True)


@cli.command(epilog="Example: sharedsky recover session.mcap.part -o session.mcap")
@click.argument("path", metavar="F.mcap", type=FILE)
@out_option
@json_option
def recover(path: Path, out: Path, as_json: bool) -> None:
    """A whole recording from what is right in a damaged or cut one: all before the damage."""
    from sharing import mending
    from sharing.messages import S

    back = mending.recover(path, out)
    last_s = None if back.t_last_ns is None else back.t_last_ns / S
    if as_json:
        print_json({"file": str(path), "messages": back.messages, "last_s": last_s, "stopped": back.stopped})
        return
    until = "" if last_s is None else f", up to {last_s:.3f} s"
    click.echo(f"{out}: {back.messages} messages{until}; {path}: {back.stopped or 'is whole'}", err=True)
