"""What messages have in common: log templates, so that an error is a pattern and not its first 50 characters.

The design that whence follows grouped errors by their first 50 characters. So "Connection to 10.0.0.1 failed" and "Connection
to 10.0.0.2 failed" were two patterns, and two long messages that begin alike and end differently were one. Here a message is
first masked (what is a number, an address, a path … becomes a typed placeholder such as ``<num>``), then the masked
messages are clustered by Drain: a tree of fixed depth leads by the number of tokens and the first two of them to a short list
of clusters, and a message joins the most similar one, whose differing tokens become ``<*>``.

Source: He, Zhu, Zheng and Lyu, "Drain: An Online Log Parsing Approach with Fixed Depth Tree" (ICWS 2017), with its published
defaults: depth 4, similarity 0.4, at most 100 children. Own implementation.

Work is linear in the text, whatever the text: a message is cut at 2,000 characters and 256 tokens; each pattern is tried
only where a run of its characters begins, or its repetitions are bounded, so that each character is read a bounded number of
times; a leaf has at most 256 clusters to compare with.
"""

import hashlib
import re
import string
from collections.abc import Iterable
from functools import lru_cache
from operator import eq
from typing import Final, NamedTuple

MAX_CHARS: Final = 2_000  # of a message; the rest is not looked at
MAX_TOKENS: Final = 256  # of a message; the rest becomes one token
MAX_TEMPLATE: Final = 200  # characters of template_of
DEPTH: Final = 4  # of the tree: root, token count, two tokens
SIMILARITY: Final = 0.4  # share of equal tokens from which on a message joins a cluster
MAX_CHILDREN: Final = 100  # of a node; further tokens go to <*>
MAX_LEAF: Final = 256  # clusters of a leaf; what is unlike all of them shares one more
MAX_CACHED: Final = 20_000  # messages that `mine` remembers, each of at most 500 characters

ANY: Final = "<*>"
EMPTY: Final = "<empty>"
REST: Final = "<rest>"

# --- masking --------------------------------------------------------------------------------------------------------

_COLOUR: Final = re.compile("\x1b\\[[0-9;]{0,20}[A-Za-z]")
# Controls, invisible and direction-changing characters, halves of surrogate pairs: nothing a template may carry onward.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
# A quote that no word precedes, up to the next of its kind: the apostrophe of "can't" opens nothing. Possessive, and the
# scan from a quote ends at the next one, so all scans together read the text once per kind of quote.
_QUOTED: Final = re.compile(r"""(?<!\w)(?:"[^"]*+"|'[^']*+'|`[^`]*+`)(?!\w)|“[^“”]*+”""")
_UNIT: Final = r"(?:ns|us|µs|μs|ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)"
_UNITS: Final = re.compile(r"(?:ns|us|µs|μs|ms|s|secs?|seconds?|mins?|minutes?|h|hours?|days?)[.,;:)]{0,3}")
_LETTERS: Final = string.ascii_letters + "µμ"
# Inside one token, so there is no white space. The first alternative that matches wins; each begins where a run begins.
_MASKS: Final = re.compile(
    r"(?P<uuid>(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z]))"
    r"|(?P<time>(?<![0-9A-Za-z])(?:\d{4}-\d\d-\d\d(?:[T_]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?Z?)(?![0-9A-Za-z]))"
    r"|(?P<url>(?<![0-9A-Za-z])[A-Za-z][A-Za-z0-9+.\-]{1,15}+://[^\s\"'<>]*+)"
    r"|(?P<email>(?<![\w.+\-])[\w.+\-]{1,64}+@[A-Za-z0-9\-]{1,63}+(?:\.[A-Za-z0-9\-]{1,63}+){1,8}+)"
    r"|(?P<path>(?<![\w/.~\\])(?:[A-Za-z]:[\\/]|~?/|\.{1,2}/)[\w.@%+=~\-/\\]++"
    r"|(?<![\w/.~\\\-])[\w.\-]{1,255}+/[\w.~\-/]*?\.[A-Za-z]\w{0,7}+(?![\w/.\-]))"
    r"|(?P<ip>(?<![0-9A-Za-z.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?:/\d{1,2})?"
    r"|(?=[0-9A-Fa-f:]{0,38}\d)(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}"
    r"|(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})?::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})?))"
    r"(?![0-9A-Za-z]|[.:][0-9A-Za-z]))"
    rf"|(?P<dur>(?<![0-9A-Za-z.])(?:\d++(?:\.\d++)?{_UNIT}){{1,4}}(?![0-9A-Za-z]))"
    r"|(?P<size>(?<![0-9A-Za-z.])\d++(?:\.\d++)?(?:[kKMGT]i?)?B(?![0-9A-Za-z]))"
    r"|(?P<hex>(?<![0-9A-Za-z])(?:0[xX][0-9A-Fa-f]++|(?=[A-Fa-f]*\d)(?=\d*[A-Fa-f])[0-9A-Fa-f]{8,}+)(?![0-9A-Za-z]))"
    r"|(?P<id>(?<![0-9A-Za-z])(?=[A-Za-z]*+\d)(?=\d*+[A-Za-z])[0-9A-Za-z]{16,}+)"
    r"|(?P<num>(?<![0-9A-Za-z])(?:(?<![\w)\]>])[+-])?\d++(?:[.,]\d++){0,8}(?:[eE][+-]?\d++)?(?![0-9A-Za-z]))"
)
_NAMES: Final = {name: f"<{name}>" for name in _MASKS.groupindex}
_SIGNS: Final = re.compile(r"[\d@/\\]")  # without one of these, no pattern above can match
_AGAIN: Final = re.compile(r"(<[a-z]{2,5}>)(?:[,;:|]?\1)+")  # 1,2,3 is as much a list as 1,2


