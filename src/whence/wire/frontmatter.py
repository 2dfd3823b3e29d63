"""Report → trace: four lines of YAML at the top of a Markdown report (R1.25), and back.

Only those four keys are ever touched. Every other line of an existing front matter, and every byte of the body, stays
as it was; doing it twice changes nothing.
"""

import re

_BLOCK = re.compile(rb"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_KEY = re.compile(rb"^([A-Za-z_][A-Za-z0-9_-]*)[ \t]*:[ \t]*(.*?)[ \t]*$")
OURS = ("trace_id", "generated_at", "quality_score", "quality_gate")


def _front_matter(text: bytes) -> re.Match[bytes] | None:
    """Return the block, unless it is prose between two rules (Markdown writes those `---` as well)."""
    found = _BLOCK.match(text)
    if found is None:
        return None
    lines = [line for line in found[1].splitlines() if line.strip() and not line.startswith((b" ", b"#", b"-", b"\t"))]
    return found if all(_KEY.match(line) for line in lines) else None


def merge(report: bytes, values: dict[str, str]) -> bytes:
    """Return the report with these values in its front matter, in place where the key exists, else after the last.

    Those of OURS that have no value now go: they were said of another run.

    Args:
        values: of OURS; plain scalars without line breaks (they are ours: ids, times, numbers).
    """
    bom = b"\xef\xbb\xbf" if report.startswith(b"\xef\xbb\xbf") else b""
    rest = report[len(bom) :]
    newline = b"\r\n" if rest.startswith(b"---\r\n") else b"\n"
    found = _front_matter(rest)
    lines = found[1].splitlines() if found else []
    body = rest[found.end() :] if found else rest
    left = {key.encode(): value.encode() for key, value in values.items()}
    merged: list[bytes] = []
    for line in lines:
        key = _KEY.match(line)
        if key is None or key[1].decode() not in OURS:
            merged.append(line)
        elif key[1] in left:
            merged.append(key[1] + b": " + left.pop(key[1]))
    merged += [key + b": " + value for key, value in left.items()]
    return bom + newline.join([b"---", *merged, b"---"]) + newline + body


def read(report: bytes) -> dict[str, str]:
    """Return our values from a report's front matter; {} if there are none."""
    found = _front_matter(report.removeprefix(b"\xef\xbb\xbf"))
    if found is None:
        return {}
    pairs = [key for line in found[1].splitlines() if (key := _KEY.match(line))]
    return {pair[1].decode(): pair[2].decode(errors="replace") for pair in pairs if pair[1].decode() in OURS}
