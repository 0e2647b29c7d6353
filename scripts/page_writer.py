"""Write a page of docs/reference that is made from data, or only say whether it is up to date (`--check`)."""

import sys
from pathlib import Path

from ernie_deploy.files import write_atomically

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"


def publish(name: str, text: str) -> int:
    """The exit code: 1 when `--check` was asked for and the page is not the text."""
    page = REFERENCE / name
    if sys.argv[1:] == ["--check"]:
        is_current = page.exists() and page.read_text(encoding="utf-8") == text
        print(f"{name} is {'up to date' if is_current else f'out of date: run scripts/{Path(sys.argv[0]).name}'}")
        return 0 if is_current else 1
    write_atomically(page, text)
    print(f"wrote {page}")
    return 0
