"""``keys``: key pairs and the directory of everybody's public keys."""

import stat
from pathlib import Path
from typing import Any

import click

from fusion.cli.options import json_option, print_json
from fusion.cli.root import Group, cli

FOLDER = click.Path(path_type=Path, file_okay=False)
folder_option = click.option(
    "--dir", "folder", type=FOLDER, default=Path(), metavar="DIR",
    help="Holds NAME.key, and public/NAME.pub of everybody [default: here].",
)  # fmt: skip


@cli.group(cls=Group, epilog="Example: sharedsky keys new KOR.guard KOR.node JPN.node --dir live")
def keys() -> None:
    """Key pairs, and the directory of everybody's public keys.

    NAME is NATION.role, such as KOR.guard. Secrets stay in NAME.key, mode 0600, and are never shown;
    public/NAME.pub is what the others need.
    """


@keys.command(epilog="Example: sharedsky keys new KOR.guard KOR.node --dir live")
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@folder_option
def new(names: tuple[str, ...], folder: Path) -> None:
    """Make a key pair for each NAME; none that is there is touched."""
    from sharing.keys import NAME, fingerprint, write_pair
    from sharing.transport import new_pair

    public = _public(folder, make=True)
    for name in names:
        if not NAME.fullmatch(name):
            raise click.BadParameter(f"{name!r}: expected NATION.role, such as KOR.guard", param_hint="NAME")
        for path in (folder / f"{name}.key", public / f"{name}.pub", public / f"{name}.revoked"):
            if path.exists():
                raise click.ClickException(f"{path}: is there already and stays as it is")
    for name in names:
        pair = new_pair(name)
        write_pair(folder, public, pair)
        click.echo(f"{name}: {fingerprint(pair.public)}", err=True)


@keys.command("list", epilog="Example: sharedsky keys list --dir live --json")
@folder_option
@json_option
def listed(folder: Path, as_json: bool) -> int:
    """Every name, its keys' fingerprints, and what is wrong; exit 1 if anything is."""
    from fusion.tables import plain_table, show
    from sharing.settings import SettingsError

    public = _public(folder)
    try:
        rows, problem = _rows(folder, public), ""
    except SettingsError as error:
        rows, problem = [], str(error)
    problems = [problem] if problem else [f"{r['name']}: {r['problem']}" for r in rows if r["problem"]]
    if as_json:
        print_json({"ok": not problems, "keys": rows, "problems": problems})
    else:
        columns = ("name", "key", "before rotation", "revoked", "secret here")
        table = [(r["name"], r["key"], r["previous"], str(r["revoked"]), r["secret"]) for r in rows]
        show(plain_table(f"{len(rows)} names", columns, table))
        for text in problems:
            click.echo(f"sharedsky: {text}", err=True)
    return int(bool(problems))


@keys.command(epilog="Example: sharedsky keys revoke JPN.node --dir live")
@click.argument("name")
@folder_option
def revoke(name: str, folder: Path) -> None:
    """Take NAME's keys out of the directory for good; its secret, if here, stays for you to destroy.

    Copy public/ to every process that knew it. A guard takes it in on SIGHUP and cuts who is
    connected with that key; other processes have to be restarted.
    """
    from sharing.keys import fingerprint
    from sharing.keys import revoke as take_out

    for key in take_out(_public(folder), name):
        click.echo(f"{name}: {fingerprint(key)} is revoked", err=True)


@keys.command(epilog="Example: sharedsky keys rotate JPN.node --dir live")
@click.argument("name")
@click.option("--finish", is_flag=True, help="Revoke the key from before.")
@folder_option
def rotate(name: str, finish: bool, folder: Path) -> None:
    """Give NAME a new key pair; the one before is admitted until --finish.

    Copy public/ to its peers, restart NAME (what it misses is backfilled), then rotate --finish.
    """
    from sharing.keys import fingerprint, finish_rotation
    from sharing.keys import rotate as replace
    from sharing.transport import new_pair

    public = _public(folder)
    if finish:
        click.echo(f"{name}: {fingerprint(finish_rotation(public, name))} is revoked", err=True)
        return
    pair = new_pair(name)
    replace(folder, public, pair)
    click.echo(f"{name}: {fingerprint(pair.public)} is new, the one before is admitted still", err=True)


def _public(folder: Path, make: bool = False) -> Path:
    """The directory of public keys in `folder`. Raises ClickException when there is none."""
    public = folder / "public"
    if make and folder.is_dir():
        public.mkdir(exist_ok=True)
    if not public.is_dir():
        raise click.ClickException(f"{public}: no such directory of public keys")
    return public


def _rows(folder: Path, public: Path) -> list[dict[str, Any]]:
    """What is known of every name. Raises SettingsError for a directory that cannot be used."""
    from sharing.keys import fingerprint, load_directory, revoked_keys

    directory = load_directory(public)
    names = sorted({*directory.keys, *(path.stem for path in public.glob("*.revoked"))})
    rows = []
    for name in names:
        current, before = directory.keys.get(name), directory.previous.get(name)
        secret, problem = _secret(folder / f"{name}.key", current)
        rows.append({
            "name": name, "key": fingerprint(current) if current else "–",
            "previous": fingerprint(before) if before else "–", "revoked": len(revoked_keys(public, name)),
            "secret": secret, "problem": problem,
        })  # fmt: skip
    return rows


def _secret(path: Path, public: bytes | None) -> tuple[str, str]:
    """Whether a secret is here, and what is wrong with it."""
    from sharing.keys import load_pair
    from sharing.settings import SettingsError

    if not path.exists():
        return "no", ""
    try:
        pair = load_pair(path)
    except SettingsError as error:
        return f"mode {stat.S_IMODE(path.stat().st_mode):04o}", str(error)
    if public is None:
        return "yes", f"{path}: the secret of a revoked key; destroy it"
    return "yes", "" if pair.public == public else f"{path}: is not the pair of the public key"
