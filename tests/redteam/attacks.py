"""The attacks: those of the recorded suite, and our own of the same kinds."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from captain.sandbox import Limits

LIMITS: Final = Limits(processes=96, memory_bytes=2 * 1024**3, disk_bytes=200_000_000, file_bytes=256 * 1024**2)
SUITE: Final = Path(os.environ.get("CAPTAIN_ATTACKS") or Path(__file__).parents[2].parent / "shared" / "attacks.json")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """`payload` runs in the box, `check` outside: it ends with 0 if the attack was contained.

    `at_once` checks while the box is still open: what a command started is to end with the command.
    `never_bare` says why the attack is not tried without walls.
    """

    name: str
    payload: str
    check: str
    timeout_s: float = 6
    limits: Limits = LIMITS
    at_once: bool = False
    never_bare: str = ""


@dataclass(frozen=True, kw_only=True)
class Attack:
    id: str
    title: str
    category: str
    kind: str
    variants: tuple[Variant, ...] = ()


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """Empty where the suite is not here."""
    if not SUITE.is_file():
        return {}
    return {attack["id"]: attack for attack in json.loads(SUITE.read_text("utf-8"))["attacks"]}


def recorded_attacks() -> list[Attack]:
    return [_read(attack) for attack in recorded().values()]


def _read(attack: dict[str, Any]) -> Attack:
    test = attack["test"]
    variants = tuple(
        Variant(name=each["name"], payload=each["payload"], check=each["check"], timeout_s=test["timeout_s"])
        for each in test.get("variants", ())
    )
    if attack["kind"] == "git_host":
        variants = (Variant(name="plant", payload=test["plant"], check=test["check"]),)
    return Attack(
        id=attack["id"], title=attack["title"], category=attack["category"], kind=attack["kind"], variants=variants
    )
