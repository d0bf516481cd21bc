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
        -c core.splitIndex=false -c core.untrackedCache=false -c core.fsync=none "$@"
}}
rm -f {INDEX}.lock
"""
"""Whoever held the lock was ended together with its command.

Git would wait for the disk for every object it writes. Those of a copy are not kept: what comes back is
written anew on the host, where git does wait.
"""

_LISTS: Final = ".git/captain/new .git/captain/listed .git/captain/kept .git/captain/changed .git/captain/ids"

SNAPSHOT: Final = f"""{_START}
rm -rf {_LISTS}
stage() {{ g update-index -z --add --remove --replace --stdin; }}
changed() {{ g diff-files -z --name-only --no-renames --ignore-submodules=all >.git/captain/changed; }}
# The two looks at all files go on at the same time, as each takes longer than anything else here.
g ls-files -z --exclude-standard --others >.git/captain/new &
looking=$!
changed
wait "$looking"
# Paths end with NUL and may hold line ends: for grep and sed the two change places, and change back.
# What ends with a slash is a repository nested in the files.
if tr '\\0\\n' '\\n\\0' <.git/captain/new | grep -q '/$'; then nested=0; else nested=$?; fi
if [ "$nested" != 1 ]; then
    tr '\\0\\n' '\\n\\0' <.git/captain/new >.git/captain/listed
    sed '/\\/$/d' <.git/captain/listed >.git/captain/kept
    tr '\\0\\n' '\\n\\0' <.git/captain/kept >.git/captain/new
fi
if [ -s .git/captain/new ] || [ -s .git/captain/changed ]; then
    # Where a link replaced a folder, its former files can be neither hashed nor removed one by one: in that case
    # nothing is written, and the new paths have to be in the index before one can tell what else has changed.
    cat .git/captain/new .git/captain/changed | stage 2>/dev/null || {{
        stage <.git/captain/new
        changed
        stage <.git/captain/changed
    }}
fi
tree=$(g write-tree)
printf '%s\\n' "$tree"
if [ "$tree" != "$1" ]; then
    # `pack-objects --revs` would walk all of the old tree first: 20 ms with 10,000 files.
    g diff-tree -r -t --raw --no-abbrev --no-renames --ignore-submodules=none "$1" "$tree" >.git/captain/listed
    printf '%s\\n' "$tree" >.git/captain/ids
    sed -n -e '/^:[0-7]* [01][06]0000 /d' -e 's/^:[0-7]* [0-7]* [0-9a-f]* \\([0-9a-f]*\\) .*/\\1/p' \\
        <.git/captain/listed >>.git/captain/ids
    g pack-objects --stdout -q <.git/captain/ids
fi
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
