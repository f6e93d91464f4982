"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import coincide
import pytest

MODULES = [coincide.__name__, *(f"coincide.{m.name}" for m in pkgutil.iter_modules(coincide.__path__) if m.name != "_coincide")]


@pytest.mark.parametrize("module", MODULES)
def test_docstrings(module: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


def test_every_public_function_is_described() -> None:
    for name in coincide.__all__:
        thing = getattr(coincide, name)
        if callable(thing):
            assert (thing.__doc__ or "").strip(), name
            for member, value in vars(thing).items() if isinstance(thing, type) else []:
                if not member.startswith("_") and callable(value):
                    assert (value.__doc__ or "").strip(), f"{name}.{member}"
