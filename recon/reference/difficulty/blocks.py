"""Difficulty as single blocks have it, of any height: what it says of the epochs that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from recon.reference.difficulty.epochs import BLOCKS, Epoch, same


def epochs(blocks: Sequence[Epoch]) -> Iterator[Epoch]:
    """The epochs of some blocks, in order. One begins with its first block, where that is listed; otherwise it is only
    seen at the time of another. ValueError where blocks of one epoch differ.
    """
    by_height = sorted(blocks, key=_height)
    for _, group in groupby(by_height, key=lambda block: _height(block) // BLOCKS):
        first, *others = group
        for other in others:
            if not same(first.difficulty, other.difficulty):
                raise ValueError(f"blocks {first.height} and {other.height} are of one epoch and have two difficulties")
        if _height(first) % BLOCKS == 0:
            yield first
        else:
            yield replace(first, height=None, sighted=True)


def _height(block: Epoch) -> int:
    if block.height is None:
        raise ValueError(f"{block.place}: a block without a height")
    return block.height