def _mask(token: str) -> str:
    if token.isdecimal():
        return "<num>"
    if _SIGNS.search(token) is None:
        return token
    return _AGAIN.sub(r"\1", _MASKS.sub(lambda match: _NAMES[match.lastgroup or "num"], token))


_mask_short = lru_cache(maxsize=8_192)(_mask)  # tokens repeat far more than messages do


def _clean(message: object) -> str:
    """Return one line of text, or the type's name in place of what is no text: its own repr would be foreign code."""
    text = str.__str__(message) if isinstance(message, str) else f"<{type(message).__name__}>"
    text = text[:MAX_CHARS]
    if not text.isprintable():
        text = _CONTROL.sub(" ", _COLOUR.sub("", text))
    return text


def _tokens(message: object) -> list[str]:
    """Return the masked tokens of a message; never none."""
    text = _clean(message)
    if '"' in text or "'" in text or "`" in text or "“" in text:
        text = _QUOTED.sub("<str>", text)
    tokens: list[str] = []
    last = ""
    for token in text.split():
        masked = _mask_short(token) if len(token) <= 64 else _mask(token)
        if last == "<num>" and _UNITS.fullmatch(masked):  # "5 ms" is one thing, as is "5ms"
            masked = tokens[-1] = "<dur>" + masked.lstrip(_LETTERS)
            if tokens[-2:-1] == [masked]:
                tokens.pop()
        elif masked == last and masked[0] == "<" and masked[-1] in ">,":
            continue  # a list of numbers is as much a list however long; a date and its time are one time
        else:
            tokens.append(masked)
        last = masked
    if len(tokens) > MAX_TOKENS:
        tokens[MAX_TOKENS:] = [REST]
    return tokens or [EMPTY]


def template_of(message: object) -> str:
    """Return the masked message: what one message is known by when there is no other to compare it with.

    At most 200 characters: of a longer one the beginning, and 8 hex digits of a hash of the whole, so that messages that differ
    only behind the cut stay apart. Placeholders: <num>, <hex>, <id>, <uuid>, <ip>, <path>, <url>, <email>, <time>, <dur>,
    <size>, <str>; <empty> for no text, the type's name for what is no text. The same in every process.
    """
    text = " ".join(_tokens(message))
    if len(text) <= MAX_TEMPLATE:
        return text
    mark = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{text[: MAX_TEMPLATE - 10]} …{mark}"


# --- clustering -----------------------------------------------------------------------------------------------------


class Cluster(NamedTuple):
    """Messages of one template."""

    cluster_id: int
    template: str
    size: int  # messages added, duplicates included


