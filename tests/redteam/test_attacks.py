"""Every attack, recorded or our own, is contained in every sandbox this machine has; without one most succeed."""

from __future__ import annotations

import pytest
from anyio import to_thread

from tests.redteam.attacks import SUITE, Attack, recorded_attacks
from tests.redteam.backends import BACKENDS, NAIVE, missing, sandbox
from tests.redteam.kinds import HOST_ONLY, OWN_KINDS, PROVEN, TRIALS, try_kind, try_proof
from tests.redteam.own import OWN
from tests.redteam.running import Outcome, try_attack

WALLED = [name for name in BACKENDS if name != NAIVE]
QUICK = {"C01", "C02", "C06", "C07", "C09", "C11", "C12", "C13", "C15", "C18", "C20", "C21", "C31", "C34", "C41"}
KNOWN = {
    ("landlock", "C42"): "Landlock has no rule about /proc: the list of processes is seen",
    ("landlock-bare", "C42"): "Landlock has no rule about /proc: the list of processes is seen",
    ("landlock-bare", "C14"): "Landlock has no rule about modes, owners and times",
}
"""What a sandbox is known not to hold, and therefore does not state among its guarantees."""


def _cases(names: list[str]) -> list[object]:
    return [
        pytest.param(
            name,
            attack,
            id=f"{attack.id}-{name}",
            marks=[] if attack.id in QUICK and name == "bubblewrap" else pytest.mark.slow,
        )
        for attack in (*recorded_attacks(), *OWN, *OWN_KINDS)
        if attack.id not in PROVEN and attack.kind not in HOST_ONLY
        for name in names
    ]


async def _try(name: str, attack: Attack) -> Outcome:
    if attack.kind in TRIALS:
        return await try_kind(sandbox(name), attack)
    return await try_attack(sandbox(name), attack)


@pytest.mark.parametrize(("name", "attack"), _cases(WALLED))
async def test_an_attack_is_contained(name: str, attack: Attack) -> None:
    if reason := await to_thread.run_sync(missing, name):
        pytest.skip(f"{name} cannot be used here: {reason}")
    outcome = await _try(name, attack)
    if (name, attack.id) in KNOWN:
        assert outcome.verdict == "not contained", "it is held now: take it from the list"
        return
    assert outcome.verdict == "contained", outcome.why


@pytest.mark.parametrize(
    "attack",
    [attack for attack in recorded_attacks() if attack.kind in HOST_ONLY],
    ids=lambda attack: attack.id,
)
async def test_an_attack_on_the_host_itself_is_contained(attack: Attack) -> None:
    outcome = await try_kind(sandbox(NAIVE), attack)
    assert outcome.verdict == "contained", outcome.why


@pytest.mark.slow
@pytest.mark.parametrize("attack", [each for each in recorded_attacks() if each.id in PROVEN], ids=lambda each: each.id)
def test_what_other_tests_prove_is_proven(attack: Attack) -> None:
    assert try_proof(attack).verdict == "contained"


def test_every_attack_of_the_suite_is_tried() -> None:
    if not SUITE.is_file():
        pytest.skip("the list of attacks is not here (CAPTAIN_ATTACKS names its place)")
    attacks = recorded_attacks()
    assert len(attacks) == 31
    for attack in attacks:
        assert attack.variants or attack.kind in TRIALS or attack.id in PROVEN, attack.id


@pytest.mark.slow
async def test_without_walls_most_attacks_succeed() -> None:
    """Else they would prove nothing."""
    tried = [await try_attack(sandbox(NAIVE), attack) for attack in OWN if attack.id in QUICK]
    assert [outcome.verdict for outcome in tried].count("contained") <= 1
