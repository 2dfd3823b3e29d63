"""Lines as an editor shows them: \\n, \\r\\n and \\r end one; form feeds and Unicode's separators do not."""

CONTEXT_LINES = 2
CONTEXT_CHARS = 160
"""How many lines are shown on each side of a failure, and how much of each."""


class Lines:
    """A text, its line ends made \\n, and its lines."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
        self.lines = self.text.split("\n")

    @property
    def last(self) -> int:
        """The number of the last line that an editor would put text on."""
        return len(self.lines)

    def line(self, number: int) -> str:
        """Return a line by its number from 1; empty where there is none."""
        return self.lines[number - 1] if 1 <= number <= len(self.lines) else ""

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column (both from 1) of an offset into `text`."""
        return self.text.count("\n", 0, offset) + 1, offset - (self.text.rfind("\n", 0, offset) + 1) + 1

    def column(self, number: int, utf8_offset: int) -> int:
        """Return the column in characters, from 1, of a byte offset into the UTF-8 of a line."""
        line = self.line(number)
        if utf8_offset <= 0 or line.isascii():
            return max(utf8_offset, 0) + 1
        return len(line.encode("utf-8", "replace")[:utf8_offset].decode("utf-8", "ignore")) + 1

    def context(self, number: int, column: int | None = None) -> str:
        """Return the lines around one, numbered, that line marked; long lines cut around the column."""
        first, last = max(1, number - CONTEXT_LINES), min(len(self.lines), number + CONTEXT_LINES)
        width = len(str(last))
        return "\n".join(
            f"{'>' if each == number else ' '} {each:>{width}} | {self._shown(each, column if each == number else None)}"
            for each in range(first, last + 1)
        )

    def _shown(self, number: int, column: int | None) -> str:
        line = self.line(number)
        if len(line) <= CONTEXT_CHARS:
            return printable(line)
        start = max(0, min((column or 1) - CONTEXT_CHARS // 2, len(line) - CONTEXT_CHARS))
        cut = line[start : start + CONTEXT_CHARS]
        return printable(f"{'…' if start else ''}{cut}{'…' if start + CONTEXT_CHARS < len(line) else ''}")


def printable(text: str, limit: int | None = None) -> str:
    """Return a text that UTF-8 can carry (lone surrogates are escaped), cut to `limit` characters."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
