"""Mask secrets and personal data in one decoded string."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from whence.redact.keys import NAME_CHARS, has_loose_sign, has_name_sign, is_secret_key, trailing_name
from whence.redact.rules import (
    ADDRESS_RULES,
    NAMED,
    PERSONAL_RULES,
    SECRET_RULES,
    STRONG_NAME,
    Family,
    Rule,
    has_shape,
    is_value,
    is_weak_value,
)

DEFAULT: Final = Family.SECRET | Family.PERSONAL

DENSE: Final = "[REDACTED:dense]"
_WINDOW: Final = 4096  # characters judged together for density
_ANCHORS: Final = "@:=+"  # each occurrence may start an attempt that is not cheap
_MAX_ANCHORS: Final = 1024  # of one kind in one window; JSON or a log has about 300
_MAX_REJECTED: Final = 256  # candidates of one rule in one string that a check turned down
_MAX_PASSES: Final = 4


def redact_text(text: str, families: Family = DEFAULT) -> str:
    """Return the text with every match masked as `[REDACTED:<kind>]`; the same object when nothing matches.

    Idempotent. Time grows linearly with the length; text built to be slow is masked whole, window by window. When
    only the folded form (NFKC, invisible characters removed) matches, the folded form is what is returned, masked.
    """
    masked = _settle(text, families)
    if not text.isascii() and fold_matters(text):
        folded = fold(masked)
        plain = _settle(folded, families)
        if plain != folded:
            return plain
    return masked


def contains_sensitive(text: str) -> bool:
    """Return whether `redact_text` would change the text."""
    return redact_text(text) != text


# Invisible in print, and so a way to hide a secret from a pattern: soft hyphen, combining grapheme joiner, zero-width
# and direction marks, variation selectors, tags.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def fold(text: str) -> str:
    """Return the text as it is searched: invisible characters removed, compatibility forms made plain (NFKC)."""
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


@lru_cache(maxsize=8192)
def _folds(char: str) -> bool:
    # A character matters to the search only if folding removes it or puts ASCII in its place.
    if char == "\u2026":  # an ellipsis is all over prose, and three dots are part of no pattern worth a fold
        return False
    return char > "\x7f" and (not (plain := fold(char)) or any(part < "\x80" for part in plain))


def fold_matters(chars: str) -> bool:
    """Return whether any of these characters can become ASCII, or nothing, when folded."""
    return any(map(_folds, set(chars)))


def _settle(text: str, families: Family) -> str:
    """Apply the rules until nothing changes, so that a second call finds nothing new beside a mask."""
    masked = _mask_dense(text) if len(text) > _MAX_ANCHORS else text
    for _ in range(_MAX_PASSES):
        once = _mask_once(masked, families)
        if once == masked:
            return masked if masked != text else text
        masked = once
    return DENSE


def _mask_dense(text: str) -> str:
    parts: list[str] | None = None
    for start in range(0, len(text), _WINDOW):
        end = start + _WINDOW
        if any(text.count(anchor, start, end) > _MAX_ANCHORS for anchor in _ANCHORS):
            parts = parts if parts is not None else [text[:start]]
            if parts[-1] != DENSE:
                parts.append(DENSE)
        elif parts is not None:
            parts.append(text[start:end])
    return text if parts is None else "".join(parts)


def _mask_once(text: str, families: Family) -> str:
    shaped = has_shape(text.encode("ascii", "replace"))  # without it, two thirds of the rules need not run
    if Family.SECRET in families:
        if "-----BEGIN" in text:
            text = _mask_key_blocks(text)
        for rule in SECRET_RULES:
            if shaped or not rule.shape:
                text = _apply(rule, text)
        if ":" in text or "=" in text:
            text = mask_named(text)
        if "--" in text:
            text = _mask_flags(text)
    if Family.PERSONAL in families:
        if "@" in text:
            text = _mask_emails(text)
        for rule in PERSONAL_RULES:
            if shaped or not rule.shape:
                text = _apply(rule, text)
    if Family.ADDRESS in families:
        for rule in ADDRESS_RULES:
            text = _apply(rule, text)
    return text


def matches(rule: Rule, text: str) -> bool:
    """Return whether this rule would mask something in the text."""
    return _apply(rule, text) is not text


def _apply(rule: Rule, text: str) -> str:
    if rule.gates and not any(gate in text for gate in rule.gates):
        return text
    search = rule.pattern.search
    found = search(text)
    if found is None:
        return text
    parts: list[str] = []
    done, rejected, group = 0, 0, "v" if "v" in rule.pattern.groupindex else 0
    while found is not None:
        start, end = found.span(group)
        part = found[group]
        shaped = not rule.shape or has_shape(found[0].encode("ascii", "replace"))
        if not shaped or (rule.accept is not None and not rule.accept(part)):
            rejected += 1
            if rejected > _MAX_REJECTED:  # built to be slow, or a table of near misses: keep what is before it only
                parts += (text[done : found.start()], DENSE)
                return "".join(parts)
            found = search(text, found.start() + 1)  # a match may begin inside the one turned down
            continue
        parts += (text[done:start], f"[REDACTED:{rule.kind}]")
        done = end
        found = search(text, max(end, found.start() + 1))
    return "".join((*parts, text[done:])) if parts else text


def mask_named(text: str) -> str:
    """Mask the value in `name=value`, `name: value`, `"name": "value"` when the name is a secret's."""
    if not has_loose_sign(text.encode("utf-8", "replace")):
        return text
    parts: list[str] = []
    done = 0
    found = NAMED.search(text)
    while found is not None:
        start, end = found.span("v")
        stop = found.end("n")
        name = trailing_name(text[max(0, stop - NAME_CHARS) : stop])
        judge = is_value if STRONG_NAME.search(name) else is_weak_value
        # The sign is asked for in context, as the prefilter sees it: `x'pin:` shows none.
        context = text[max(0, found.start() - 16) : stop]
        if has_name_sign(context) and is_secret_key(name) and judge(found["v"]):
            parts += (text[done:start], "[REDACTED:secret]")
            done = end
            found = NAMED.search(text, end)
        else:
            found = NAMED.search(text, found.end("n"))
    return "".join((*parts, text[done:])) if parts else text


