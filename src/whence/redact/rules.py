"""What is looked for: anchored, bounded patterns. A match is masked as ``[REDACTED:<kind>]``.

Every quantifier is bounded, so one attempt costs at most a few hundred steps, and every pattern starts with a literal
or a small set, so attempts are few. `gates` are literals of which one must be present before the pattern runs at all.

Rules that could match without any of the signs `prefilter` looks for carry `shape=True`: a match then counts only if
its own characters show such a sign (`has_shape`). That, not luck, is what makes the prefilter sound. The price is small:
a random 20-character base62 token has no such sign in 2 % of cases, one of 32 characters in 0.01 %.
"""

import enum
import re
from collections.abc import Callable
from typing import Final, NamedTuple


class Family(enum.Flag):
    """Which rules apply: secrets always, personal data below the capture level `full`, addresses on request."""

    SECRET = enum.auto()
    PERSONAL = enum.auto()
    ADDRESS = enum.auto()  # IP addresses: often the very thing an operator needs to see, so off by default


class Rule(NamedTuple):
    """One pattern. The group `v`, or the whole match, is masked."""

    kind: str
    family: Family
    gates: tuple[str, ...]
    pattern: re.Pattern[str]
    accept: Callable[[str], bool] | None = None  # sees the part to be masked
    shape: bool = False


# --- the shape of digits and capitals, shared with the prefilter ----------------------------------------------------

_DROPPED: Final = b"abcdefghijklmnopqrstuvwxyzZ_\"'()[]{}~"  # Z ends every RFC 3339 time, T splits it
_TABLE = bytearray(b"," * 256)
for _code in b"0123456789ABCDEFGHIJKLMNOPQRSUVWXY":
    _TABLE[_code] = ord("0")
for _code in b" -/":
    _TABLE[_code] = ord("-")
_TABLE[ord(".")] = ord(".")
for _code in b"@+=\\":
    _TABLE[_code] = ord("!")
SHAPE_TABLE: Final = bytes(_TABLE)
SHAPE_DROPPED: Final = _DROPPED
LONG_RUN: Final = b"0000000"
# Digit groups: 3 or more then more, or pairs, joined by blanks, dashes, slashes; or by dots.
GROUPS: Final = re.compile(rb"0-00(?:0(?:-00[0-]|0-000|00)|00(?<=000000-0000)|-00-00|-0000(?<=000-00-0000))")
DOTTED: Final = re.compile(rb"\.00(?:0\.000|\.00\.00)")


# The fraction of a number: never part of a card or phone number, so `0.8512345678901234` shows no sign.
FRACTION: Final = re.compile(rb"\.(?<=[0-9]\.)[0-9]{7,400}")


# A UUID or a digest that stands alone: every record has some, and no rule matches inside one.
HEX: Final = re.compile(
    rb"(?<![0-9A-Za-z_\-])(?<![Bb]earer )(?<![Bb]asic )(?<![Tt]oken )[0-9a-f]{8}"
    rb"(?:(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24,120})(?![0-9A-Za-z_\-])"
)


def shows_shape(data: bytes) -> bool:
    """Return whether a projection, made with SHAPE_TABLE and SHAPE_DROPPED, has a run or groups in it."""
    return LONG_RUN in data or GROUPS.search(data) is not None or DOTTED.search(data) is not None


def has_shape(data: bytes) -> bool:
    """Return whether a match, or a text or record around it, shows one of the signs the prefilter looks for."""
    if not shows_shape(data.translate(SHAPE_TABLE, SHAPE_DROPPED)):
        return False
    if len(data) < 32 and b"." not in data:
        return True
    return shows_shape(HEX.sub(b"", FRACTION.sub(b".0", data)).translate(SHAPE_TABLE, SHAPE_DROPPED))


# --- checks a pattern cannot express --------------------------------------------------------------------------------


def luhn(text: str) -> bool:
    """Return whether the digits of `text` have a valid Luhn check digit (ISO/IEC 7812-1, annex B)."""
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    return sum(d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(digits)) % 10 == 0


