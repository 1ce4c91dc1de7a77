"""Words and phrases that say what a mail is after, in English and Portuguese, from ``cues.txt``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

_LONGEST = 4

Cues = dict[str, set[str]]


def _read(path: Path) -> tuple[Cues, Cues]:
    """Return the cues of whole phrases and those of beginnings."""
    whole: Cues = {}
    stems: Cues = {}
    for block in path.read_text(encoding="utf-8").split("@ ")[1:]:
        cue, _, listed = block.partition("\n")
        for phrase in " ".join(listed.split()).split(", "):
            place = stems if phrase.endswith("*") else whole
            place.setdefault(phrase.rstrip("*"), set()).add(cue)
    return whole, stems


_WHOLE, _STEMS = _read(Path(__file__).with_name("cues.txt"))
_STEM_LENGTHS = sorted({len(stem) for stem in _STEMS})


def cues(words: Sequence[str]) -> Iterator[str]:
    """Yield the cue of each phrase in ``words``, which are folded; repeats are kept.

    A cue is not a verdict: ``linear`` has learnt what each of them weighs.
    """
    for start in range(len(words)):
        near = words[start : start + _LONGEST]
        for count in range(1, len(near) + 1):
            yield from _WHOLE.get(" ".join(near[:count]), ())
        phrase = " ".join(near)
        for length in _STEM_LENGTHS:
            yield from _STEMS.get(phrase[:length], ())
