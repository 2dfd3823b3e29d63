"""The library: documentation of the installed packages, cut into passages.

Every distribution carries the README its authors published, so there is real text to research on any machine, offline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import Distribution, PackageMetadata, PackageNotFoundError, distributions, requires

SUMMARY, DESCRIPTION = "Summary", "Description"  # headings of what stands under no heading of its own
_HALF_LIFE_YEARS = 3.0  # documentation three years old counts half
_MATURITY = {"5": 0.30, "6": 0.30, "4": 0.18, "3": 0.08, "2": 0.04, "1": 0.0, "7": 0.0}  # trove "Development Status"

_MARKUP: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL | re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"<!--.*?-->", ""),
        (r"\[!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])\](\([^)]*\)|\[[^\]]*\])", ""),  # badge
        (r"!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])", ""),  # image
        (r"\[([^\]]+)\]\([^)]*\)", r"\1"),  # [text](url)
        (r"\[([^\]]+)\]\[[^\]]*\]", r"\1"),  # [text][ref]
        (r"^\[[^\]]+\]:\s.*$", ""),  # [ref]: url
        (r"(?<![\w`])\[([^\[\]\n]+)\](?![(\[:])", r"\1"),  # [ref]
        (r"`([^`<]+?)\s*<[^>`]+>`__?", r"\1"),  # reST link
        (r"<(summary|h[1-6])\b[^>]*>(.*?)</\1>", r"\n\n## \2\n\n"),
        (r"</?[a-zA-Z][^<>]*>", ""),
        (r"^\.\. (?!code|note|warning|versionadded)[^\n]*(\n[ \t]+[^\n]*)*", ""),  # reST directive
        (r"^\.\. [\w-]+::.*$", ""),
        (r":[\w:+.-]+:`([^`]+)`", r"`\1`"),  # reST role
        (r"`([^`]+)`__?(?!\w)", r"\1"),
        (r"``([^`]+)``", r"`\1`"),
        (r"\*\*([^*]*?)\*\*", r"\1"),
        (r"(?<!\w)__([^_\n]+)__(?!\w)", r"\1"),
        (r"^> ?", ""),
        (r"(?<![\w*])[*_]([^*_\n]+)[*_](?![\w*])", r"\1"),
        (r"\\ ", ""),
    )
)
_FENCE = re.compile(r"^(?:```|~~~)[^\n]*\n(.*?)^(?:```|~~~)\s*$", re.DOTALL | re.MULTILINE)
_REST_CODE = re.compile(r"(?:^\.\. code[\w-]*::[^\n]*|::)\n\n((?:[ \t]+[^\n]+\n|\s*\n)+)", re.MULTILINE)
_CODE_MARK = "\x00code{}\x00"
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
_ORNAMENT = re.compile(r"^[^\w`\"'(]+")
_ABOUT_PROJECT = re.compile(
    r"licen[cs]e|install|contribut|change|release|sponsor|bugs|mailing|contact|thanks|enterprise|support|authors|links"
    r"|help|project information|documentation$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One installed package, and how far its documentation can be trusted."""

    name: str
    version: str
    summary: str
    credibility: float  # 0..1
    credibility_signals: tuple[str, ...]
    recency: float  # 0..1; 0.5 means three years old
    recency_reason: str

    @property
    def label(self) -> str:
        """The citation: name and version, as they stand between brackets in a report."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One paragraph of one package's documentation, with the code example that follows it."""

    source: Source
    heading: str
    text: str
    code: str
    position: int  # within its source, from 0; the summary comes first

    @property
    def about_project(self) -> bool:
        """Whether its section is about the project (licence, installation, releases) and not about the subject."""
        return bool(_ABOUT_PROJECT.search(self.heading))

    @property
    def url(self) -> str:
        """Where the same paragraph can be read online."""
        anchor = re.sub(r"[^a-z0-9]+", "-", self.heading.lower()).strip("-")
        return f"https://pypi.org/project/{self.source.name}/{self.source.version}/#{anchor}"


@cache
def installed(as_of: date, library: str | None = None) -> tuple[Passage, ...]:
    """Return the passages of every package that this interpreter can import; or of one, and of what that one needs.

    What else is installed differs from one environment to the next, and with it what a question finds.
    """
    passages = load(as_of=as_of)
    wanted = needed_by(library) if library is not None else None
    return tuple(each for each in passages if wanted is None or _key(each.source.name) in wanted)


def needed_by(library: str) -> frozenset[str]:
    """Return the names of a distribution and of all that it needs, extras aside, as far as they are installed."""
    found: set[str] = set()
    waiting = [library]
    while waiting:
        name = _key(waiting.pop())
        if name in found:
            continue
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            continue
        found.add(name)
        waiting += [re.split(r"[^\w.-]", each)[0] for each in needs if "extra ==" not in each]
    return frozenset(found)


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def load(*, as_of: date, path: list[str] | None = None) -> tuple[Passage, ...]:
    """Return the passages of the distributions on `path` (None: `sys.path`), by package name and position."""
    found: dict[str, tuple[Passage, ...]] = {}
    for distribution in distributions() if path is None else distributions(path=path):
        metadata = distribution.metadata
        if not metadata or not _first(metadata, "Name"):
            continue  # a leftover directory without metadata
        key = _key(_first(metadata, "Name"))
        if key not in found:  # the first on the path is the one that gets imported
            found[key] = tuple(_passages(distribution, as_of))
    return tuple(passage for key in sorted(found) for passage in found[key])


def _passages(distribution: Distribution, as_of: date) -> Iterator[Passage]:
    metadata = distribution.metadata
    source = _source(distribution, as_of)
    if source.summary:
        yield Passage(source=source, heading=SUMMARY, text=source.summary, code="", position=0)
    for position, (heading, text, code) in enumerate(paragraphs(_first(metadata, "Description")), start=1):
        yield Passage(source=source, heading=heading, text=text, code=code, position=position)


