"""Tries on this machine what boxes are made of, in a process of its own, and says what works."""

from __future__ import annotations

import marshal
import os
import sys

from . import kernel, stage


def run(folder: str) -> None:
    """Writes a marshalled value to standard output: for each thing whether it works, or the kernel's reason."""
    problem = _problem_of(stage.enter_namespaces)
    layers = problem or _problem_of(_layer, folder)
    found = {"landlock": kernel.landlock_version(), "namespaces": problem, "layers": layers}
    sys.stdout.buffer.write(marshal.dumps(found))


def _problem_of(attempt, *arguments) -> str:  # type: ignore[no-untyped-def]
    try:
        attempt(*arguments)
    except OSError as error:
        return str(error)
    return ""


def _layer(folder: str) -> None:
    for name in ("root", "base", "upper", "work"):
        os.mkdir(f"{folder}/{name}")
    with open(f"{folder}/base/file", "wb") as file:
        file.write(b"below")
    stage.lay(f"{folder}/root", {name: f"{folder}/{name}" for name in ("base", "upper", "work")})
    with open(f"{folder}/root/file", "r+b") as file:  # copying up is what some file systems cannot do
        file.write(b"above")
