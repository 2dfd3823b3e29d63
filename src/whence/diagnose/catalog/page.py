"""The catalog as a page of the documentation: `python -m whence.diagnose.catalog.page > docs/codes.md`."""

import sys
from collections.abc import Iterable

from whence.diagnose.catalog.entry import ACTION, FIELDS, OF_CATEGORY, WRITTEN, Category, Code
from whence.diagnose.catalog.reading import packaged

_HEAD = """# Trouble codes

<!-- Made by `python -m whence.diagnose.catalog.page` from src/whence/diagnose/catalog/codes.toml; change that file. -->

A code says what is wrong, always by the same name, so that people and programs can count it, look it up and act on it. It
is written as category, subsystem and fault: `T01-01` is the first fault of the first subsystem of the transformer.

`whence codes list` shows them, `whence codes explain CODE` says what one means and what to do, `whence codes show CODE`
says everything, with the problems that it was last seen in. All of them accept a name or an alias in place of the code.

## Severities

{severities}

## Categories

{categories}

## Codes of your own

Codes are added, and fields of these changed, in `codes.toml` in the data directory and in every file that the variable
`WHENCE_CODES` names (separated like `PATH`); the last file wins. Of a code that is known already, only the fields given
are changed.

```toml
[categories.X]
name = "Export"
description = "Writing results for others."

[codes.X01-01]
name = "EXPORT_REFUSED"
severity = "high"
description = "The receiving side refused the export."
remediation = ["Read its answer: `whence why last`.", "Send it again once it is mended."]
raised_by = 'whence.event("export", code="X01-01")'

[codes.T01-04]
severity = "high"
```

A program raises a code by giving it to an event
(`whence.event("export", code="X01-01")`), or by an
exception that has it as its attribute `code`. A file with a mistake in it is left out as a whole, and the program that
records never notices; `whence codes check` names every mistake with its line.

## Fields

{fields}

Of a category:

{of_category}

## The codes
"""


def page() -> str:
    """Return docs/codes.md."""
    known = packaged()
    head = _HEAD.format(
        severities=_table(("severity", "what is to be done"), ((each.label, what) for each, what in ACTION.items())),
        categories=_table(
            ("letter", "name", "what belongs there", "insight"),
            ((f"`{e.letter}`", e.name, e.description, e.insight_type) for e in known.categories.values()),
        ),
        fields=_table(
            ("field", "meaning", "accepted"),
            ((f"`{name}`" if name in WRITTEN else f"`{name}` *", *FIELDS[name]) for name in FIELDS),
        )
        + "\n\n\\* not a key of its own",
        of_category=_table(("field", "meaning", "accepted"), ((f"`{n}`", *said) for n, said in OF_CATEGORY.items())),
    )
    parts = [head]
    for letter, category in known.categories.items():
        codes = [each for each in known.codes.values() if each.category == letter]
        parts.append(_section(category, codes))
    return "\n".join(parts)


def _section(category: Category, codes: Iterable[Code]) -> str:
    return f"\n### {category.name} ({category.letter})\n" + "".join(_code(each) for each in codes)


def _code(code: Code) -> str:
    also = f", also found as {', '.join(f'`{each}`' for each in code.aliases)}" if code.aliases else ""
    steps = "\n".join(f"{number}. {step}" for number, step in enumerate(code.remediation, 1))
    references = ", ".join(_reference(each) for each in code.references)
    return (
        f"\n#### {code.code} {code.name}\n\n{code.description}\n\n"
        f"Severity {code.severity.label}; insight {code.insight_type}; raised by {code.behind}{also}.\n\n{steps}\n\n"
        f"References: {references}\n"
    )


def _reference(text: str) -> str:
    if text.startswith("https://"):
        return f"<{text}>"
    if text == "docs/codes.md":
        return "this page"
    return f"[{text}]({text.removeprefix('docs/')})" if text.startswith("docs/") else text


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(each)} |" for each in (head, ("---",) * len(head), *rows))


if __name__ == "__main__":
    sys.stdout.write(page())
