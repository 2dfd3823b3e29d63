"""Links between pages lead somewhere, and decisions are numbered without a gap."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, name_of, pages, prose

_LINK = re.compile(r"(?<!`)\[[^\]\[]*(?:\[[^\]]*\][^\]\[]*)?\]\((?P<to>[^)\s]+)\)")
_PICTURE = re.compile(r"(?:src|srcset)=\"(?P<to>[^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.M)
_ELSEWHERE = ("http://", "https://", "mailto:")


def _anchors(page: Path) -> set[str]:
    slugs = set()
    for heading in _HEADING.findall(prose(page)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slugs.add(re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip()))
    return slugs


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = prose(page)
    targets = [found["to"] for pattern in (_LINK, _PICTURE) for found in pattern.finditer(text)]
    broken = []
    for target in targets:
        if target.startswith(_ELSEWHERE):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in _anchors(there)):
            broken.append(target)
    assert not broken


def test_pages_of_the_site_link_only_to_pages_of_the_site() -> None:
    """A relative link out of docs/ would be broken on the web site."""
    out = [
        f"{name_of(page)}: {found['to']}"
        for page in sorted(DOCS.rglob("*.md"))
        for found in _LINK.finditer(prose(page))
        if not found["to"].startswith((*_ELSEWHERE, "#"))
        and DOCS not in (page.parent / found["to"].partition("#")[0]).resolve().parents
    ]
    assert not out


def test_decisions_are_numbered_without_a_gap_and_have_their_four_parts() -> None:
    found = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in found] == list(range(1, len(found) + 1))
    index = (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")
    for page in found:
        parts = [line[3:] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
        assert parts == ["Context", "Choice", "Rejected", "Consequences"], page.name
        assert page.name in index


def test_every_page_is_in_the_menu_of_the_site() -> None:
    menu = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    listed = set(re.findall(r"\"([\w./-]+\.md)\"", menu))
    assert listed == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} | {"benchmarks.md"}