class _Group:
    __slots__ = ("number", "size", "tokens")

    def __init__(self, number: int, tokens: list[str]) -> None:
        self.number, self.tokens, self.size = number, tokens, 0

    @property
    def text(self) -> str:
        return " ".join(self.tokens)


class _Node:
    """Inner nodes have children, leaves have groups."""

    __slots__ = ("children", "groups")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.groups: list[_Group] = []


class Templates:
    """Clusters of messages, built as they come. Not safe for several threads at once.

    As published, and like every online clustering, what comes of it depends on the order of the messages. Use `mine` where
    the same messages must give the same templates.
    """

    def __init__(self) -> None:
        self._roots: dict[int, _Node] = {}
        self._groups: list[_Group] = []

    def add(self, message: object) -> int:
        """Return the id, from 0, of the cluster that the message joins or begins."""
        return self._add(_tokens(message), 1).number

    def of(self, message: object) -> str | None:
        """Return the template of the cluster that the message would join, None if it would begin one. Adds nothing."""
        tokens = _tokens(message)
        leaf = self._leaf(tokens, grow=False)
        group = _most_similar(leaf.groups, tokens) if leaf else None
        return group.text if group else None

    @property
    def clusters(self) -> list[Cluster]:
        """All clusters in the order they began."""
        return [Cluster(each.number, each.text, each.size) for each in self._groups]

    def _add(self, tokens: list[str], count: int) -> _Group:
        leaf = self._leaf(tokens, grow=True)
        assert leaf is not None  # it was grown
        group = _most_similar(leaf.groups, tokens)
        if group is None:
            group = _Group(len(self._groups), list(tokens))
            self._groups.append(group)
            leaf.groups.append(group)
        elif group.tokens != tokens:
            group.tokens = [old if old == new else ANY for old, new in zip(group.tokens, tokens, strict=True)]
        group.size += count
        return group

    def _leaf(self, tokens: list[str], *, grow: bool) -> _Node | None:
        node = self._roots.get(len(tokens))
        if node is None:
            if not grow:
                return None
            node = self._roots[len(tokens)] = _Node()
        for token in tokens[: DEPTH - 2]:
            # A token with a digit is likely a parameter that no mask knew: `node17`.
            key = ANY if any(map(str.isdigit, token)) else token
            child = node.children.get(key)
            if child is None and len(node.children) >= MAX_CHILDREN:
                child = node.children.get(key := ANY)
            if child is None:
                if not grow:
                    return None
                child = node.children[key] = _Node()
            node = child
        return node


def _most_similar(groups: list[_Group], tokens: list[str]) -> _Group | None:
    """Return the group with the most tokens equal, the earliest of several; None if that is less than SIMILARITY of them.

    A merge keeps exactly the equal tokens, so at least that share of a template stays fixed and a member finds its group again.
    The one exception is the last group of a full leaf, which takes whatever is unlike the others.
    """
    best, most = None, SIMILARITY * len(tokens)
    for group in groups:
        equal = sum(map(eq, group.tokens, tokens))
        if equal >= most and (best is None or equal > most):
            best, most = group, equal
    return groups[MAX_LEAF] if best is None and len(groups) > MAX_LEAF else best


def mine(messages: Iterable[object]) -> dict[str, list[int]]:
    """Return template -> indexes of its messages, ascending; templates in order of their text.

    The same messages give the same templates in any order and however often each comes: they are masked, made distinct and
    sorted before they are clustered, so Drain always sees one sequence. (Its result depends on the sequence: which message
    begins a cluster, and which tokens get a node before a node is full.) Clusters that end with the same template are one.
    """
    known: dict[str, str] = {}
    indexes: dict[str, list[int]] = {}
    for index, message in enumerate(messages):
        masked = known.get(message) if type(message) is str else None
        if masked is None:
            masked = " ".join(_tokens(message))
            if type(message) is str and len(message) <= 500 and len(known) < MAX_CACHED:
                known[message] = masked
        indexes.setdefault(masked, []).append(index)
    templates = Templates()
    joined = [(templates._add(masked.split(" "), len(indexes[masked])), indexes[masked]) for masked in sorted(indexes)]
    result: dict[str, list[int]] = {}
    for group, members in joined:  # only now are the templates final
        result.setdefault(group.text, []).extend(members)
    return {text: sorted(result[text]) for text in sorted(result)}
