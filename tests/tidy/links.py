"""The check for dead links in the project's Markdown files: `python tests/tidy/links.py`.

Owns what counts as a link, a heading and an anchor. Looks only at links between files of the project, headings
included; never opens an address on the network.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_INLINE = re.compile(r"\]\(\s*<?([^()\s<>]*(?:\([^()\s]*\)[^()\s<>]*)*)>?(?:\s+[\"'(][^\n]*?[\"')])?\s*\)")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$")
_UNDERLINE = re.compile(r"^ {0,3}(?:=+|-+)\s*$")
_ANCHOR = re.compile(r"<[a-zA-Z]+[^>]*\b(?:id|name)=[\"']([^\"']+)[\"']")
_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:|^//")


def markdown_files(root: Path) -> list[Path]:
    """List the Markdown files of the project, those in hidden folders and in data/ left out."""
    return sorted(
        path
        for path in root.rglob("*.md")
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.relative_to(root).parts[0] != "data"
    )


def prose_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines that are not part of a fenced code block."""
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip(" " + fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        else:
            yield number, line


def slug(heading: str) -> str:
    """Turn a heading into the anchor that code hosts give it: lower case, hyphens, no punctuation."""
    words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    words = re.sub(r"<[^>]+>|[`*]", "", words)
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Collect every anchor of a Markdown text: its headings, numbered where they repeat, and explicit ids."""
    found: set[str] = set()
    previous = ""
    for _, line in prose_lines(text):
        found.update(_ANCHOR.findall(line))
        heading = _HEADING.match(line)
        title = heading[1] if heading else previous if _UNDERLINE.match(line) else ""
        if title.strip():
            base = candidate = slug(title)
            repeat = 0
            while candidate in found:
                repeat += 1
                candidate = f"{base}-{repeat}"
            found.add(candidate)
        previous = line
    return found


def links(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and target of every link and image that names no network address."""
    for number, line in prose_lines(text):
        bare = _CODE.sub("", line)
        for target in [*_INLINE.findall(bare), *_REFERENCE.findall(bare)]:
            if target and not _SCHEME.match(target):
                yield number, unquote(target)


def fault_of(target: str, source: Path, root: Path) -> str | None:
    """Say what is wrong with a link, or None if it leads to a file, folder or heading of the project."""
    name, _, anchor = target.partition("#")
    path = (source.parent / name).resolve() if name else source
    if name.startswith("/"):
        return "is absolute; write it relative to this file"
    if not path.is_relative_to(root):
        return "leads out of the project"
    if not path.exists():
        return "leads to no file"
    if anchor and path.suffix == ".md" and anchor not in anchors(path.read_text(encoding="utf-8")):
        return "names a heading that is not there"
    return None


def dead_links(root: Path = ROOT) -> list[str]:
    """List the dead links of all Markdown files under a folder, one sentence each."""
    return [
        f"{source.relative_to(root)}:{number}: the link {target!r} {fault}"
        for source in markdown_files(root)
        for number, target in links(source.read_text(encoding="utf-8"))
        if (fault := fault_of(target, source, root))
    ]


def main() -> int:
    """Print the dead links and return how the check went, as an exit code."""
    dead = dead_links()
    for sentence in dead:
        print(sentence, file=sys.stderr)
    if not dead:
        print(f"All links between the {len(markdown_files(ROOT))} Markdown files lead somewhere.")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