def paragraphs(description: str) -> Iterator[tuple[str, str, str]]:
    """Yield (heading, prose, code example or "") from a README in Markdown or reStructuredText."""
    examples: list[str] = []

    def lift(match: re.Match[str]) -> str:
        examples.append(match.group(1).strip("\n"))
        return f"\n\n{_CODE_MARK.format(len(examples) - 1)}\n\n"

    text = _REST_CODE.sub(lift, _FENCE.sub(lift, description.replace("\r\n", "\n")))
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)

    heading, waiting = DESCRIPTION, ""
    for block in re.split(r"\n\s*\n", text):
        title, prose, code = _read_block(block, examples)
        if (title or prose) and waiting:
            yield heading, waiting, ""
            waiting = ""
        heading = title or heading
        if prose:
            waiting = prose
        elif code and waiting:
            yield heading, waiting, code
            waiting = ""
    if waiting:
        yield heading, waiting, ""


def _read_block(block: str, examples: list[str]) -> tuple[str, str, str]:
    """Return (heading, prose, code); at most code or the other two are filled."""
    if match := re.search(r"\x00code(\d+)\x00", block):
        return "", "", examples[int(match.group(1))]
    lines = [line.rstrip() for line in block.strip("\n").splitlines() if line.strip()]
    title = ""
    if lines and (match := re.match(r"#{1,6}\s+(.*?)\s*#*$", lines[0])):
        title, lines = match.group(1), lines[1:]
    elif len(lines) > 1 and re.fullmatch(r"([=~\-^\"'+#*])\1{2,}", lines[1]):
        title, lines = lines[0].strip(), lines[2:]
    prose = ""
    for line in lines:
        separator = "\n" if _BULLET.match(line) else " "  # a wrapped line goes on, a bullet begins anew
        prose += separator + re.sub(r"\s+", " ", _ORNAMENT.sub("", _BULLET.sub("", line)))
    prose = prose.strip()
    return title, prose if _is_prose(prose) else "", ""


def _is_prose(text: str) -> bool:
    letters = sum(character.isascii() and character.isalpha() for character in text)
    return len(text.split()) >= 5 and letters >= 0.6 * len(text)


def _source(distribution: Distribution, as_of: date) -> Source:
    metadata = distribution.metadata
    credibility, signals = _credibility(metadata)
    recency, reason = _recency(distribution, as_of)
    return Source(
        name=_first(metadata, "Name"),
        version=_first(metadata, "Version"),
        summary=_first(metadata, "Summary"),
        credibility=credibility,
        credibility_signals=signals,
        recency=recency,
        recency_reason=reason,
    )


def _credibility(metadata: PackageMetadata) -> tuple[float, tuple[str, ...]]:
    """Return a score in 0..1 and the signals that earned it."""
    classifiers = metadata.get_all("Classifier") or []
    status = next((c.rpartition(":: ")[2] for c in classifiers if c.startswith("Development Status")), "")
    licensed = any(_first(metadata, key) for key in ("License", "License-Expression", "License-File")) or any(
        c.startswith("License ::") for c in classifiers
    )
    named = any(_first(metadata, key) for key in ("Author", "Author-email", "Maintainer", "Maintainer-email"))
    urls = len(metadata.get_all("Project-URL") or [])
    length = len(_first(metadata, "Description"))
    earned = {
        f"status {status or 'not stated'}": _MATURITY.get(status[:1], 0.10),
        "licence stated": 0.15 * licensed,
        "author named": 0.15 * named,
        f"{urls} project links": 0.20 * min(urls, 3) / 3,
        f"{length} characters of documentation": 0.20 * min(length, 4000) / 4000,
    }
    return round(sum(earned.values()), 3), tuple(signal for signal, points in earned.items() if points > 0)


def _recency(distribution: Distribution, as_of: date) -> tuple[float, str]:
    """Return a score in 0..1 and what it rests on.

    File times tell when a package was *installed*. The newest Python a release declares says more: since PEP 602,
    Python 3.n appears each October of 2011 + n, so a release that names it is hardly older.
    """
    declared = [
        int(match.group(1))
        for classifier in distribution.metadata.get_all("Classifier") or []
        if (match := re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", classifier))
    ]
    if declared:
        dated, reason = date(2011 + max(declared), 10, 1), f"declares Python 3.{max(declared)}"
    elif match := re.match(r"(20\d\d|[12]\d)\.(\d{1,2})\b", distribution.version):  # calendar version, as in 26.1
        year = int(match.group(1)) % 100 + 2000
        dated, reason = date(year, min(max(int(match.group(2)), 1), 12), 1), f"calendar version {distribution.version}"
    else:
        folder = f"{re.sub(r'[-_.]+', '_', _first(distribution.metadata, 'Name'))}-{distribution.version}.dist-info"
        try:
            written = (distribution.locate_file(folder) / "METADATA").stat().st_mtime  # type: ignore[attr-defined,unused-ignore]
        except (OSError, AttributeError):
            return 0.5, "no date known"
        dated, reason = datetime.fromtimestamp(written, UTC).date(), "date of its metadata file"
    age_years = max((as_of - dated).days, 0) / 365.25
    return round(0.5 ** (age_years / _HALF_LIFE_YEARS), 3), f"{reason}, about {age_years:.1f} years old"


def _first(metadata: PackageMetadata, key: str) -> str:
    """Return a header's first value, or "" when it is absent (`metadata[key]` warns from Python 3.12 on)."""
    values = metadata.get_all(key) or [""]
    return str(values[0] or "").strip()
