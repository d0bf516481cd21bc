"""Tasks that are added to a run stand on every task they could meet, and nothing that is stacked is refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from captain.core.tasks import Check, Criterion, Plan, Scope, Task, TaskState, Triage
from captain.orchestration.added import Standing
from captain.orchestration.placing import ancestors, stacked
from captain.orchestration.plan import plan_problems

FILES = ("a.py", "b.py", "src/c.py", "src/d.py", "docs/e.md")
PATTERNS = st.sampled_from(("/a.py", "/b.py", "/src/", "/src/c.py", "*.md", "/docs/", "/new.py"))


def task(name: str, paths: tuple[str, ...], depends_on: tuple[str, ...] = ()) -> Task:
    return Task(
        id=name,
        title=name,
        kind="change",
        brief="Do it.",
        scope=Scope(paths=paths),
        criteria=(Criterion(id=f"{name}.1", text="it holds", check="holds"),),
        checks=(Check(name="holds", command="true"),),
        depends_on=depends_on,
    )


@st.composite
def runs(draw: st.DrawFn) -> tuple[Standing, Plan]:
    """What a run has, each task on some of those before it, and a plan of tasks that only depend on each other."""

    def drawn(names: list[str]) -> tuple[Task, ...]:
        return tuple(
            task(
                name,
                tuple(draw(st.lists(PATTERNS, min_size=1, max_size=3, unique=True))),
                tuple(draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else ()),
            )
            for place, name in enumerate(names)
        )

    there = drawn([f"T{number}" for number in range(1, draw(st.integers(1, 5)) + 1)])
    ends: st.SearchStrategy[TaskState | None] = st.sampled_from((None, "accepted", "parked", "failed"))
    states: list[tuple[str, TaskState]] = []
    ended: set[str] = set()
    for each in there:
        end = "parked" if ended.intersection(each.depends_on) else draw(ends)
        if end is not None:
            states.append((each.id, end))
            ended |= {each.id} if end != "accepted" else set()
    standing = Standing(base="base", commit="commit", tasks=there, states=tuple(states))
    added = drawn([f"N{number}" for number in range(1, draw(st.integers(1, 4)) + 1)])
    return standing, Plan(summary="", tasks=added)


@given(runs())
def test_what_could_meet_is_never_at_work_at_once(drawn: tuple[Standing, Plan]) -> None:
    standing, plan = drawn
    placed = stacked(plan, standing, FILES)
    told = plan_problems(placed, Triage(kind="change", reason=""), FILES, live=standing.live, ended=standing.ended)
    among_the_new = plan_problems(plan, Triage(kind="change", reason=""), FILES)
    assert {broken.how for broken in told} <= {broken.how for broken in among_the_new}
    above = ancestors((*standing.live, *placed.tasks))
    for before, after in zip(plan.tasks, placed.tasks, strict=True):
        assert set(before.depends_on) <= {*after.depends_on, *above[after.id]}
        assert not set(after.depends_on) & set(standing.ended)
        topmost = [name for name in after.depends_on if name.startswith("T")]
        assert not any(name in above[other] for name in topmost for other in topmost)


def test_what_meets_nothing_starts_where_the_run_began() -> None:
    standing = Standing(base="base", commit="commit", tasks=(task("T1", ("/a.py",)), task("T2", ("/a.py",), ("T1",))))
    placed = stacked(Plan(summary="", tasks=(task("T3", ("/b.py",)), task("T4", ("/a.py",)))), standing, FILES)
    assert [one.depends_on for one in placed.tasks] == [(), ("T2",)]