_ISSUERS: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})\Z|(?:5[1-5]|2[2-7])[0-9]{14}\Z|3[47][0-9]{13}\Z|6(?:011|5[0-9]{2}|4[4-9][0-9])"
    r"[0-9]{12,15}\Z|35[2-8][0-9]{13}\Z|3(?:0[0-5]|[689][0-9])[0-9]{11}\Z|62[0-9]{14,17}\Z"
    r"|(?:5018|5020|5038|6304|6759|676[1-3])[0-9]{8,15}\Z"
)


def _is_card(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    return _ISSUERS.match(digits) is not None and len(set(digits)) > 1 and luhn(digits)


# Length by country: SWIFT, IBAN Registry.
_IBAN_CHARS: Final = {
    pair[:2]: int(pair[2:])
    for pair in (  # noqa: SIM905 - reads as the registry does
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
        "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 "
        "LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 "
        "QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
    ).split()
}


def _is_iban(text: str) -> bool:
    # ISO 13616 / ISO 7064 mod 97-10: move the first four characters to the end, letters count from 10.
    compact = re.sub("[ -]", "", text).upper()
    if len(compact) != _IBAN_CHARS.get(compact[:2]):
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


_DATE: Final = re.compile(
    r"(?:(?:19|20)[0-9]{2}[-./ ][01]?[0-9][-./ ][0-3]?[0-9]|"
    r"[0-3]?[0-9][-./ ][0-3]?[0-9][-./ ](?:19|20)[0-9]{2})(?![0-9])"
)


def _digits(text: str) -> int:
    return sum(char.isdigit() for char in text)


def _is_phone(text: str) -> bool:
    return 7 <= _digits(text) <= 15 and not _DATE.match(text)


def _is_national(text: str) -> bool:
    return 9 <= _digits(text) <= 12 and not _DATE.match(text)


def _is_international(text: str) -> bool:
    return 8 <= _digits(text) <= 15


# --- named values: password=..., "api_key": "...", token: ... -------------------------------------------------------

# The last word of a name that may hold a secret; `keys.is_secret_key` judges the whole name.
_LAST_WORD: Final = (
    r"pass[_\- ]{0,128}(?:words?|wd|phrase|code)|pwd|secrets?|tokens?|keys?|credentials?|cookies?|string|authorization|"
    r"pin|cvv|ssn|otp|dsn|jwt|auth"
)
_QUOTE: Final = r"\\{0,2}[\"'`]"
# Between a name and its value: an optional closing quote or bracket, `=`, `:`, `=>`, `:=`, an optional opening quote.
# A blank may stand before `=` but not before `:`, so that prose and `a ? token : b` stay clean.
_GLUE: Final = rf"(?:{_QUOTE})?\]?(?:[ ]{{0,3}}(?::=|=>|=(?!=))|:)[ \t\r\n]{{0,3}}(?:[bfru]{{0,2}}(?P<q>{_QUOTE}))?"
_MASK_AHEAD: Final = r"(?!\[REDACTED)"
_PLAIN_VALUE: Final = r"[^\s\"'`,;&<>(){}\[\]|\\]"

NAMED: Final = re.compile(
    rf"(?i:(?P<n>{_LAST_WORD}))[0-9]{{0,9}}{_GLUE}{_MASK_AHEAD}"
    rf"(?P<v>(?(q)[^\"'`\r\n\\]{{1,512}}|{_PLAIN_VALUE}{{1,512}}))"
)
# Where the value may be anything but a placeholder; after other names an ordinary word is prose.
STRONG_NAME: Final = re.compile(
    r"(?i:pass(?:words?|wd|phrase|code)|pwd|[a-z0-9][_\-]?(?:secrets?|keys?|tokens?)|"
    r"(?:api|access|private|secret|client|auth|bot|signing) (?:secret|key|token)|string|authorization)\Z"
)

_PLACEHOLDER: Final = re.compile(
    r"(?i)(?:\$|none|null|nil|true|false|yes|no|str|string|int|bytes|bool|optional|any|secretstr|required|missing|empty|"
    r"undefined|unset|set|invalid|expired|wrong|incorrect|redacted|masked|hidden|removed|changed|rejected|accepted|"
    r"denied|ok|failed|x{3,40}|\*{1,80}|\.{2,20}|-{1,20}|_{1,20}|\?{1,9}|\$\{?[a-z_][a-z0-9_.]{0,60}\}?|%[sdr]|"
    r"%\([a-z_]{1,40}\)s|\{{1,2}[a-z_. ]{0,60}\}{0,2}|<[^>]{0,60}>?|os\.environ.{0,200}|os\.getenv.{0,200}|"
    r"process\.env.{0,200}|(?:self|settings|config|cfg|args|env|request|ctx|options|params|opts)\.[a-z_.]{1,80}|"
    r"getpass.{0,40}|\[REDACTED.{0,80})[.!?:]?\Z"
)


def is_value(text: str) -> bool:
    """Return whether the text after a name can be a secret, not a type, a placeholder or a lookup."""
    return not _PLACEHOLDER.match(text)


def is_weak_value(text: str) -> bool:
    """Return whether the text after an ordinary word such as `token` looks made, not written."""
    return len(text) >= 3 and any(c.isdigit() for c in text) and (len(text) >= 6 or text.isdigit()) and is_value(text)


# --- the rules ------------------------------------------------------------------------------------------------------

_B: Final = r"[A-Za-z0-9]"
_U: Final = r"[A-Za-z0-9_\-]"


def _token(kind: str, prefix: str, tail: str, *gates: str) -> Rule:
    """A token with a literal prefix. The left edge is looked at after the prefix, so that the literal leads."""
    head = gates[0] if gates else prefix
    guard = rf"(?<![A-Za-z0-9]{re.escape(head)})" if not gates else ""
    left = "" if not gates else r"(?<![A-Za-z0-9])(?<![0-9][.])"
    pattern = re.compile(rf"{left}{prefix if gates else re.escape(prefix)}{guard}{tail}")
    return Rule(kind, Family.SECRET, gates or (prefix,), pattern, None, True)


SECRET_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "jwt", Family.SECRET, ("eyJ",),
        re.compile(rf"eyJ(?<![A-Za-z0-9]eyJ){_U}{{8,4096}}\.{_U}{{4,8192}}(?:\.{_U}{{0,2048}}){{0,3}}"), None, True,
    ),
    _token("openai_key", "sk-", rf"{_U}{{16,256}}"),
    _token("langfuse_key", "pk-lf-", rf"{_U}{{16,128}}"),
    _token("stripe_key", "[srp]k_(?:live|test)_", rf"{_B}{{10,128}}", "k_live_", "k_test_"),
    _token("stripe_webhook", "whsec_", r"[A-Za-z0-9+/]{16,128}={0,2}"),
    _token("github_token", "gh[a-z]_", rf"{_B}{{30,255}}", "ghp_", "gho_", "ghs_", "ghu_", "ghr_"),
    _token("github_token", "github_pat_", r"[A-Za-z0-9_]{30,255}"),
    _token("gitlab_token", "gl[a-z]{2,5}-", rf"{_U}{{20,300}}(?:\.[0-9a-z]{{2,9}}){{0,3}}", "glpat-", "gldt-", "glrt-",
           "glptt-", "glcbt-", "glsoat-", "glft-", "glagent-"),
    _token("slack_token", "x(?:ox[a-z]|app)-", r"[A-Za-z0-9\-]{10,255}", "xox", "xapp-"),
    _token("aws_key_id", "(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)", r"[A-Z0-9]{16}(?![A-Za-z0-9])", "AKIA", "ASIA", "AROA",
           "AIDA", "ABIA", "ACCA"),
    _token("google_key", "AIza", rf"{_U}{{35}}"),
    _token("google_token", "ya29.", rf"{_U}{{20,512}}"),
    _token("google_secret", "GOCSPX-", rf"{_U}{{20,64}}"),
    _token("huggingface_token", "hf_", rf"{_B}{{30,64}}"),
    _token("npm_token", "npm_", rf"{_B}{{30,64}}"),
    _token("pypi_token", "pypi-", rf"{_U}{{32,512}}"),
    _token("sendgrid_key", "SG.", rf"{_U}{{16,64}}\.{_U}{{16,64}}"),
    _token("twilio_key", "(?:SK|AC)", r"[0-9a-fA-F]{32}(?![A-Za-z0-9])", "SK", "AC"),
    _token("groq_key", "gsk_", rf"{_B}{{30,128}}"),
    _token("xai_key", "xai-", rf"{_B}{{30,128}}"),
    _token("perplexity_key", "pplx-", rf"{_B}{{30,128}}"),
    _token("replicate_token", "r8_", rf"{_B}{{30,64}}"),
    _token("langsmith_key", "lsv2_", r"[A-Za-z0-9_]{30,128}"),
    _token("databricks_token", "dapi", r"[0-9a-f]{32}(?:-[0-9]{1,2})?"),
    _token("digitalocean_token", "do[opr]_v1_", r"[0-9a-f]{40,80}", "_v1_"),
    _token("shopify_token", "shp[a-z]{2}_", r"[0-9a-fA-F]{32}", "shp"),
    _token("telegram_token", "[0-9]{8,10}:AA", rf"{_U}{{30,40}}", ":AA"),
    _token("azure_secret", r"[A-Za-z0-9_~.]{3}8Q~", r"[A-Za-z0-9_~.\-]{31,34}", "8Q~"),
    _token("mailgun_key", "key-", r"[0-9a-f]{32}(?![0-9a-z])"),
    _token("whence_key", "wh_", r"[A-Za-z0-9_]{32,160}"),
    Rule(
        "bearer", Family.SECRET, ("earer ", "EARER ", "asic ", "BASIC ", "oken "),
        re.compile(r"(?i:(?<![a-z])(?:bearer|basic|token))[ ]{1,3}(?P<v>[A-Za-z0-9._~+/\-]{16,4096}={0,2})"), None, True,
    ),
    Rule(
        "url_password", Family.SECRET, ("@",),
        re.compile(rf"://{_MASK_AHEAD}[^\s:/@\"'<>\\]{{0,128}}:"
                   rf"(?P<v>{_MASK_AHEAD}[^\s/@\"'<>\\]{{1,256}}(?:[/@][^\s/@\"'<>\\]{{1,64}}){{0,2}})@(?=[A-Za-z0-9\[])"),
        is_value,
    ),
    Rule(
        "authorization", Family.SECRET, ("uthorization", "UTHORIZATION"),
        re.compile(
            rf"(?i:(?:proxy-)?authorization){_GLUE}(?i:(?:bearer|basic|token|digest|apikey|aws4-hmac-sha256)[ ]{{1,3}})?"
            rf"(?!(?i:bearer|basic|token|digest|apikey|aws4-hmac-sha256)[ ])(?P<v>{_MASK_AHEAD}[^\s\"'`\\,;<>]{{6,4096}})"
        ),
        is_value,
    ),
    Rule("cookie", Family.SECRET, ("ookie", "OOKIE"),
         re.compile(rf"(?i:(?:set-)?cookie2?){_GLUE}(?P<v>{_MASK_AHEAD}[A-Za-z0-9_.\-]{{1,64}}=(?!=)[^\r\n\"'\\]{{1,4096}})")),
)  # fmt: skip

