"""The digest of a source tree: which engine it was that a campaign ran.

Owns how it is reckoned. Never looks at anything but the files of the tree: a commit, a clock or a build plays no part.
"""

import hashlib
from pathlib import Path


def source_digest(root: Path, *, without: str | None = None) -> str:
    """Give one digest of all Python files under `root`, the folder of a package such as `engine`.

    `without` names a folder in it that is left out.

    It is SHA-256, in hex, over each file in the order of the paths: the path relative to `root` with slashes, a zero
    byte, the SHA-256 of the content. So a file that changes, moves, comes or goes gives another digest, and nothing
    else does.
    """
    whole = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*.py")):
        if without is not None and name.startswith(f"{without}/"):
            continue
        whole.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