_FLAG: Final = re.compile(r"(?<![\w\-])--(?P<n>[A-Za-z][\w\-]{1,40}) +(?P<v>(?!-)[^\s\"']{3,200})", re.ASCII)


def _mask_flags(text: str) -> str:
    """Mask the word after a flag whose name announces a secret: `--api-key VALUE`, as command lines and logs have it."""
    parts: list[str] = []
    done = 0
    for found in _FLAG.finditer(text):
        name = found["n"]
        judge = is_value if STRONG_NAME.search(name) else is_weak_value
        if is_secret_key(name) and judge(found["v"]):
            parts += (text[done : found.start("v")], "[REDACTED:secret]")
            done = found.end("v")
    return "".join((*parts, text[done:])) if parts else text


_BLOCK_HEAD: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_BODY: Final = re.compile(r"(?:[A-Za-z0-9+/=\s:,\-]|\\[nrt]){0,65536}")


def _mask_key_blocks(text: str) -> str:
    """Mask PEM and PGP private keys, also ones cut off before their end line."""
    parts: list[str] = []
    done, ends = 0, True
    while (head := _BLOCK_HEAD.search(text, done)) is not None:
        end = text.find("-----END", head.end()) if ends else -1
        if end >= 0:
            close = text.find("-----", end + 8)
            end = close + 5 if 0 <= close <= end + 80 else end + 8
        else:
            ends = False
            body = _BLOCK_BODY.match(text, head.end())
            end = body.end() if body else head.end()
        parts += (text[done : head.start()], "[REDACTED:private_key]")
        done = end
    return "".join((*parts, text[done:])) if parts else text


_DOMAIN: Final = re.compile(r"@(?=[A-Za-z0-9])(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])")
_LOCAL: Final = re.compile(r"(?:\"[^\"\r\n]{1,62}\"|[\w.!#$%&'*+/=?^`{|}~\-]{1,64})\Z")


def _mask_emails(text: str) -> str:
    """Mask addresses, looking back from each @ (RFC 5321: at most 64 characters before it)."""
    parts: list[str] = []
    done = 0
    for domain in _DOMAIN.finditer(text):
        at = domain.start()
        floor = max(done, at - 64)
        local = _LOCAL.search(text[floor:at])
        if local is None or local[0].strip("._-/=&?'`{}|") in ("", "git"):
            continue
        start = floor + local.start()
        # Not part of the address: an opening quote, a key, a path or query in front of it.
        head = max(local[0].rfind(char) for char in "='`{|/&?")
        start += head + 1 if head + 1 < len(local[0]) else 0
        parts += (text[done:start], "[REDACTED:email]")
        done = domain.end()
    return "".join((*parts, text[done:])) if parts else text