_D: Final = r"[0-9]"
# Not inside a word, a fraction, or (after a dash) a UUID.
_EDGE: Final = r"(?<![0-9A-Za-z_])(?<![0-9][.])(?<![0-9A-Fa-f]-)"

# Where a token may begin: the prefilter looks for it once a record shows the shape. Must cover every rule above that
# has `shape=True`, and key blocks.
TOKEN_HINT: Final = re.compile(
    r"sk-|pk-lf-|k_(?:live|test)_|whsec_|gh[a-z]_|github_pat_|gl[a-z]{2,5}-|xox|xapp-|A(?:KIA|SIA|ROA|IDA|BIA|CCA)|AIza|"
    r"ya29|GOCSPX|hf_|npm_|pypi-|SG\.|SK[0-9a-fA-F]{32}|AC[0-9a-fA-F]{32}|gsk_|xai-|pplx-|r8_|lsv2_|dapi[0-9a-f]{32}|"
    r"_v1_|shp[a-z]{2}_|:AA|8Q~|key-|wh_|eyJ|PRIVATE KEY|(?i:bearer|basic|token) "
)

PERSONAL_RULES: Final[tuple[Rule, ...]] = (
    Rule(  # before cards: +49... may have a valid check digit
        "phone", Family.PERSONAL, ("+",),
        re.compile(r"\+(?<![0-9A-Za-z+]\+)(?=[0-9(])[0-9](?:[ ().\-/]{0,3}[0-9]){7,14}(?![0-9A-Za-z])"), _is_international,
    ),
    Rule(
        "card", Family.PERSONAL, (),
        re.compile(rf"{_EDGE}[2-6](?:{_D}{{11,18}}|{_D}{{3}}(?:[ -]{_D}{{4}}){{2,3}}(?:[ -]{_D}{{1,4}})?"
                   rf"|{_D}{{3}}[ -]{_D}{{6}}[ -]{_D}{{4,5}})(?![0-9A-Za-z_])"),
        _is_card, True,
    ),
    Rule(
        "iban", Family.PERSONAL, (),
        re.compile(rf"{_EDGE}[A-Za-z]{{2}}[0-9]{{2}}(?:[A-Za-z0-9]{{11,30}}|(?P<s>[ -])[A-Za-z0-9]{{4}}"
                   r"(?:(?P=s)[A-Za-z0-9]{4}){1,6}(?:(?P=s)[A-Za-z0-9]{1,4})?)(?![0-9A-Za-z_])"),
        _is_iban, True,
    ),
    Rule(
        "phone", Family.PERSONAL, (),
        re.compile(rf"{_EDGE}(?:1[-. /])?\(?[2-9]{_D}{{2}}(?:\) ?|[-. /]){_D}{{3}}[-. ]{_D}{{4}}"
                   r"(?![0-9A-Za-z_])(?![-.][0-9])"),
        _is_phone, True,
    ),
    Rule(
        "phone", Family.PERSONAL, (),
        re.compile(rf"{_EDGE}\(?0[1-9][0-9]{{0,4}}(?:(?:\) ?| ?/ ?|[ .\-]){_D}{{2,9}}(?:[ .\-]{_D}{{2,6}}){{0,4}})"
                   r"(?![0-9A-Za-z_])(?![-.:][0-9])"),
        _is_national, True,
    ),
    Rule(
        "phone", Family.PERSONAL, ("hone", "HONE", "el", "EL", "obile", "OBILE", "ax", "FAX", "hatsapp", "hatsApp",
                                   "sms", "SMS", "call me", "Call me", "reach me"),
        re.compile(
            r"(?i:(?<![a-z])(?:(?:tele|i)?phone|tel|mobile|cell|fax|whatsapp|sms|(?:call|reach|text) me)(?![a-rt-z]))"
            r"(?i:[ _-]?(?:number|no|nr|num|at|on|is|via))?[^0-9A-Za-z\r\n]{0,6}?(?i:(?:at|on|is|number|no|via)[ :.]{1,2})?"
            r"(?P<v>\(?[0-9](?:[ ().\-/]{0,2}[0-9]){6,14})(?![0-9A-Za-z_])(?!-[0-9A-Fa-f])"
        ),
        _is_phone, True,
    ),
    Rule("us_ssn", Family.PERSONAL, ("-",), re.compile(r"(?<![0-9A-Za-z_.\-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-"
                   r"(?!0000)[0-9]{4}(?![0-9A-Za-z_\-])"), None, True),
)  # fmt: skip

ADDRESS_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "ip", Family.ADDRESS, (".",),
        re.compile(r"(?<![0-9A-Za-z_.])(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?![0-9A-Za-z_])(?!\.[0-9])"),
    ),
    Rule(
        "ip", Family.ADDRESS, (":",),
        re.compile(r"(?<![0-9A-Za-z_:.])(?=[0-9A-Fa-f:]{0,39}:[0-9A-Fa-f]{0,4}:)(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}|"
                   r"(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})?::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})?)(?![0-9A-Za-z_:])"),
        lambda text: _digits(text) > 0,
    ),
)  # fmt: skip
