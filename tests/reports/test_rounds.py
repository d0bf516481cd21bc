"""A loop round by round: the same figures as a line, a table, a series and a picture."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from captain.core.events import ModelCalled, Role
from captain.core.tasks import Check
from captain.core.usage import Usage
from captain.reports import RoundReader, review_to_dict, review_to_markdown, rounds_of
from captain.reports.credits import Finder, Mender, finders, menders
from captain.reports.meter import Meter
from captain.reports.review_markdown import picture
from captain.review import FixJob, LoopReport
from tests.review.scene import Edits, Says, Scene, Sees, bug, loop, removes

pytestmark = pytest.mark.slow


async def brings_more(folder: Path) -> LoopReport:
    """Two findings; mending the first brings a third, which a later round finds and mends."""

    def change(job: FixJob, text: str) -> str:
        mended = removes(job, text)
        return mended.replace("fine\n", "SLIP\n", 1) if job.cases[0].finding.anchor == "WRONG" else mended

    scene = Scene.of(folder, {"app.py": "start\nWRONG\nmiddle\nWORSE\nend\n"})
    slip = bug("SLIP")
    reviewer = Says([[bug("WRONG"), bug("WORSE")], [], [], [slip], []])  # three looks in the first round
    return await scene.run(loop([reviewer], Edits(change)))


async def test_each_round_says_what_it_found_mended_and_brought(tmp_path: Path) -> None:
    report = await brings_more(tmp_path)

    assert [figures.told() for figures in rounds_of(report.log)] == [
        "round 1: 2 found, 2 verified, 2 fixed; 1 check passed; weight 6, then 0",
        "round 2: 1 found, 1 verified, 1 fixed, 1 introduced; 1 check passed; weight 3, then 0",
        "round 3: nothing found; 1 check passed; weight 0",
    ]


async def test_hindsight_knows_what_a_fix_had_brought(tmp_path: Path) -> None:
    report = await brings_more(tmp_path)

    series = review_to_dict(report)["series"]
    assert series["weight"] == [6, 0, 0, 0]
    assert series["weight_in_hindsight"] == [6, 3, 0, 0]
    assert (series["fixed"], series["introduced"]) == ([2, 1, 0], [0, 1, 0])


async def test_a_round_is_told_with_the_event_that_ends_it(tmp_path: Path) -> None:
    report = await brings_more(tmp_path)
    reader = RoundReader()

    heard = [(event.kind, figures.number) for event in report.log if (figures := reader.hear(event)) is not None]

    assert heard == [("lanes_joined", 1), ("lanes_joined", 2), ("loop_concluded", 3)]


async def test_undone_and_declined_attempts_are_counted_and_no_fixes(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "start\nWRONG\nWORSE\nend\n"})

    def change(job: FixJob, text: str) -> str:
        return f"BROKEN\n{text}" if job.cases[0].finding.anchor == "WRONG" else text

    report = await scene.run(loop([Sees([bug("WRONG"), bug("WORSE")])], Edits(change)))

    first = rounds_of(report.log)[0]
    assert (first.fixed, first.undone, first.declined) == (0, 3, 2)
    assert first.told().endswith("3 attempts undone, 2 declined; 1 check passed; weight 6")
    assert menders(report.log) == (
        Mender(rung="first", attempts=2, kept=0, undone=1, declined=1),
        Mender(rung="fresh", attempts=2, kept=0, undone=1, declined=1),
        Mender(rung="advisor", attempts=1, kept=0, undone=1, declined=0),
    )


async def test_a_check_that_the_change_breaks_is_named_in_its_round(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "start\nWRONG\nend\n"})
    checks = (Check(name="words", command="! grep -q WRONG app.py"), Check(name="never", command="false"))

    report = await scene.run(loop([], Edits(lambda _, text: text.replace("WRONG\n", "")), checks=checks))

    told = [figures.told() for figures in rounds_of(report.log)]
    assert "; 1 of 1 check failed (words); weight 9, then 0" in told[0]
    assert "; 1 check passed; weight 0" in told[1], "the one that never passes is told of elsewhere"


async def test_finders_are_credited_for_what_only_they_saw(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "start\nWRONG\nWORSE\nend\n"})
    sharp = Says([[bug("WRONG"), bug("WORSE")]], name="sharp")
    dull = Says([[bug("WRONG"), bug("nowhere")]], name="dull")

    report = await scene.run(loop([sharp, dull], None))

    assert finders(report.cases) == (
        Finder(name="sharp", raised=2, verified=2, rejected=0, alone=1),
        Finder(name="dull", raised=2, verified=1, rejected=1, alone=0),
    )


def called(role: Role, tokens: int) -> ModelCalled:
    return ModelCalled(
        agent="a",
        role=role,
        model="m",
        usage=Usage(input_tokens=tokens, output_tokens=0),
        cost_usd=Decimal("0.5"),
        first_event_s=0.1,
        duration_s=0.2,
    )


async def test_the_report_says_what_a_kept_fix_cost(tmp_path: Path) -> None:
    report = await brings_more(tmp_path)
    meter = Meter()
    meter.add(called("review", 1000))
    meter.add(called("build", 500))

    text = review_to_markdown(report, meter=meter)

    assert "- Tokens per kept fix, reviews included: 500\n- Tokens of role review: 1,000 tokens\n" in text
    assert review_to_dict(report, meter=meter)["spend"]["tokens_per_kept_fix"] == 500
    assert "Tokens" not in review_to_markdown(report)
    assert review_to_dict(report)["spend"]["tokens_per_kept_fix"] is None


async def test_the_report_shows_rounds_as_a_table_and_weight_as_bars(tmp_path: Path) -> None:
    text = review_to_markdown(await brings_more(tmp_path))

    assert text.startswith("# Review: converged\n\n**Outcome:** the cold review of round 3 admitted nothing")
    assert "| 1 | 2 | 2 | 2 | 0 | 0 | 0 | 0 | 0 of 1 | 0 |\n" in text
    assert "start    6 ######\nround 1  3 ###\nround 2  0\nround 3  0\n" in text
    assert "| critic | 3 | 3 | 3 | 0 |\n" in text


def test_bars_of_great_weights_fit_on_a_line_and_small_ones_are_seen() -> None:
    lines = list(picture([400, 1, 0]))

    assert [line.count("#") for line in lines] == [40, 1, 0]
    assert list(picture([0])) == ["start    0"]


async def test_words_of_models_are_no_markup_in_the_report(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "start\nWRONG\nend\n"})
    hostile = bug(
        "WRONG",
        claim="# Big\n\n<script>x</script> ![x](http://evil) \x1b[2J",
        category="`x` | y",
        evidence="[link](http://evil)",
    )
    report = await scene.run(loop([Says([[hostile]], name="a | *b*")], None))
    odd = replace(report, problems=("<b>problem</b>",))

    tokens = MarkdownIt("commonmark").enable("table").parse(review_to_markdown(odd, notes=("![n](x)",)))
    kinds = {child.type for token in tokens for child in token.children or ()} | {token.type for token in tokens}

    assert kinds.isdisjoint({"html_inline", "html_block", "image", "link_open", "em_open"})
    assert "\x1b" not in review_to_markdown(odd)
