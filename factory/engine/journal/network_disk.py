"""Whether a file lies on a disk that other machines may use too.

SQLite's write-ahead log lives by memory that its users share (https://www.sqlite.org/wal.html, 3), which two machines
never do: over a network they overwrite each other's replies, and each of them believes that it stored its own. There a
rollback journal takes its place, which needs the disk's locks alone, and is slower.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_KINDS = re.compile(
    r"9p|afs|beegfs|ceph|cifs|coda|gfs2|glusterfs|gpfs|lustre|mmfs|ncpfs|nfs[34]?|ocfs2|orangefs|panfs|prl_fs|pvfs2"
    r"|smb3|smbfs|vboxsf|virtiofs|vmhgfs|wekafs"
)
_FUSE = re.compile(
    r"fuse\.(\S*(sshfs|gluster|s3|gcs|juicefs|rclone|ceph|davfs|goofys|seaweed|blobfuse|moosefs|mfs|lizardfs|alluxio|"
    r"osxfs|grpcfuse|vmhgfs|quobyte|cvmfs|oss|cos|hdfs|nfs)\S*)",
    re.IGNORECASE,
)


def network_disk(path: Path, mounts: Path = _MOUNTS) -> str:
    """The kind of network disk that a file lies on ("nfs4", "lustre", ...).

    "" where its disk belongs to this machine, or where the system does not tell: only Linux does.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    where = os.path.realpath(path)
    depth, found = -1, ""
    for line in lines:
        before, _, behind = line.partition(" - ")
        try:
            point, kind = _plain(before.split()[4]), behind.split()[0]
        except IndexError:
            continue
        inside = where == point or where.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= depth:  # of two mounts in one place, the later one is seen
            depth, found = len(point), kind
    return found if _KINDS.fullmatch(found) or _FUSE.fullmatch(found) else ""


def _plain(point: str) -> str:
    r"""A mount's place as a path: the system writes blanks in it as \040."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point)
