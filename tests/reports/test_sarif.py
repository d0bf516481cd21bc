"""Findings as SARIF: valid, known again, and harmless."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.errors import UsageError
from captain.core.findings import Finding
from captain.reports import read_baseline, review_to_sarif
from captain.reports.sarif import message, to_sarif_text, uri_of
from captain.review import LoopReport
from captain.testing import git
from tests.models.conformance import SCHEMAS, folder
from tests.review.scene import Says, Scene, Votes, bug, loop, opinion

CODE = "def one(x):\n    return WRONG + x\n\n\ndef two(x):\n    return WORSE + x\n"
TAKES_ALL_BUT = Votes(accepts=lambda question: "turned down" not in question.finding.claim)


async def looked_at(scene: Scene, *findings: Finding) -> LoopReport:
    """A review without a fixer, by one reviewer who says just that."""
    return await scene.run(loop([Says([findings])], None, verifiers=(TAKES_ALL_BUT,), checks=()))


def results(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["runs"][0]["results"]
    return found


def document(report: LoopReport | None, **more: Any) -> dict[str, Any]:
    return review_to_sarif(report, version="1.2.3", **more)


def prints(report: LoopReport) -> dict[str, dict[str, str]]:
    """By the word a finding is about."""
    return {
        next(word for word in ("WRONG", "WORSE") if word in result["message"]["text"]): result["partialFingerprints"]
        for result in results(document(report))
    }


def assert_valid(made: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the dev extra")
    path = folder(SCHEMAS) / "sarif-schema-2.1.0.json"
    if not path.is_file():
        pytest.skip("the SARIF schema is not here")
    schema = json.loads(path.read_text("utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(json.loads(to_sarif_text(made)))


async def test_a_document_is_valid_whatever_was_said(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": CODE, "odd name%.py": "WRONG\n"})
    report = await looked_at(
        scene,
        bug("WRONG", "critical"),
        opinion("WORSE", category="\x1b Odd {0}", claim="WORSE is turned down."),
        opinion("WRONG", "minor", "odd name%.py", claim="See [here](javascript:x) {0} \u202e."),
        opinion("nowhere", "minor", "../../etc/passwd"),
        opinion("", "minor", "", claim="The whole of it."),
    )
    made = document(report, notes=("A note.",))

    assert len(results(made)) == 5
    assert_valid(made)
    assert_valid(document(report, baseline=read_baseline(to_sarif_text(made), "x")))
    assert_valid(document(None, notes=("Nothing to review.",)))


async def test_severities_become_levels_and_categories_rules(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": CODE})
    report = await looked_at(
        scene, bug("WRONG", "critical", category="Correctness"), bug("WORSE", "minor", category="security")
    )
    made = document(report)

    assert [(one["ruleId"], one["level"], one["kind"]) for one in results(made)] == [
        ("captain/logic", "error", "fail"),
        ("captain/security", "note", "fail"),
    ]
    assert [rule["id"] for rule in made["runs"][0]["tool"]["driver"]["rules"]] == ["captain/logic", "captain/security"]
    assert results(made)[0]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "app.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 2, "endLine": 2},
            },
            "logicalLocations": [{"fullyQualifiedName": "one"}],
        }
    ]


async def test_what_was_turned_down_is_there_suppressed_with_the_reason(tmp_path: Path) -> None:
    report = await looked_at(Scene.of(tmp_path, {"app.py": CODE}), opinion("WRONG", claim="This is turned down."))

    [result] = results(document(report))
    assert result["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "by the script"}]


async def test_what_nobody_looked_into_is_open_and_no_failure(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": CODE})
    report = await scene.run(loop([Says([[opinion("WRONG")]])], None, checks=()))  # nobody votes

    [result] = results(document(report))
    assert (result["kind"], result["level"], result["suppressions"]) == ("open", "none", [])
    assert result["properties"]["severity"] == "major"


async def test_fingerprints_survive_moved_lines_and_other_words(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": CODE})
    before = await looked_at(scene, bug("WRONG"), opinion("WORSE"))
    (scene.root / "app.py").write_text(f"import sys\n\n\n{CODE}")
    git(scene.root, "commit", "-q", "-a", "-m", "Move")

    after = await looked_at(
        scene,
        opinion("WORSE", "critical", claim="Adding to WORSE cannot be meant.", evidence="Quite other words."),
        bug("WRONG", claim="The sum is off by WRONG.", evidence="Try it.", category="functional", line=99),
    )

    first, then = prints(before), prints(after)
    assert first["WORSE"].keys() == {"captainPlace/v1", "captainContext/v1"}
    assert first["WRONG"].keys() == {"captainCheck/v1", "captainPlace/v1", "captainContext/v1"}
    assert {word: marks["captainPlace/v1"] for word, marks in first.items()} == {
        word: marks["captainPlace/v1"] for word, marks in then.items()
    }
    assert first["WRONG"]["captainCheck/v1"] == then["WRONG"]["captainCheck/v1"]


async def test_the_same_line_in_two_functions_is_two_places(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": CODE.replace("WORSE", "WRONG")})
    said = [opinion("return WRONG + x", line=line, claim=f"WRONG in line {line}.") for line in (2, 6)]
    report = await looked_at(scene, *said)

    one, two = [result["partialFingerprints"] for result in results(document(report))]
    assert one["captainPlace/v1"] != two["captainPlace/v1"]


async def test_two_defects_in_one_line_are_told_apart_by_their_order(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "both = WRONG\n"})
    report = await looked_at(
        scene, opinion("WRONG", claim="It overflows."), opinion("WRONG", claim="Nobody has locked the door.")
    )

    marks = [result["partialFingerprints"]["captainPlace/v1"] for result in results(document(report))]
    assert [mark.partition(":")[2] for mark in marks] == ["1", "2"]


async def test_without_a_baseline_what_the_change_did_not_touch_was_there_before(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": CODE}, base={"lib.py": "WORSE\n"})
    report = await looked_at(scene, bug("WRONG"), opinion("WORSE", path="lib.py"))

    assert [(one["baselineState"], one["kind"]) for one in results(document(report))] == [
        ("new", "fail"),
        ("unchanged", "open"),
    ]


async def test_against_a_baseline_a_heavier_finding_is_updated_and_a_mended_one_absent(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": CODE})
    earlier = to_sarif_text(document(await looked_at(scene, bug("WRONG"), opinion("WORSE"))))
    later = await looked_at(scene, bug("WRONG", "critical", claim="It is much worse than that."))
    states = {
        one["message"]["text"].split("\n")[0]: one["baselineState"]
        for one in results(document(later, baseline=read_baseline(earlier, "x")))
    }

    assert states == {
        "It is much worse than that.": "updated",
        "The line with WORSE does the wrong thing.": "absent",
    }


async def test_what_was_absent_or_turned_down_in_the_baseline_does_not_come_up_again(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": CODE})
    first = await looked_at(scene, bug("WRONG"), opinion("WORSE", claim="This is turned down."))
    nothing = replace(first, cases=())
    second = document(nothing, baseline=read_baseline(to_sarif_text(document(first)), "x"))

    assert [one["baselineState"] for one in results(second)] == ["absent"]
    assert results(document(nothing, baseline=read_baseline(to_sarif_text(second), "x"))) == []


async def test_an_edited_line_is_known_again_by_its_function_and_similar_words(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": CODE})
    said = opinion("WRONG", claim="The offset is added twice to the total.", evidence="total_offset is in x already.")
    earlier = to_sarif_text(document(await looked_at(scene, said)))
    (scene.root / "app.py").write_text(CODE.replace("WRONG + x", "WRONG  +  (x, )"))
    git(scene.root, "commit", "-q", "-a", "-m", "Edit")
    again = opinion(
        "WRONG",
        category="style",
        claim="The total has its offset added twice.",
        evidence="x holds total_offset already.",
    )

    later = await looked_at(scene, again)

    assert [one["baselineState"] for one in results(document(later, baseline=read_baseline(earlier, "x")))] == [
        "updated"
    ]


async def test_a_baseline_may_say_anything(tmp_path: Path) -> None:
    report = await looked_at(Scene.of(tmp_path, {"app.py": CODE}), bug("WRONG"))
    odd: Sequence[Any] = (
        None,
        [],
        {"ruleId": 1},
        {"ruleId": "r", "locations": 5, "partialFingerprints": {"captainPlace/v1": 7}, "level": "loud"},
        {"ruleId": "r", "message": "x", "locations": [{"physicalLocation": {"region": {"startLine": -3}}}]},
    )
    run = {"tool": {"driver": {"name": "Captain"}}, "results": odd}
    before = read_baseline(json.dumps({"version": "2.1.0", "runs": [None, run]}), "x")
    made = document(report, baseline=before)

    assert [one["baselineState"] for one in results(made)] == ["new", "absent", "absent"]
    assert_valid(made)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": "2.1.0"}', "[" * 100_000])
def test_what_is_no_sarif_document_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"The baseline old\.sarif "):
        read_baseline(text, "old.sarif")


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b", "a//b", ".", "a\0b", ""])
async def test_a_path_that_leaves_the_repository_is_no_location(path: str, tmp_path: Path) -> None:
    report = await looked_at(Scene.of(tmp_path, {"app.py": CODE}), opinion("nowhere", path=path))

    [result] = results(document(report))
    assert "locations" not in result


async def test_a_file_can_stand_for_what_is_about_no_file_and_is_not_taken_for_its_place_later(tmp_path: Path) -> None:
    whole = opinion("", path="", claim="The whole of it is odd.", evidence="All of it.")
    report = await looked_at(Scene.of(tmp_path, {"app.py": CODE}), bug("WRONG"), whole, opinion("x", path="../up"))
    made = document(report, stand_in="app.py")

    uris = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results(made)]
    assert uris == ["app.py"] * 3
    assert_valid(made)
    again = document(report, baseline=read_baseline(to_sarif_text(made), "x"), stand_in="app.py")
    assert [one["baselineState"] for one in results(again)] == ["unchanged"] * 3


@given(st.text(st.characters(exclude_characters="\0/"), min_size=1))
def test_any_name_of_a_file_is_one_uri_segment_that_reads_back(name: str) -> None:
    uri = uri_of(name.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))

    assert set(uri) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%")
    assert unquote(uri, errors="surrogatepass") == name


def test_bytes_that_are_no_text_are_encoded_as_they_are() -> None:
    assert uri_of("a\udcff b/http:c") == "a%FF%20b/http%3Ac"


def test_no_viewer_finds_links_or_arguments_in_what_was_said() -> None:
    assert message("a[0] and {x}") == "a[0] and {x}"
    assert message("see [here](http://x) or {0}") == "see \\[here\\](http://x) or {{0}}"
    assert message("\x1b[2J\u202e") == "\\x1b[2J<U+202E>"
