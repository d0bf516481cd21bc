"""The environment of commands: a short list of what the host passes on, because everything else may be a secret.

A deny-list of names (`*_KEY`, `*_TOKEN`, …) was not chosen: it has to know every name a secret can have.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

_PASSED_ON: Final = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        # where tool chains live; without them a project that builds for its owner does not build for an agent
        *("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYENV_ROOT", "NVM_DIR", "JAVA_HOME"),
        *("GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)

_SETTINGS: Final = {
    # nobody is there to answer a prompt, leave a pager or close an editor
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "PAGER": "cat",
    "GIT_EDITOR": "true",
    # the user's own git settings (hooks, signing, aliases) are not part of the task
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    # what was printed before a time-out has to be seen
    "PYTHONUNBUFFERED": "1",
    # compiled files are told apart by size and whole seconds: an agent that edits and tests within one
    # second could otherwise be shown the result of the code before its edit
    "PYTHONDONTWRITEBYTECODE": "1",
}

# Only for what is masked in texts, where a name that is missed here can still be found by its value's shape.
_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:[A-Z0-9]*(?:APIKEY|PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL)S?"
    r"|KEYS?|PWD|PASS|AUTH|COOKIES?|PAT|DSN|HEADERS|(?:DATABASE|DB|REDIS|MONGO\w*|PROXY|INDEX)_UR[IL])(?:_|$)"
)
_PLACE: Final = re.compile(r"(?:[/~.]|[A-Za-z]:\\|[a-z][a-z0-9+.-]*://[^@]*$)")
_HOLDS_PASSWORD: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/@\s]+@", re.IGNORECASE)


def secret_variables(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Those of the host's variables, or of others, that are secrets by name or hold a URL with a password in it.

    Paths, such as that of an agent's socket, and plain URLs are none. For masking; nothing else may use it.
    """
    return {
        name: value
        for name, value in (os.environ if variables is None else variables).items()
        if _HOLDS_PASSWORD.match(value)
        or (_SECRET_NAME.search(name.upper()) and name not in _PASSED_ON and not _PLACE.match(value.strip()))
    }


def command_environment(*extra: Mapping[str, str]) -> dict[str, str]:
    """Read from `os.environ` at the moment of the call; later `extra` wins over earlier."""
    passed_on = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith("LC_")}
    environment = passed_on | _SETTINGS
    for variables in extra:
        environment |= variables
    return environment
