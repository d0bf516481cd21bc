"""The refs and branches runs have left in a repository: what each holds, what would be lost with it, their removal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from captain.core import ids
from captain.workspace.git import Git

_REFS: Final = "refs/captain/"
_HEADS: Final = "refs/heads/captain/"
_FIELDS: Final = ("objectname", "*objectname", "objecttype", "*objecttype", "refname", "worktreepath", "subject")
_HOLDS: Final = {
    "base": "what the run started from",
    "checkpoint": "the files of a copy after the last call on record",
    "drift": "a state from which changes were put back",
    "rejected": "a result that fails its checks",
    "attempt": "an attempt at a fix",
    "review": "what a review hands back",
    "salvaged": "work under way when the run was interrupted",
    "repaired": "a task's work, made to fit what came before it",
    "onto": "what a task's branch was to be put onto by hand",
    "superseded": "a result that gave way to one with more in it",
    "restacked": "a branch before it was restacked",
    "start": "what a task's branch stands on, where the record has another",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRef:
    """`commit` is what stands in the ref. `elsewhere` says that a ref which stays reaches it, and so nothing is lost.

    `checked_out` is the work tree that has the branch checked out.
    """

    run: str
    name: str
    commit: str
    subject: str
    elsewhere: bool = False
    checked_out: str = ""

    @property
    def is_branch(self) -> bool:
        return self.name.startswith(_HEADS)

    @property
    def holds(self) -> str:
        """In words, by its name."""
        kind, *rest = self.name.removeprefix(_HEADS if self.is_branch else _REFS).split("/")[1:]
        if self.is_branch:
            return f"what task {'/'.join(rest)} kept" if kind == "task" else "the integrated result"
        if kind == "task" and len(rest) == 2:
            return f"round {rest[1]} of task {rest[0]}"
        return _HOLDS.get(kind, "something that no run of this version keeps")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRefs:
    """`runs` are the refs of runs by id, `others` the commits that the user's own refs name."""

    git: Git
    runs: dict[str, tuple[RunRef, ...]]
    others: frozenset[str]

    @classmethod
    async def read(cls, git_dir: Path) -> RepositoryRefs:
        """Refs below `captain` whose next part is no id of a run are the user's. Raises `GitError`."""
        git = Git(git_dir=git_dir)
        form = "".join(f"%({name})%00" for name in _FIELDS)
        parts = (await git.text("for-each-ref", f"--format={form}")).split("\0")
        runs: dict[str, list[RunRef]] = {}
        others = set()
        for start in range(0, len(parts) - len(_FIELDS), len(_FIELDS)):
            object_id, peeled, kind, peeled_kind, name, place, subject = parts[start : start + len(_FIELDS)]
            object_id = object_id.strip("\n")
            if (run := _run_of(name)) is not None:
                ref = RunRef(run=run, name=name, commit=object_id, subject=subject, checked_out=place)
                runs.setdefault(run, []).append(ref)
            elif kind == "commit":
                others.add(object_id)
            elif peeled_kind == "commit":
                others.add(peeled)
        return cls(git=git, runs={run: tuple(refs) for run, refs in runs.items()}, others=frozenset(others))

    async def parted(
        self, runs: Collection[str], *, branches: bool
    ) -> tuple[dict[str, tuple[RunRef, ...]], dict[str, tuple[RunRef, ...]]]:
        """Of `runs`: the refs and branches that could go, and the branches that stay.

        A branch can go only with `branches`, if it is checked out nowhere, and if something that stays reaches it.
        Raises `GitError`.
        """
        own = [ref for run in runs for ref in self.runs.get(run, ())]
        staying = [ref for run, refs in self.runs.items() if run not in runs for ref in refs if ref.is_branch]
        keepers = set(self.others) | {ref.commit for ref in staying}
        heads = sorted((ref for ref in own if ref.is_branch), key=_results_first)
        going: list[RunRef] = []
        held_up: list[RunRef] = []
        for head in heads:
            merged = branches and not head.checked_out and not await self._lost((head.commit,), keepers)
            if merged:
                going.append(replace(head, elsewhere=True))
            else:
                held_up.append(head)
                keepers.add(head.commit)
        refs = [ref for ref in own if not ref.is_branch]
        lost = await self._lost({ref.commit for ref in refs}, keepers)
        going += [replace(ref, elsewhere=ref.commit not in lost) for ref in refs]
        return _by_run(going), _by_run(held_up)

    async def remove(self, refs: Sequence[RunRef]) -> None:
        """All or none, and only as they were read. Raises `GitError`."""
        if not refs:
            return
        lines = [f"option no-deref\0delete {ref.name}\0{ref.commit}\0" for ref in refs]
        commands = "".join(("start\0", *lines, "prepare\0", "commit\0")).encode("utf-8", "surrogateescape")
        await self.git.run("update-ref", "-z", "--stdin", stdin=commands)

    async def _lost(self, commits: Collection[str], keepers: Iterable[str]) -> set[str]:
        """Those of `commits` that none of `keepers` reaches; what is no commit is reached by nothing."""
        wanted = set(commits) - (known := set(keepers))
        if not wanted:
            return set()
        listed = "".join(f"{one}\n" for one in sorted(wanted)).encode()
        kinds = (await self.git.text("cat-file", "--batch-check=%(objecttype)", stdin=listed)).splitlines()
        real = {one for one, kind in zip(sorted(wanted), kinds, strict=True) if kind == "commit"}
        asked = "".join([*(f"{one}\n" for one in sorted(real)), *(f"^{one}\n" for one in sorted(known))]).encode()
        found = set((await self.git.text("rev-list", "--stdin", stdin=asked)).split()) if real else set()
        return (wanted - real) | (real & found)


def _run_of(name: str) -> str | None:
    for start in (_REFS, _HEADS):
        run, slash, rest = name.removeprefix(start).partition("/")
        if name.startswith(start) and slash and rest and ids.began_at(run):
            return run
    return None


def _results_first(ref: RunRef) -> tuple[str, bool, str]:
    return ref.run, not ref.name.endswith("/result"), ref.name  # a result reaches what its tasks kept


def _by_run(refs: Iterable[RunRef]) -> dict[str, tuple[RunRef, ...]]:
    found: dict[str, tuple[RunRef, ...]] = {}
    for ref in refs:
        found[ref.run] = (*found.get(ref.run, ()), ref)
    return found
