"""Stacks of branches on real repositories: what is above what, and how it follows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.core.errors import GitError, UsageError, WorkspaceError
from captain.orchestration.stack import Layer, Restacking, Stack, StackConflict, publish, restack_above
from captain.workspace import Repository
from tests.workspace.repos import new_repo
from tests.workspace.test_stacking import FILES, Commit, commits, make, replayed, usual

RUN = "20261126-180000-abcd"
NUMBERED = "".join(f"line {number}\n" for number in range(12))


class Scene:
    """A base with one file, and branches that change it or add files of their own."""

    def __init__(self, root: Path) -> None:
        self.repo = new_repo(root, {"a.txt": NUMBERED})
        self.base = self.repo.git("rev-parse", "HEAD")
        self.layers: list[Layer] = []

    def commit(self, start: str, files: dict[str, str | bytes], message: str = "change") -> str:
        self.repo.git("checkout", "-q", "--detach", start)
        made = self.repo.commit(files, message)
        self.repo.git("checkout", "-q", "main")
        return made

    def stand(self, task: str, files: dict[str, str | bytes], *parents: str) -> str:
        """A branch for a task, on the merge of its parents."""
        on = tuple(layer.head for name in parents for layer in self.layers if layer.task == name) or (self.base,)
        self.repo.git("checkout", "-q", "--detach", on[0])
        for other in on[1:]:
            self.repo.git("merge", "-q", "--no-edit", other)
        start = self.repo.git("rev-parse", "HEAD")
        head = self.commit(start, files, f"work of {task}")
        branch = f"captain/{RUN}/task/{task}"
        self.repo.git("branch", branch, head)
        self.layers.append(Layer(task=task, branch=branch, head=head, start=start, on=on, parents=parents))
        return head

    @property
    def stack(self) -> Stack:
        return Stack(base=self.base, layers=tuple(self.layers))

    def show(self, commit: str, path: str) -> str:
        return self.repo.git("show", f"{commit}:{path}")


def line(number: int, text: str, of: str = NUMBERED) -> str:
    return of.replace(f"line {number}\n", f"{text}\n")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "repo")


def names(layers: tuple[Layer, ...]) -> list[str]:
    return [layer.task for layer in layers]


def layer(task: str, *parents: str) -> Layer:
    on = tuple(f"head of {parent}" for parent in parents) or ("base",)
    return Layer(task=task, branch=task, head=f"head of {task}", start="+".join(on), on=on, parents=parents)


FOREST = Stack(
    base="base", layers=(layer("T4", "T2", "T3"), layer("T1"), layer("T2", "T1"), layer("T3", "T1"), layer("T5"))
)


def test_what_is_below_comes_first_and_the_rest_is_as_planned() -> None:
    assert names(FOREST.order()) == ["T1", "T5", "T2", "T3", "T4"]
    assert names(FOREST.above("T1")) == ["T2", "T3", "T4"]
    assert names(FOREST.above("T3")) == ["T4"]
    assert FOREST.above("T5") == ()


def test_what_stands_on_a_change_is_outdated_and_nothing_else() -> None:
    assert FOREST.outdated() == ()
    assert names(FOREST.with_head("T3", "amended").outdated()) == ["T4"]
    assert names(FOREST.with_head("T1", "amended").outdated()) == ["T2", "T3", "T4"]
    assert names(FOREST.with_base("newer").outdated()) == ["T1", "T5", "T2", "T3", "T4"]


def test_what_stood_on_a_dropped_task_stands_on_what_that_stood_on() -> None:
    dropped = FOREST.without("T2")
    assert dropped.layer("T4").parents == ("T1", "T3")
    assert names(dropped.outdated()) == ["T4"]
    bottom = FOREST.without("T1")
    assert bottom.layer("T2").parents == ()
    assert bottom.should_stand_on("T2") == ("base",)
    assert names(bottom.outdated()) == ["T2", "T3", "T4"]


def test_a_task_is_put_onto_others_where_that_is_no_circle() -> None:
    assert FOREST.reordered("T5", ["T4"]).layer("T5").parents == ("T4",)
    assert names(FOREST.reordered("T5", ["T4"]).outdated()) == ["T5"]
    with pytest.raises(UsageError, match="in a circle"):
        FOREST.reordered("T1", ["T4"])
    with pytest.raises(UsageError, match="T9, which is not in the stack"):
        FOREST.reordered("T1", ["T9"])
    with pytest.raises(UsageError, match="No task 'T9'"):
        FOREST.without("T9")


async def test_all_that_is_above_follows_an_amended_task(scene: Scene) -> None:
    one = scene.stand("T1", {"a.txt": line(1, "one")})
    two = scene.stand("T2", {"a.txt": line(5, "two", line(1, "one"))}, "T1")
    scene.stand("T3", {"a.txt": line(9, "three", line(5, "two", line(1, "one")))}, "T2")
    free = scene.stand("T4", {"free.txt": "x\n"})
    amended = scene.commit(scene.base, {"a.txt": line(1, "ONE")})
    repository = await Repository.open(scene.repo.root)

    done = await restack_above(repository, scene.stack.with_head("T1", amended), "T1")

    assert [move.after.task for move in done.moves] == ["T2", "T3"]
    assert scene.show(done.stack.layer("T3").head, "a.txt") + "\n" == line(9, "three", line(5, "two", line(1, "ONE")))
    assert scene.repo.git("rev-parse", f"{done.stack.layer('T3').head}~2") == amended
    assert done.stack.layer("T4").head == free
    assert done.stack.outdated() == ()
    assert scene.repo.git("rev-parse", f"captain/{RUN}/task/T2") == two, "no ref moves before it is published"
    assert one != amended


async def test_a_task_on_two_others_stands_on_the_merge_of_what_they_are_now(scene: Scene) -> None:
    scene.stand("T1", {"one.txt": "1\n"})
    scene.stand("T2", {"two.txt": "2\n"})
    scene.stand("T3", {"three.txt": "3\n"}, "T1", "T2")
    newer = scene.commit(scene.base, {"a.txt": line(0, "newer")})
    done = await restack_above(await Repository.open(scene.repo.root), scene.stack.with_base(newer))
    head = done.stack.layer("T3").head
    assert scene.repo.git("ls-tree", "--name-only", head).splitlines() == ["a.txt", "one.txt", "three.txt", "two.txt"]
    assert scene.show(head, "a.txt").startswith("newer")
    assert scene.repo.git("diff", "--name-only", done.stack.layer("T3").start, head) == "three.txt"


async def test_a_dropped_task_in_the_middle_leaves_the_rest_as_if_it_had_never_been(scene: Scene) -> None:
    one = scene.stand("T1", {"a.txt": line(1, "one")})
    scene.stand("T2", {"a.txt": line(5, "two", line(1, "one")), "two.txt": "2\n"}, "T1")
    scene.stand("T3", {"a.txt": line(9, "three", line(5, "two", line(1, "one")))}, "T2")
    done = await restack_above(await Repository.open(scene.repo.root), scene.stack.without("T2"))
    head = done.stack.layer("T3").head
    assert scene.show(head, "a.txt") + "\n" == line(9, "three", line(1, "one"))
    assert scene.repo.git("ls-tree", "--name-only", head) == "a.txt"
    assert scene.repo.git("rev-parse", f"{head}^") == one


async def test_a_conflict_holds_what_is_above_it_and_nobody_else(scene: Scene) -> None:
    scene.stand("T1", {"a.txt": line(1, "one")})
    two = scene.stand("T2", {"a.txt": line(5, "two", line(1, "one"))}, "T1")
    three = scene.stand("T3", {"three.txt": "3\n"}, "T2")
    scene.stand("T4", {"four.txt": "4\n"}, "T1")
    newer = scene.commit(scene.base, {"a.txt": line(5, "theirs")})
    done = await restack_above(await Repository.open(scene.repo.root), scene.stack.with_base(newer))
    assert [move.after.task for move in done.moves] == ["T1", "T4"]
    (conflict,) = done.conflicts
    assert (conflict.task, conflict.commit, conflict.paths) == ("T2", two, ("a.txt",))
    assert done.held == ("T3",)
    assert done.stack.layer("T3").head == three
    assert done.stack.layer("T2").head == two
    assert names(done.stack.outdated()) == ["T2", "T3"]


async def test_a_conflict_is_put_to_whoever_can_resolve_it_once(scene: Scene) -> None:
    scene.stand("T1", {"a.txt": line(5, "one")})
    scene.stand("T2", {"two.txt": "2\n"}, "T1")
    newer = scene.commit(scene.base, {"a.txt": line(5, "theirs")})
    asked: list[StackConflict] = []

    async def resolve(conflict: StackConflict, _layer: Layer) -> str | None:
        asked.append(conflict)
        assert conflict.onto is not None
        return scene.commit(conflict.onto, {"a.txt": line(5, "both")}, "work of T1, fitted")

    repository = await Repository.open(scene.repo.root)
    done = await restack_above(repository, scene.stack.with_base(newer), resolve=resolve)
    assert [conflict.task for conflict in asked] == ["T1"]
    assert done.conflicts == ()
    assert "both" in scene.show(done.stack.layer("T2").head, "a.txt")


async def test_a_resolution_that_is_not_on_top_of_what_is_below_is_not_taken(scene: Scene) -> None:
    scene.stand("T1", {"a.txt": line(5, "one")})
    newer = scene.commit(scene.base, {"a.txt": line(5, "theirs")})

    async def resolve(_conflict: StackConflict, layer: Layer) -> str | None:
        return layer.head

    repository = await Repository.open(scene.repo.root)
    done = await restack_above(repository, scene.stack.with_base(newer), resolve=resolve)
    assert [conflict.task for conflict in done.conflicts] == ["T1"]


async def test_branches_move_together_and_their_old_heads_are_kept(scene: Scene) -> None:
    old = [scene.stand("T1", {"one.txt": "1\n"}), scene.stand("T2", {"two.txt": "2\n"}, "T1")]
    repository = await Repository.open(scene.repo.root)
    stack = scene.stack
    for number, text in enumerate(("newer", "newest"), 1):
        stack = stack.with_base(scene.commit(stack.base, {"a.txt": line(0, text)}))
        done = await restack_above(repository, stack)
        kept = await publish(repository, RUN, done)
        assert kept == (f"refs/captain/{RUN}/restacked/T1/{number}", f"refs/captain/{RUN}/restacked/T2/{number}")
        assert [scene.repo.git("rev-parse", ref) for ref in kept] == old
        stack = done.stack
        old = [layer.head for layer in stack.layers]
        assert [scene.repo.git("rev-parse", f"captain/{RUN}/task/{task}") for task in ("T1", "T2")] == old
        assert scene.repo.git("rev-parse", f"refs/captain/{RUN}/start/T2") == old[0]


async def test_a_branch_that_somebody_else_moved_stops_the_whole_transaction(scene: Scene) -> None:
    one = scene.stand("T1", {"one.txt": "1\n"})
    two = scene.stand("T2", {"two.txt": "2\n"})
    repository = await Repository.open(scene.repo.root)
    done = await restack_above(repository, scene.stack.with_base(scene.commit(scene.base, {"a.txt": "new\n"})))
    elsewhere = scene.commit(two, {"more.txt": "x\n"})
    scene.repo.git("branch", "-f", f"captain/{RUN}/task/T2", elsewhere)
    with pytest.raises(GitError, match="something else has set it"):
        await publish(repository, RUN, done)
    assert scene.repo.git("rev-parse", f"captain/{RUN}/task/T1") == one
    assert scene.repo.git("for-each-ref", "refs/captain") == ""
    scene.repo.git("checkout", "-q", f"captain/{RUN}/task/T1")
    with pytest.raises(WorkspaceError, match="is checked out in"):
        await publish(repository, RUN, done)
    assert scene.repo.git("rev-parse", f"captain/{RUN}/task/T1") == one


def follows_as_git_does(folder: Path, made: list[Commit], amended: Commit) -> None:
    """Three branches on top of one another; the lowest is made anew, and git replays the others one by one."""
    repo = new_repo(folder, FILES)
    base = repo.git("rev-parse", "HEAD")
    layers, start = list[Layer](), base
    for number, edits in enumerate(made, 1):
        head = make(repo, start, [edits])
        parents = (f"T{number - 1}",) if number > 1 else ()
        layers.append(Layer(task=f"T{number}", branch="", head=head, start=start, on=(start,), parents=parents))
        start = head
    newest = make(repo, base, [amended], "amended")
    expected: list[str] = []
    onto = newest
    for layer in layers[1:]:
        tree, _ = replayed(repo, layer.start, onto, layer.head)
        if tree is None:
            break
        onto = repo.git("rev-parse", "HEAD")
        expected.append(tree)

    async def work() -> Restacking:
        stack = Stack(base=base, layers=tuple(layers)).with_head("T1", newest)
        return await restack_above(await Repository.open(repo.root), stack, "T1")

    done = anyio.run(work)

    trees = [repo.git("rev-parse", f"{move.after.head}^{{tree}}") for move in done.moves]
    assert trees == expected
    left = [layer.task for layer in layers[1 + len(expected) :]]
    assert [*(conflict.task for conflict in done.conflicts), *done.held] == left


chains = given(made=st.lists(commits, min_size=3, max_size=3), amended=commits)


@chains
@settings(usual, max_examples=5)
def test_a_whole_stack_follows_as_if_git_had_replayed_it(made: list[Commit], amended: Commit) -> None:
    with tempfile.TemporaryDirectory() as folder:
        follows_as_git_does(Path(folder), made, amended)


@pytest.mark.slow
@chains
@settings(usual, max_examples=80)
def test_many_stacks_follow_as_if_git_had_replayed_them(made: list[Commit], amended: Commit) -> None:
    with tempfile.TemporaryDirectory() as folder:
        follows_as_git_does(Path(folder), made, amended)
