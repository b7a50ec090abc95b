"""Secrets in files: read when they change, looked at once a second, told to nobody."""

import os
from pathlib import Path

import attrs
import pytest

from adapters.secret_files import SecretFiles, UnusableSecret, read_secret

SECOND_US = 1_000_000


@attrs.define
class Clock:
    now: int = 50 * SECOND_US

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(clock: Clock) -> SecretFiles:
    return SecretFiles(clock)


@pytest.mark.parametrize("content", ["s3cr3t", "s3cr3t\n", "s3cr3t\r\n"])
def test_one_line_break_at_the_end_is_not_the_secrets(tmp_path: Path, content: str) -> None:
    """Editors and `echo` put one there; more than one is no accident and is refused."""
    path = tmp_path / "key"
    path.write_text(content, encoding="utf-8", newline="")
    assert read_secret(str(path)) == "s3cr3t"
    path.write_text(f"{content}\n\n", encoding="utf-8", newline="")
    with pytest.raises(UnusableSecret, match="is not one line"):
        read_secret(str(path))


def test_a_swapped_link_is_seen_within_a_second(tmp_path: Path, clock: Clock, files: SecretFiles) -> None:
    """Kubernetes swaps a link on the way to the file, which has the same size and perhaps the same time."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(f"key-{name}", encoding="utf-8")
        os.utime(tmp_path / name / "key", (1, 1))
    data = tmp_path / "data"
    data.symlink_to("one")
    path = str(data / "key")
    assert files.read(path) == "key-one"

    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(data)
    clock.now += SECOND_US - 1
    assert files.read(path) == "key-one"
    clock.now += 1
    assert files.read(path) == "key-two"


def test_a_file_that_is_written_again_is_read_again(tmp_path: Path, clock: Clock, files: SecretFiles) -> None:
    """By its size or by its time; and one that was not is not opened again."""
    path = tmp_path / "key"
    path.write_text("first", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert files.read(str(path)) == "first"
    path.write_text("other", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    clock.now += SECOND_US
    assert files.read(str(path)) == "first", "nothing that a look would see has changed"
    os.utime(path, ns=(1, 2))
    clock.now += SECOND_US
    assert files.read(str(path)) == "other"


def test_a_clock_that_is_set_back_does_not_keep_an_old_secret(tmp_path: Path, clock: Clock, files: SecretFiles) -> None:
    """The wall clock may jump; a look is due then too."""
    path = tmp_path / "key"
    path.write_text("first", encoding="utf-8")
    assert files.read(str(path)) == "first"
    path.write_text("second", encoding="utf-8")
    clock.now -= 40 * SECOND_US
    assert files.read(str(path)) == "second"


def test_a_file_that_goes_and_comes_back(tmp_path: Path, clock: Clock, files: SecretFiles) -> None:
    """While it is away there is no secret, not the old one; asking often costs one look a second then too."""
    path = tmp_path / "key"
    path.write_text("first", encoding="utf-8")
    assert files.read(str(path)) == "first"
    path.unlink()
    clock.now += SECOND_US
    with pytest.raises(UnusableSecret, match="no such file or directory"):
        files.read(str(path))
    path.write_text("second", encoding="utf-8")
    with pytest.raises(UnusableSecret, match="no such file or directory"):
        files.read(str(path))
    clock.now += SECOND_US
    assert files.read(str(path)) == "second"


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe without a writer, above all, does not stop the gateway."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UnusableSecret, match=f"the file {path} (is no plain file|cannot be read)"):
            read_secret(str(path))
    for path in ("relative/key", "/with\x00nul"):
        with pytest.raises(UnusableSecret, match="is not named by an absolute path"):
            read_secret(path)


def test_what_is_told_never_holds_the_content(tmp_path: Path, clock: Clock) -> None:
    """Neither an error nor a `repr`, and not the causes of an error either."""
    path = tmp_path / "key"
    files = SecretFiles(clock)
    path.write_bytes(b"s3cr3t")
    files.read(str(path))
    assert "s3cr3t" not in repr(vars(files))
    for content in (b"s3cr3t\xff", b"s3cr3t\nmore", b" s3cr3t", b"s3cr3t" * 4000):
        path.write_bytes(content)
        with pytest.raises(UnusableSecret) as caught:
            read_secret(str(path))
        assert "s3cr3t" not in f"{caught.value}{caught.value!r}"
        assert caught.value.__cause__ is None
