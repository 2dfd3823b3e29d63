"""How Python text is laid out: where its logical lines begin, how they are indented, how far expressions are chained.

A scanner of our own, linear in time for any text: the standard `tokenize` takes minutes for some hostile lines
(`'\\'\\'\\'…`), and stops where the syntax is wrong. It knows strings, comments, brackets and continued lines and
nothing else, which is what indentation depends on. A quote nested in an f-string by the same quote (Python 3.12) ends
the string too early for it; that can misjudge the lines of that one statement.
"""

import re
from collections import Counter

import msgspec

from whence.checks.interface import Collected

MOST_CHAINED = 20_000
"""So many characters of one expression may follow each other without a comma; strings, comments and long blanks
are not counted. A
chain such as a.b.c… becomes a syntax tree as deep as it is long, and building one 100,000 deep ends the process where
the host has raised the recursion limit; by default Python refuses 3,000."""

_TOKEN = re.compile(
    r"""
    (?P<code>[^\#'"\n\\()\[\]{},;]++)
  | (?P<newline>\n)
  | (?P<comment>\#[^\n]*+)
  | (?P<string>
        \"\"\"(?:[^"\\]++|\\.|"(?!""))*+(?:\"\"\")?
      | '''(?:[^'\\]++|\\.|'(?!''))*+(?:''')?
      | "(?:[^"\\\n]++|\\.)*+"?
      | '(?:[^'\\\n]++|\\.)*+'?
    )
  | (?P<continued>\\\n?)
  | (?P<open>[(\[{])
  | (?P<close>[)\]}])
  | (?P<end>[,;])
    """,
    re.VERBOSE | re.DOTALL,
)
_INDENT = re.compile(r"[ \t\f]*")


class Layout(msgspec.Struct, frozen=True):
    """What a scan of the text saw."""

    indents: list[tuple[int, str]]  # of each logical line that is not blank: its first line's number, its indentation
    chained_line: int | None  # where the first chain above MOST_CHAINED is


def scan(text: str) -> Layout:
    """Return the layout of a text whose lines end in \\n."""
    indents: list[tuple[int, str]] = []
    chained_line: int | None = None
    line, fresh = 1, 0  # fresh: the offset at which a logical line begins, -1 within one
    chain, outer = 0, list[int]()
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if fresh >= 0 and kind != "newline" and kind != "comment" and not (kind == "code" and token[0].isspace()):
            indent = _INDENT.match(text, fresh)
            # A form feed begins the indentation anew.
            indents.append((line, indent[0].rpartition("\f")[2] if indent is not None else ""))
            fresh = -1
        if kind == "code":
            length = token.end() - token.start()
            chain += length if length < 200 else sum(map(len, token[0].split()))
        elif kind == "newline":
            line += 1
            if not outer:
                chain, fresh = 0, token.end()
        elif kind == "open":
            chain += 1
            outer.append(chain)
        elif kind == "close":
            chain = outer.pop() + 1 if outer else 0
        elif kind == "end":
            chain = outer[-1] if outer else 0
        elif kind == "string" or kind == "continued":
            line += token[0].count("\n")
        if chain > MOST_CHAINED and chained_line is None:
            chained_line = line
    return Layout(indents, chained_line)


def check_indentation(layout: Layout, found: Collected) -> dict[str, object]:
    """Add what is wrong with the indentation; return what it is made of: `unit` ("tab", or columns) and `lines`."""
    tabs = sum(indent.startswith("\t") for _, indent in layout.indents)
    spaces = sum(indent.startswith(" ") for _, indent in layout.indents)
    main = "\t" if tabs > spaces else " "
    steps: list[tuple[int, int]] = []  # line, columns it goes in
    open_blocks = [0]
    wrong: list[tuple[int, str, str, int]] = []
    for line, indent in layout.indents:
        if indent.strip(indent[:1]):
            wrong.append((line, "E_TABS_AND_SPACES", "indented with tabs and spaces together", len(indent) + 1))
        elif indent and indent[0] != main:
            this, others = ("tabs", "spaces") if main == " " else ("spaces", "tabs")
            wrong.append((line, "E_TABS_AND_SPACES", f"indented with {this}, where others are with {others}", 1))
        width = len(indent.expandtabs(8))
        if width > open_blocks[-1]:
            if indent.count(main) == len(indent):
                before = open_blocks[-1]
                steps.append((line, (width - before) // 8 if main == "\t" else width - before))
            open_blocks.append(width)
            continue
        while open_blocks[-1] > width:
            open_blocks.pop()
        if open_blocks[-1] != width:
            wrong.append((line, "E_DEDENT", "goes back to an indentation that no line before it has", len(indent) + 1))
            open_blocks.append(width)
    unit = Counter(step for _, step in steps).most_common(1)
    if unit:
        name = "tabs" if main == "\t" else "columns"
        wrong += [
            (line, "E_INDENT_WIDTH", f"goes in by {step} {name}, where others go in by {unit[0][0]}", 1)
            for line, step in steps
            if step != unit[0][0]
        ]
    for line, code, message, column in sorted(wrong):
        found.add(code, message, line, column)
    kind = ("tab" if main == "\t" else unit[0][0]) if unit else None
    return {"unit": kind, "lines": len(layout.indents)}
