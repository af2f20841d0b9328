"""Signatures are made and verified once in a process: keys and bodies are the same in every seed, and in a run five
readers verify each checkpoint. What libsodium said for the same bytes is not asked again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

import nacl.bindings

from passerelle.core import signature

REMEMBERED: Final = 8192
"""Answers that are kept, the latest ones; some 8 MB."""

_sign = lru_cache(REMEMBERED)(nacl.bindings.crypto_sign)
# What does not verify raises, and is not kept.
_open = lru_cache(REMEMBERED)(nacl.bindings.crypto_sign_open)
_PLACES: Final = (nacl.bindings, signature)


@contextmanager
def signatures_remembered() -> Iterator[None]:
    """For the time of a run."""
    before = [(place, place.crypto_sign, place.crypto_sign_open) for place in _PLACES]
    try:
        for place in _PLACES:
            vars(place).update(crypto_sign=_sign, crypto_sign_open=_open)
        yield
    finally:
        for place, sign, verify in before:
            vars(place).update(crypto_sign=sign, crypto_sign_open=verify)
