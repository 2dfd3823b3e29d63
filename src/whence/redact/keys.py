"""Names that announce a secret: the value under such a key is masked without being looked at."""

import re
from functools import lru_cache
from typing import Final

# Compared with the whole name once case, separators and camelCase are gone, so `X-Api-Key` is `xapikey`.
_SUFFIXES: Final = (
    "password", "passwords", "passwd", "passphrase", "passcode", "pwd",
    "secret", "secrets", "token",
    "apikey", "apikeys", "accesskey", "accesskeys", "privatekey", "secretkey", "signingkey",
    "encryptionkey", "masterkey", "accountkey", "sharedkey", "authkey", "sshkey", "subscriptionkey", "servicekey",
    "sessionkey", "deploykey", "licensekey", "hmackey",
    "credential", "credentials", "authorization", "cookie", "cookies",
    "connectionstring", "connstring",
)  # fmt: skip

# Too short to be trusted at the end of any name (`spin`): only after a separator or alone.
_LAST_WORDS: Final = frozenset({"pin", "dsn", "ssn", "cvv", "jwt", "otp", "auth"})

# `next_token` pages through a list, `eos_token` is part of a vocabulary, `cost_per_token` is a price.
_HARMLESS_BEFORE_TOKEN: Final = frozenset(
    "per eos bos pad unk sep cls mask stop start end first last next previous prev page continuation max min input "  # noqa: SIM905
    "output prompt completion total reasoning cached special each every single new current decoded sampled to".split()
)

_WORD: Final = re.compile(r"[A-Z]{2,64}(?![a-z])|[A-Z]?[a-z]{1,64}|[0-9]{1,64}|[A-Z]")
_LONGEST_NAME: Final = 256  # a longer "name" is data used as a key; its head is judged


NAME_CHARS: Final = 96  # of a name that are looked at, counted from its end
_IN_NAMES: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- "
_NUMBER: Final = re.compile(r"[0-9]{0,9}\Z")  # password2

# A projection in which the end of a secret's name can be recognised without knowing where names begin: letters in lower
# case, `:` stays, quotes and digits vanish, everything else is `_`. The prefilter applies it to whole records.
_table = bytearray(b"_" * 256)
for _code in b"abcdefghijklmnopqrstuvwxyz":
    _table[_code] = _table[_code - 32] = _code
_table[ord(":")] = ord(":")
NAME_TABLE: Final = bytes(_table)
NAME_DROPPED: Final = b"\"'`\\]0123456789"

# The last four characters of every name accepted below, grouped so that the letters of a group resemble each other.
_ENDS: Final = (
    "word sswd cret oken [isetgnrdhyc_]key [:_]pin [:_]dsn [:_]ssn [:_]jwt [:_isetgnrdhycb]pwd",
    "ords rets keys kies ials",
    "okie tial [:_]cvv [:_]otp",
    "auth(?<=[:_]auth) rase(?<=phrase) code(?<=passcode|ass_code) tion(?<=ization) ring(?<=string)",
)


def _columns(ends: str) -> str:
    """Return one set for each of the four places: anything that ends so is in their product."""
    columns: list[set[str]] = [set(), set(), set(), set()]
    for end in ends.split():
        shape = re.match(r"(\[[^\]]+\]|.)(.)(.)(.)", end)
        assert shape is not None
        for column, part in zip(columns, shape.groups(), strict=True):
            column.update(part.strip("[]"))
    return "".join(f"[{''.join(sorted(column))}]" for column in columns)


def _sign() -> bytes:
    """Return a pattern source for a name's end before a colon.

    In three steps, since nearly every colon must fail fast: sets for all ends (9 ns a colon), sets for a group (15 ns),
    then the ends themselves. The plain alternation takes 40 ns a colon.
    """
    groups = "|".join(f"(?<={_columns(ends)}:)(?<=(?:{ends.replace(' ', '|')}):)" for ends in _ENDS)
    return f":(?<={_columns(' '.join(_ENDS))}:)(?:{groups})".encode()


NAME_SIGN: Final = re.compile(_sign())

# The projection for free text: `=` counts as a colon, blanks vanish, and since a stray letter of an escape may be left
# before a name, a short one may follow anything.
_LOOSE_TABLE: Final = NAME_TABLE[: ord("=")] + b":" + NAME_TABLE[ord("=") + 1 :]
_LOOSE_DROPPED: Final = NAME_DROPPED + b" "
_LOOSE_SIGN: Final = re.compile(f":(?<=(?:{' '.join(_ENDS).replace('[:_]', '.').replace(' ', '|')}):)".encode())


def has_loose_sign(data: bytes) -> bool:
    """Return whether a text, or JSON with escapes, may name a secret before `:` or `=`."""
    return _LOOSE_SIGN.search(b":" + data.translate(_LOOSE_TABLE, _LOOSE_DROPPED)) is not None


def has_name_sign(name: str) -> bool:
    """Return whether the projection of a name, with what stands before it, ends like a secret's."""
    data = f":{name}:".encode("utf-8", "replace")
    return NAME_SIGN.search(data.translate(NAME_TABLE, NAME_DROPPED), 1) is not None


def trailing_name(text: str) -> str:
    """Return the name a text ends with, blanks inside it included; empty if it ends otherwise."""
    return text[len(text.rstrip(_IN_NAMES)) :][-NAME_CHARS:]


@lru_cache(maxsize=4096)
def _judge(name: str) -> bool:
    # `settings.db.password`: what comes before another sign is a path, not part of the name.
    tail = trailing_name(_NUMBER.sub("", name, 1))
    if not tail or not has_name_sign(tail):
        return False
    words = [word.lower() for word in _WORD.findall(tail)]
    if not words:
        return False
    if words[-1] in _LAST_WORDS:
        return True
    if not "".join(words).endswith(_SUFFIXES):
        return False
    return not (words[-1] == "token" and len(words) > 1 and words[-2] in _HARMLESS_BEFORE_TOKEN)


def is_secret_key(name: str) -> bool:
    """Return whether a key of this name holds a secret: `password`, `X-Api-Key`, `clientSecret`; not `max_tokens`.

    Case, `-`, `_`, spaces, camelCase and a trailing number do not matter. Answers for the last 4096 short names are
    kept.
    """
    if len(name) > _LONGEST_NAME:  # not worth a place in the cache
        return _judge.__wrapped__(name)
    return _judge(name)
