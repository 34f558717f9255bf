"""Keys on disk: owners only, one line for every mistake."""

import stat

import pytest

from sharing.keys import KeyPair, load_directory, load_pair, write_pair
from sharing.settings import SettingsError
from sharing.transport import new_pair


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
