"""What a task may not change merely because a broad pattern covers it.

These files decide what is checked, what is run without being asked for, or what the next agent is told. A
change to one is fine if it was wanted, so a scope has to name it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from captain.core.tasks import Scope
from captain.guards.names import canonical
from captain.guards.patterns import Patterns, compiled, compiled_folded

_ANYTHING: Final = "\x01"  # stands for whatever a wildcard may match; no pattern has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """One kind of protected files; `what` is what such a file is, after "is".

    With `new_files`, those that a task adds are its own. Whoever names something in `home` has named these too.
    """

    name: str
    what: str
    patterns: tuple[str, ...]
    new_files: bool = False
    home: tuple[str, ...] = ()


_TEST_FOLDERS: Final = ("tests/", "test/", "__tests__/", "__snapshots__/", "testdata/")

PROTECTED: Final[tuple[Protection, ...]] = (
    Protection(
        name="tests",
        what="a test that was there before",
        patterns=(
            *_TEST_FOLDERS,
            *("test_*.py", "*_test.py", "*_test.go", "*_spec.rb", "*_test.rb", "*Test.java", "*Tests.cs"),
            *("*.test.js", "*.test.jsx", "*.test.ts", "*.test.tsx", "*.test.mjs"),
            *("*.spec.js", "*.spec.jsx", "*.spec.ts", "*.spec.tsx"),
        ),
        new_files=True,
    ),
    Protection(
        name="test set-up",
        what="set-up that tests run with",
        patterns=(
            *("conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", "tox.ini", "noxfile.py", ".coveragerc"),
            *("jest.config.*", "jest.setup.*", "vitest.config.*", "playwright.config.*", ".mocharc*", "karma.conf.js"),
        ),
        home=_TEST_FOLDERS,
    ),
    Protection(
        name="ci",
        what="CI configuration",
        patterns=(
            *(".github/", ".gitlab/", ".circleci/", ".buildkite/", ".woodpecker/", ".forgejo/", ".gitea/", ".ci/"),
            *(".gitlab-ci.yml", ".travis.yml", ".drone.yml", ".cirrus.yml", "azure-pipelines*.yml", "Jenkinsfile"),
            *("bitbucket-pipelines.yml", "appveyor.yml", ".appveyor.yml", ".woodpecker.yml", "codecov.yml"),
            *(".codecov.yml", ".readthedocs.yaml", ".readthedocs.yml", "renovate.json", "cloudbuild.yaml"),
        ),
    ),
    Protection(
        name="locks",
        what="a lock file",
        patterns=(
            *("*.lock", "*.lockb", "*.lockfile", "*.lock.hcl", "package-lock.json", "npm-shrinkwrap.json"),
            *("pnpm-lock.yaml", "packages.lock.json", "go.sum", "go.work.sum", "pylock.toml", "pylock.*.toml"),
        ),
    ),
    Protection(
        name="git",
        what="configuration of git",
        patterns=(
            *(".git", ".gitattributes", ".gitmodules", ".gitignore", ".gitconfig", ".lfsconfig"),
            *(".git-blame-ignore-revs", ".mailmap"),
        ),
    ),
    Protection(
        name="hooks",
        what="a hook, or configuration of hooks",
        patterns=(
            *(".husky/", ".githooks/", "githooks/", "git-hooks/", ".lefthook/", ".overcommit/"),
            *(
                ".pre-commit-config.yaml",
                ".pre-commit-hooks.yaml",
                "lefthook.y*ml",
                ".lefthook.y*ml",
                ".overcommit.yml",
            ),
        ),
    ),
    Protection(
        name="agents",
        what="configuration of agents",
        patterns=(
            *("AGENTS.md", "AGENTS.override.md", "AGENT.md", "CLAUDE.md", "CLAUDE.local.md", "GEMINI.md", "WARP.md"),
            *(".claude/", ".codex/", ".cursor/", ".gemini/", ".windsurf/", ".cline/", ".roo/", ".continue/", ".kiro/"),
            *(".junie/", ".opencode/", ".agents/", ".captain/", ".mcp.json", ".cursorrules", ".cursorignore"),
            *(".windsurfrules", ".clinerules", ".roomodes", ".aider*", "opencode.json", "copilot-instructions.md"),
        ),
    ),
    Protection(
        name="environment",
        what="configuration that an editor, a shell or an interpreter runs by itself",
        patterns=(
            *(".vscode/", ".idea/", ".zed/", ".fleet/", ".devcontainer/", ".devcontainer.json", "*.code-workspace"),
            *(".envrc", ".env", ".env.*", ".tool-versions", "mise.toml", ".mise.toml", ".npmrc", ".yarnrc"),
            *(".yarnrc.yml", ".pypirc", "pip.conf", "sitecustomize.py", "usercustomize.py", "*.pth"),
        ),
    ),
    Protection(
        name="build",
        what="configuration of the build or of its tools",
        patterns=(
            *("pyproject.toml", "setup.cfg", "setup.py", "mypy.ini", ".mypy.ini", "ruff.toml", ".ruff.toml", ".flake8"),
            *(".pylintrc", "pyrightconfig.json", "package.json", "tsconfig*.json", ".eslintrc*", "eslint.config.*"),
            *("Cargo.toml", "go.mod", "go.work", "pom.xml", "build.gradle", "build.gradle.kts", "Gemfile"),
            *("composer.json", "/Makefile", "/GNUmakefile", "/justfile", "/Taskfile.yml", "requirements*.txt"),
        ),
    ),
)


def protection_of(scope: Scope, path: str, *, is_new: bool = False) -> Protection | None:
    """The protection that keeps the scope from changing `path`, if one does."""
    spelled = canonical(path)
    if not any(patterns.match(spelled) for patterns in _all_at_once(scope.protect)):
        return None
    for protection, patterns, homes in _prepared(scope.protect):
        if protection.new_files and is_new:
            continue
        if patterns.match(spelled) and not _granted(scope, path, patterns, homes):
            return protection
    return None


def _granted(scope: Scope, path: str, patterns: Patterns, homes: Patterns) -> bool:
    return any(
        compiled((pattern,)).match(path) and any(patterns.match(place) or homes.match(place) for place in places)
        for pattern, places in specimens(scope.paths)
    )


def granted_exactly(scope: Scope, path: str) -> bool:
    """A pattern without any wildcard names the whole of `path`."""
    return any(
        _literal_text(pattern) in (path, path.rpartition("/")[2])
        for pattern in scope.paths
        if not pattern.startswith("!") and compiled((pattern,)).match(path)
    )


@cache
def _prepared(protect: tuple[str, ...]) -> tuple[tuple[Protection, Patterns, Patterns], ...]:
    """Every protection with its patterns and those of its home, spelled as `canonical` spells paths."""
    taken_out = tuple(pattern for pattern in protect if pattern.startswith("!"))
    listed = [(protection, (*protection.patterns, *taken_out)) for protection in PROTECTED]
    if len(taken_out) < len(protect):
        own = Protection(name="scope", what="protected by this scope", patterns=protect)
        listed.insert(0, (own, protect))
    return tuple(
        (protection, compiled_folded(patterns), compiled_folded(protection.home)) for protection, patterns in listed
    )


@cache
def _all_at_once(protect: tuple[str, ...]) -> tuple[Patterns, Patterns]:
    """The protections that always hold as one list, and the scope's own: most paths are in neither."""
    taken_out = (pattern for pattern in protect if pattern.startswith("!"))
    listed = (pattern for protection in PROTECTED for pattern in protection.patterns)
    return compiled_folded((*listed, *taken_out)), compiled_folded(protect)


@cache
def specimens(paths: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """For each pattern, specimens of what it matches: a file, and what lies below if that is a folder.

    In a specimen a wildcard has become something no other pattern names. So `tests/**` gives one that is within
    `tests/`, and `src/**` gives none that is `conftest.py`.
    """
    return tuple(_specimens(paths))


def _specimens(paths: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for pattern in paths:
        if pattern and not pattern.startswith(("!", "#")):
            specimen = canonical(_literal_text(pattern))
            yield pattern, (specimen, f"{specimen}/{_ANYTHING}")


_TOKEN: Final = re.compile(r"\\(.)|\*+|\?|\[(?:[!^]?\]?[^\]]*)\]", re.DOTALL)


def _literal_text(pattern: str) -> str:
    return _TOKEN.sub(lambda found: found[1] or _ANYTHING, pattern.strip("/"))
