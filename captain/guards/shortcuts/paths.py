"""What a path says of a file: its language, and whether it is a test, a recording, configuration or product code."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_LANGUAGES: Final = {
    "py": "python",
    "pyi": "python",
    "js": "js",
    "jsx": "js",
    "mjs": "js",
    "cjs": "js",
    "ts": "js",
    "tsx": "js",
    "mts": "js",
    "cts": "js",
    "vue": "js",
    "go": "go",
    "rs": "rust",
    "java": "java",
    "kt": "java",
    "scala": "java",
    "cs": "java",
    "rb": "ruby",
    "c": "c",
    "cc": "c",
    "cpp": "c",
    "cxx": "c",
    "h": "c",
    "hh": "c",
    "hpp": "c",
    "sh": "shell",
    "bash": "shell",
    "bats": "shell",
}

_TEST_PART: Final = re.compile(r"(^|/)(tests?|specs?|__tests__|testing|unittests?|e2e|t)/")
_TEST_NAME: Final = re.compile(
    r"""(^|/)(
        test_[^/]*\.(py|c|cc|cpp|cxx|rb|sh) | [^/]*_tests?\.(py|go|rb|c|cc|cpp|cxx|rs) | tests?\.(py|rs)
      | conftest\.py | [^/]*[._-](test|spec)\.[cm]?[jt]sx? | [^/]*_spec\.rb | [^/]*(Tests?|IT|Spec)\.(java|kt|scala|cs)
      | [^/]*\.bats
    )$""",
    re.VERBOSE,
)
_COLLECTED: Final = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests)\.py$")
_RECORDING: Final = re.compile(
    r"""(^|/)(__snapshots__|snapshots?|goldens?|golden_files|__image_snapshots__|cassettes)/
      | \.(snap|ambr|golden|approved\.[^/.]+)$""",
    re.VERBOSE,
)
_NOT_PRODUCT: Final = re.compile(
    r"""(^|/)(docs?|examples?|scripts?|tools?|bin|ci|\.[^/]+|benchmarks?|bench|asv_bench|extra|contrib|fixtures|vendor)/
      | (^|/)(setup|noxfile|conftest|tasks|fabfile|conf)\.py$
      | (^|/)[^/]*\.(config|conf|setup)\.[cm]?[jt]s$ | (^|/)(Gruntfile|gulpfile|rollup[^/]*)\.[cm]?js$""",
    re.VERBOSE,
)
_CONFIGURATION: Final = re.compile(
    r"""(^|/)(
        pyproject\.toml | setup\.cfg | tox\.ini | pytest\.ini | mypy\.ini | \.?ruff\.toml | \.flake8 |
          \.coveragerc | \.?pylintrc
      | \.pre-commit-config\.yaml | noxfile\.py | package\.json | tsconfig[^/]*\.json | \.eslintrc[^/]* |
        eslint\.config\.[cm]?[jt]s
      | (jest|vitest|playwright|karma|cypress|vite)\.config\.[cm]?[jt]s | \.mocharc[^/]* | \.nycrc[^/]* | codecov\.ya?ml
      | \.golangci\.(ya?ml|toml|json) | clippy\.toml | \.?rubocop[^/]*\.ya?ml | Cargo\.toml | \.travis\.yml |
        \.gitlab-ci\.yml
      | azure-pipelines[^/]*\.ya?ml | appveyor\.yml | bitbucket-pipelines\.yml | Jenkinsfile | [Mm]akefile | [^/]*\.mk
      | justfile | Taskfile\.ya?ml | Rakefile | pom\.xml | build\.gradle(\.kts)? | biome\.json | deno\.json |
        conftest\.py
    )$ | ^\.github/(workflows|actions)/ | ^\.circleci/ | ^\.ci/ | ^\.buildkite/ | (^|/)(ci|scripts?|
      tools)/[^/]*(\.sh)?$""",
    re.VERBOSE,
)


@lru_cache(maxsize=4096)
def language(path: str) -> str:
    return _LANGUAGES.get(path.rpartition(".")[2].lower(), "") if "." in path else ""


@lru_cache(maxsize=4096)
def is_test(path: str) -> bool:
    """A test or a helper of tests. Rust keeps tests beside the code, so every file of it may be one."""
    return bool(language(path)) and (bool(_TEST_NAME.search(path)) or bool(_TEST_PART.search(path)))


@lru_cache(maxsize=4096)
def is_collected(path: str) -> bool:
    """Whether pytest looks for tests in a Python file of this name without being told to."""
    return bool(_COLLECTED.search(path))


@lru_cache(maxsize=4096)
def is_recording(path: str) -> bool:
    return bool(_RECORDING.search(path)) and not path.endswith((".py", ".go", ".rs", ".md", ".rst"))


@lru_cache(maxsize=4096)
def is_configuration(path: str) -> bool:
    return bool(_CONFIGURATION.search(path))


@lru_cache(maxsize=4096)
def is_product(path: str) -> bool:
    return bool(language(path)) and not is_test(path) and not _NOT_PRODUCT.search(path)
