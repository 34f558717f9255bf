"""Keys on disk: owners only, one line for every mistake."""

import json
import stat

import pytest
from zmq.utils import z85

from fusion.cli import invoke
from sharing.keys import (
    KeyPair,
    finish_rotation,
    load_directory,
    load_pair,
    revoke,
    rotate,
    write_pair,
)
from sharing.settings import SettingsError
from sharing.transport import Gatekeeper, new_pair


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "public").mkdir()
    return tmp_path


def test_a_pair_comes_back_as_written_and_only_its_owner_may_read_it(folder):
    pair = new_pair("KOR.guard")
    write_pair(folder, folder / "public", pair)
    assert load_pair(folder / "KOR.guard.key") == pair
    assert stat.S_IMODE((folder / "KOR.guard.key").stat().st_mode) == 0o600
    assert load_directory(folder / "public").key_of("KOR.guard") == pair.public


def test_a_pair_is_never_overwritten(folder):
    write_pair(folder, folder / "public", new_pair("KOR.guard"))
    with pytest.raises(FileExistsError):
        write_pair(folder, folder / "public", new_pair("KOR.guard"))


def test_the_secret_is_not_in_its_text():
    pair = KeyPair("JPN.node", b"p" * 40, b"s" * 40)
    assert "s" * 40 not in repr(pair)


def test_a_secret_that_others_can_read_is_refused(folder):
    write_pair(folder, folder / "public", new_pair("KOR.guard"))
    (folder / "KOR.guard.key").chmod(0o640)
    with pytest.raises(SettingsError, match="mode 0640"):
        load_pair(folder / "KOR.guard.key")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("KOR.guard.key", "short", "not a key pair"),
        ("guard.key", "x", "NATION.role"),
        ("KOR.none.key", None, "cannot be read"),
    ],
)
def test_a_bad_key_file_is_said_in_one_line(folder, name, content, says):
    path = folder / name
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    with pytest.raises(SettingsError, match=says) as caught:
        load_pair(path)
    assert "\n" not in str(caught.value)


def test_a_bad_directory_is_said_in_one_line(folder):
    with pytest.raises(SettingsError, match="no such directory"):
        load_directory(folder / "nowhere")
    (folder / "public" / "KOR.node.pub").write_text("not a key")
    with pytest.raises(SettingsError, match="not a public key"):
        load_directory(folder / "public")
    (folder / "public" / "KOR.node.pub").unlink()
    with pytest.raises(SettingsError, match=r"no public key of 'KOR.node'"):
        load_directory(folder / "public").key_of("KOR.node")


def test_a_rotation_admits_both_keys_until_it_is_finished(folder):
    old, new = new_pair("KOR.guard"), new_pair("KOR.guard")
    write_pair(folder, folder / "public", old)
    rotate(folder, folder / "public", new)
    assert load_pair(folder / "KOR.guard.key") == new
    assert stat.S_IMODE((folder / "KOR.guard.key").stat().st_mode) == 0o600
    directory = load_directory(folder / "public")
    assert directory.key_of("KOR.guard") == new.public
    assert directory.names == {new.public: "KOR.guard", old.public: "KOR.guard"}
    with pytest.raises(SettingsError, match="a rotation is under way"):
        rotate(folder, folder / "public", new_pair("KOR.guard"))
    assert finish_rotation(folder / "public", "KOR.guard") == old.public
    assert load_directory(folder / "public").names == {new.public: "KOR.guard"}
    with pytest.raises(SettingsError, match="no rotation is under way"):
        finish_rotation(folder / "public", "KOR.guard")


def test_a_revoked_key_does_not_come_back(folder):
    pair = new_pair("KOR.guard")
    write_pair(folder, folder / "public", pair)
    copy = (folder / "public" / "KOR.guard.pub").read_bytes()
    assert revoke(folder / "public", "KOR.guard") == [pair.public]
    assert load_directory(folder / "public").names == {}
    (folder / "public" / "KOR.guard.pub").write_bytes(copy)
    with pytest.raises(SettingsError, match=r"holds key [0-9a-f]{12}, which was revoked"):
        load_directory(folder / "public")
    with pytest.raises(SettingsError, match=r"JPN\.node\.pub: no such public key; known: KOR\.guard"):
        revoke(folder / "public", "JPN.node")


def test_the_command_line_makes_lists_rotates_and_revokes_and_shows_no_secret(tmp_path, capsys):
    def run(*arguments):
        code = invoke(["keys", *arguments, "--dir", str(tmp_path)])
        found = capsys.readouterr()
        secrets = [load_pair(path).secret.decode() for path in tmp_path.glob("*.key")]
        assert not any(secret in found.out + found.err for secret in secrets)
        public = b"".join(path.read_bytes() for path in (tmp_path / "public").glob("*"))
        assert not any(secret.encode() in public for secret in secrets)
        return code, found.out, found.err

    assert run("new", "KOR.guard", "JPN.node")[0] == 0
    assert run("new", "KOR.guard")[0] == 1
    assert run("new", "kor")[0] == 1
    code, out, _ = run("list", "--json")
    assert code == 0 and [row["name"] for row in json.loads(out)["keys"]] == ["JPN.node", "KOR.guard"]
    assert run("rotate", "JPN.node")[0] == 0
    assert json.loads(run("list", "--json")[1])["keys"][0]["previous"] != "–"
    assert run("rotate", "JPN.node", "--finish")[0] == 0
    assert run("revoke", "KOR.guard")[0] == 0
    code, out, _ = run("list", "--json")
    assert code == 1 and "the secret of a revoked key; destroy it" in out
    assert run("revoke", "KOR.guard")[0] == 1


def test_a_gatekeeper_judges_by_the_directory_it_was_last_given(folder):
    pairs = [new_pair(name) for name in ("JPN.node", "USA.node")]
    for pair in pairs:
        write_pair(folder, folder / "public", pair)
    keeper = Gatekeeper(load_directory(folder / "public"))
    keeper.admit("released/KOR/JPN", ["JPN.node"])

    def status(pair):
        asked = [b"1.0", b"1", b"released/KOR/JPN", b"", b"", b"CURVE", z85.decode(pair.public)]
        return keeper.answer(asked)[2]

    assert [status(pair) for pair in pairs] == [b"200", b"400"]
    revoke(folder / "public", "JPN.node")
    keeper.reload(load_directory(folder / "public"))
    assert [status(pair) for pair in pairs] == [b"400", b"400"]
