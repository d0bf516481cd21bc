"""Whether a folder is on this machine's own disks: SQLite's log is memory that processes of one machine share.

On a network file system two machines would each see a log of their own, and the journal would be lost.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from captain.core.errors import JournalError

MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|afs|coda|ceph|lustre|gpfs|beegfs|pvfs2|ocfs2|gfs2|glusterfs|ncpfs|davfs2?"
    r"|fuse\.(sshfs|glusterfs|ceph.*|s3fs|s3ql|goofys|gcsfuse|rclone|davfs2?|blobfuse2?|mount-s3|juicefs|moosefs|mfs|curlftpfs)"
)


def refuse_network(folder: Path, mounts: Path = MOUNTS) -> None:
    """Raises `JournalError`. Where mounts cannot be listed, nothing is refused."""
    kind = file_system(folder, mounts)
    if kind is not None and _NETWORK.fullmatch(kind):
        raise JournalError(
            f"The folder {folder} is on a network file system ({kind}), where a journal cannot be kept safely.",
            hint="Name a folder on a local disk with --state-dir (state_dir= in code).",
        )


def file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of file system that `folder` is on, as the kernel names it."""
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return None
    place = os.fsencode(folder.resolve())
    best, kind = b"", None
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        if len(fields) < 5 or not after:
            continue
        point = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), fields[4])
        inside = place == point or place.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= len(best):  # of two at one point, the later one lies on top
            best, kind = point, after.split(b" ")[0].decode("utf-8", "replace")
    return kind
