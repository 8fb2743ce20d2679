"""`make docs`: write the parts of the pages that are made from code and tests.

With `--check` nothing is written; the exit code is 1 if a page is stale.
"""

import sys

from tests.docs.pages import sections


def main(arguments: list[str]) -> int:
    """Make every section; say which pages changed."""
    check = "--check" in arguments
    stale = []
    for section in sections():
        text = section.path.read_text(encoding="utf-8")
        fresh = section.fresh(text)
        if fresh != text:
            stale.append(f"{section.page}: {section.name}")
            if not check:
                section.path.write_text(fresh, encoding="utf-8")
    for name in stale:
        print(f"{'stale' if check else 'written'}  {name}")
    if not stale:
        print("All pages are as the code makes them.")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
