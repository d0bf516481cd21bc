"""What the host has git do in a box: a script for each purpose, since starting a command costs more than git does.

A box's commands take 6 to 15 ms to start, so eight of them are what an import takes most of its time for.
Settings, hooks, locks and the index an agent has made in its copy must not make git do something else.
"""

from __future__ import annotations

from typing import Final

INDEX: Final = ".git/captain/index"
"""The index snapshots are made with, out of reach of what an agent stages, locks or forgets."""

_START: Final = f"""
set -e
export LC_ALL=C GIT_INDEX_FILE={INDEX}
g() {{
    git --git-dir=.git --work-tree=. -c core.bare=false -c core.fsmonitor=false -c core.hooksPath=/dev/null \\
        -c core.splitIndex=false -c core.untrackedCache=false "$@"
}}
rm -f {INDEX}.lock
"""
"""Whoever held the lock was ended together with its command."""

_LISTS: Final = ".git/captain/new .git/captain/changed .git/captain/lines .git/captain/kept"

SNAPSHOT: Final = f"""{_START}
# Paths end with NUL and may hold line ends: for sed the two change places, and change back.
keep() {{
    [ -s "$1" ] || return 0
    tr '\\0\\n' '\\n\\0' <"$1" >.git/captain/lines
    sed -n "$2" <.git/captain/lines >.git/captain/kept
    tr '\\0\\n' '\\n\\0' <.git/captain/kept >"$1"
    [ -s "$1" ] || return 0
    g update-index -z --add --remove --replace --stdin <"$1"
}}
rm -rf {_LISTS}
# New paths first: where a link replaced a folder, its former files can be neither hashed nor removed one by one.
# What ends with a slash is a repository nested in the files.
g ls-files -z --exclude-standard --others >.git/captain/new
keep .git/captain/new '/\\/$/!p'
g ls-files -z --format='%(objectmode) %(path)' --modified --deleted >.git/captain/changed
keep .git/captain/changed '/^160000 /!s/^[0-7]* //p'
tree=$(g write-tree)
printf '%s\\n' "$tree"
[ "$tree" = "$1" ] || printf '%s\\n^%s\\n' "$tree" "$1" | g pack-objects --revs --thin --stdout -q
rm -rf {_LISTS}
"""
"""Prints the tree of the files as they are and, unless it is the tree `$1`, a pack of what `$1` does not have.

What `git add -A` does, without its two ways to fail: it turns a repository nested in the files into a link to
a commit nobody else has, and stops altogether at one without commits. Tests that run `git init` leave such
folders behind.
"""

_READ: Final = """
rm -rf .git/index .git/index.lock .git/HEAD.lock .git/MERGE_HEAD .git/CHERRY_PICK_HEAD .git/REVERT_HEAD \\
    .git/rebase-merge .git/rebase-apply .git/sequencer
g read-tree --reset -u "$1"
"""
_POINT: Final = f"""
g update-ref --no-deref HEAD "$1"
cp -p {INDEX} .git/index
"""

RESET: Final = f"{_START}{_READ}g clean -ffdq\n{_POINT}"
"""Brings files, index and HEAD to the commit `$1`; ignored files stay."""

ADVANCE: Final = f"{_START}{_READ}{_POINT}"
"""As `RESET`, where there is nothing new to remove yet."""
