"""Files are kept once, and go when nobody needs them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from common.storage import DurableFileSystemStorage

NAME = "1/ab/abcdef"


@pytest.fixture
def storage(tmp_path):
    return DurableFileSystemStorage(location=tmp_path)


def aged(storage, name=NAME, seconds=3600) -> Path:
    path = Path(storage.path(name))
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_the_same_bytes_are_kept_once(storage):
    assert storage.keep(NAME, b"hello") == NAME
    before = aged(storage).stat().st_ino

    assert storage.keep(NAME, b"hello") == NAME
    assert Path(storage.path(NAME)).stat().st_ino == before


def test_a_file_that_was_left_half_written_is_not_used(storage):
    storage.keep(NAME, b"hel")

    kept = storage.keep(NAME, b"hello")

    assert storage.open(kept).read() == b"hello"


def test_an_old_file_goes(storage):
    storage.keep(NAME, b"hello")
    path = aged(storage)

    assert storage.discard(NAME)
    assert not list(path.parent.iterdir())
    assert storage.discard(NAME)


def test_a_file_that_a_request_just_asked_for_stays(storage):
    storage.keep(NAME, b"hello")
    aged(storage)
    storage.keep(NAME, b"hello")

    assert not storage.discard(NAME)
    assert storage.open(NAME).read() == b"hello"


def test_a_file_that_is_asked_for_while_it_goes_is_there_afterwards(storage, monkeypatch):
    storage.keep(NAME, b"hello")
    path = aged(storage)
    rename = Path.rename

    def asked_for_just_before(self, target):
        monkeypatch.setattr(Path, "rename", rename)
        assert storage.keep(NAME, b"hello") == NAME
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", asked_for_just_before)

    assert not storage.discard(NAME)
    assert path.read_bytes() == b"hello"


def test_a_file_that_is_asked_for_after_it_stepped_aside_is_written_anew(storage, monkeypatch):
    storage.keep(NAME, b"hello")
    path = aged(storage)
    unlink = Path.unlink

    def asked_for_meanwhile(self, **kwargs):
        assert storage.keep(NAME, b"hello") == NAME
        return unlink(self, **kwargs)

    monkeypatch.setattr(Path, "unlink", asked_for_meanwhile)

    assert storage.discard(NAME)
    assert path.read_bytes() == b"hello"
