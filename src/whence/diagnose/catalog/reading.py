"""Catalog files: TOML → codes, with everything that is wrong with a file said at once."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from whence.diagnose.catalog.entry import FIELDS, INSIGHTS, OF_CATEGORY, SEVERITIES, WRITTEN, Category, Code
from whence.errors import BadInput, StoreUnreachable
from whence.model.severity import Severity

OURS: Final = "whence"
MOST_BYTES: Final = 4 * 1024 * 1024
"""A larger file is no catalog."""
CODE: Final = re.compile(r"[A-Z][0-9]{2}-[0-9]{2}")
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_LETTER = re.compile(r"[A-Z]")
_TEXTS = ("name", "category", "severity", "description", "detector", "raised_by", "insight_type")
_LISTS = ("remediation", "references", "aliases")


class Tables(msgspec.Struct, frozen=True):
    """Codes and categories, in order of their names."""

    codes: Mapping[str, Code]
    categories: Mapping[str, Category]


NOTHING: Final = Tables({}, {})


def packaged() -> Tables:
    """Return the catalog that comes with whence."""
    text = resources.files(__package__).joinpath("codes.toml").read_text(encoding="utf-8")
    found, problems = added(NOTHING, text, OURS)
    if problems:
        raise BadInput("; ".join(problems))  # ours: a test reads it, so this is a broken installation
    return found


def read(path: Path) -> str:
    """Return the text of a catalog file.

    Raises:
        BadInput: it is no text file of a bearable size.
        StoreUnreachable: it cannot be read.
    """
    try:
        if not path.is_file():
            what = "is no file" if path.exists() else "does not exist"
            raise BadInput(f"{path} {what}; give a TOML file, or take it out of WHENCE_CODES")
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"{path} has {path.stat().st_size:,} bytes; a catalog has at most {MOST_BYTES:,}")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise BadInput(f"{path} is not UTF-8: {exc}; save it as UTF-8") from exc
    except OSError as exc:
        raise StoreUnreachable(f"{path} cannot be read: {exc.strerror}; mend its permissions") from exc


def added(base: Tables, text: str, source: str) -> tuple[Tables, list[str]]:
    """Return the tables with what a file adds and changes, and everything that is wrong with the file.

    Args:
        source: the file's name, for messages and for `Code.source`.
    """
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        return base, [f"{source}: {exc}; accepted: TOML with [codes.X01-01] and [categories.X]"]
    return _File(base, said, text, source).read()


class _File:
    """One file being read."""

    def __init__(self, base: Tables, said: dict[str, Any], text: str, source: str) -> None:
        self.base, self.said, self.source = base, said, source
        self.lines = text.splitlines()
        self.problems: list[str] = []

    def read(self) -> tuple[Tables, list[str]]:
        for key in self.said:
            if key not in ("codes", "categories"):
                self.wrong((key,), f"{key!r} is not known; accepted: codes, categories")
        categories = dict(self.base.categories)
        for letter, fields in self.table("categories"):
            made = self.category(letter, fields)
            if made is not None:
                categories[letter] = made
        codes = dict(self.base.codes)
        for code, fields in self.table("codes"):
            entry = self.code(code, fields, categories)
            if entry is not None:
                codes[code] = entry
        self.check_aliases(codes)
        return Tables(dict(sorted(codes.items())), dict(sorted(categories.items()))), self.problems

    # -- saying what is wrong ------------------------------------------------------------------------------------------

    def wrong(self, path: tuple[str, ...], message: str) -> None:
        """Note a problem, with the line where the key stands, if it can be told."""
        line = self.line_of(path)
        where = f"{self.source}, line {line}" if line else self.source
        self.problems.append(f"{where}: {'.'.join(path)}: {message}")

    def line_of(self, path: tuple[str, ...]) -> int:
        """Return the line, from 1, of a table's head or of a key in it; 0 where it is written in another way."""
        *table, last = path
        head, inside = ".".join(path), False
        for number, line in enumerate(self.lines, 1):
            plain = line.strip().replace('"', "").replace("'", "")
            if plain.split("#")[0].strip() == f"[{head}]":
                return number
            if plain.startswith("["):
                inside = plain.split("#")[0].strip() == f"[{'.'.join(table)}]"
            elif (inside and re.match(rf"{re.escape(last)}\s*=", plain)) or re.match(rf"{re.escape(head)}\s*=", plain):
                return number
        return self.line_of(tuple(table)) if table else 0

    def table(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        found = self.said.get(name, {})
        if not isinstance(found, dict):
            self.wrong((name,), f"is {_kind(found)}; accepted: tables, [{name}.…]")
            return
        for key, fields in found.items():
            if isinstance(fields, dict):
                yield key, fields
            else:
                self.wrong((name, key), f"is {_kind(fields)}; accepted: a table, [{name}.{key}]")

    # -- entries -------------------------------------------------------------------------------------------------------

    def category(self, letter: str, fields: dict[str, Any]) -> Category | None:
        before = len(self.problems)
        path = ("categories", letter)
        if _LETTER.fullmatch(letter) is None:
            self.wrong(path, "is no category; accepted: one capital letter")
        for key, value in fields.items():
            if key not in OF_CATEGORY:
                self.wrong((*path, key), _unknown(key, tuple(OF_CATEGORY)))
            elif not (isinstance(value, str) and value.strip()):
                self.wrong((*path, key), f"is {_kind(value)}; accepted: {OF_CATEGORY[key][1]}")
            elif key == "insight_type" and value not in INSIGHTS:
                self.wrong((*path, key), f"{value!r} is not accepted; accepted: {', '.join(INSIGHTS)}")
        known = self.base.categories.get(letter)
        if known is None:
            for key in ("name", "description"):
                if key not in fields:
                    self.wrong(path, f"has no {key}; accepted: {OF_CATEGORY[key][1]}")
        if len(self.problems) > before:
            return None
        return msgspec.structs.replace(known, **fields) if known is not None else Category(letter=letter, **fields)

    def code(self, code: str, fields: dict[str, Any], categories: Mapping[str, Category]) -> Code | None:
        before = len(self.problems)
        path = ("codes", code)
        if CODE.fullmatch(code) is None:
            self.wrong(path, f"is no code; accepted: {FIELDS['code'][1]}")
            return None
        for key, value in fields.items():
            self.check_field((*path, key), key, value, code, categories)
        known = self.base.codes.get(code)
        if code[0] not in categories:
            self.wrong(
                path,
                f"category {code[0]} is not known; accepted: {', '.join(categories)}, or add [categories.{code[0]}]",
            )
        if known is None:
            for key in ("name", "severity", "description", "remediation"):
                if key not in fields:
                    self.wrong(path, f"has no {key}; accepted: {FIELDS[key][1]}")
        has_source = known is not None or fields.get("detector") or fields.get("raised_by")
        if not has_source:
            self.wrong(
                path, 'has neither detector nor raised_by; accepted: detector = "…" or raised_by = "…", who raises it'
            )
        if len(self.problems) > before:
            return None
        return _made(code, fields, known, categories, self.source)

    def check_field(
        self, path: tuple[str, ...], key: str, value: Any, code: str, categories: Mapping[str, Category]
    ) -> None:
        if key not in WRITTEN:
            self.wrong(path, _unknown(key, WRITTEN))
        elif key in _LISTS:
            if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
                self.wrong(path, f"is {_kind(value)}; accepted: {FIELDS[key][1]}")
            elif key == "remediation" and not value:
                self.wrong(path, f"is empty; accepted: {FIELDS[key][1]}")
        elif key == "vector_signature":
            if not isinstance(value, list) or not all(_is_number(each) for each in value):
                self.wrong(path, f"is {_kind(value)}; accepted: {FIELDS[key][1]}")
        elif key in _TEXTS and not (isinstance(value, str) and value.strip()):
            self.wrong(path, f"is {_kind(value)}; accepted: {FIELDS[key][1]}")
        elif key == "name" and _NAME.fullmatch(value) is None:
            self.wrong(path, f"{value!r} is not accepted; accepted: {FIELDS[key][1]}")
        elif key == "severity" and value.lower() not in SEVERITIES:
            self.wrong(path, f"{value!r} is not accepted; accepted: {', '.join(SEVERITIES)}")
        elif key == "insight_type" and value not in INSIGHTS:
            self.wrong(path, f"{value!r} is not accepted; accepted: {', '.join(INSIGHTS)}")
        elif key == "category" and (value != code[0] or value not in categories):
            self.wrong(path, f"{value!r} is not accepted; accepted: {code[0]!r}, the first letter of the code")

    def check_aliases(self, codes: Mapping[str, Code]) -> None:
        """An alias must mean one code, and must not be one itself."""
        owners: dict[str, str] = {}
        names = {each.name: code for code, each in codes.items()}
        for code, entry in codes.items():
            for alias in entry.aliases:
                taken = owners.setdefault(alias.upper(), code)
                if taken != code or codes.get(alias, entry) is not entry or names.get(alias, code) != code:
                    other = taken if taken != code else alias
                    self.wrong(
                        ("codes", code, "aliases"), f"{alias!r} means {other} already; accepted: a name that is free"
                    )
            if names[entry.name] != code:
                self.wrong(
                    ("codes", code, "name"),
                    f"{entry.name!r} is the name of {names[entry.name]} already; choose another",
                )


def _made(
    code: str, fields: dict[str, Any], known: Code | None, categories: Mapping[str, Category], source: str
) -> Code:
    values: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in fields.items()}
    if "severity" in values:
        values["severity"] = Severity[values["severity"].upper()]
    if "vector_signature" in values:
        values["vector_signature"] = tuple(float(each) for each in values["vector_signature"])
    values["source"] = source
    if known is not None:
        return msgspec.structs.replace(known, **values)
    values.setdefault("category", code[0])
    values.setdefault("insight_type", categories[code[0]].insight_type)
    return Code(code=code, **values)


def _unknown(key: str, accepted: tuple[str, ...]) -> str:
    close = get_close_matches(key, accepted, 1)
    return f"is not known{f'; did you mean {close[0]}?' if close else ''}; accepted: {', '.join(accepted)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _kind(value: Any) -> str:
    """Return in words what a value is."""
    if isinstance(value, str):
        return repr(value[:80]) if value.strip() else "empty"
    return {dict: "a table", list: "a list of something else or with empty texts", bool: "true or false"}.get(
        type(value), f"{value!r:.80}"
    )
