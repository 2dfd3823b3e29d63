"""A report as data: what it adds up, which change it names, and that both its forms are safe whatever was recorded."""

import html.parser
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.conftest import HOSTILE
from whence.cli.render_report import markdown
from whence.cli.render_report_html import page
from whence.diagnose.reporting import Report, report
from whence.model.digest import PartDigest, RunDigest
from whence.model.finding import Problem

DAY_NS = 86_400_000_000_000
BEGIN_NS = 1_767_225_600_000_000_000  # 2026-01-01
EVIL = f'<script>alert(1)</script>"><img src=x onerror=y>|`a`[x](http://evil.example) {HOSTILE}'


def run(
    n: int, *, day: int = 0, outcome: str = "good", seconds: float = 1.0, name: str = "writer", **more: Any
) -> RunDigest:
    part = PartDigest(
        spans=1, total_ns=int(seconds * 1e9), versions=more.pop("versions", {}), version=more.pop("version", "")
    )
    return RunDigest(
        trace=f"{n:032x}",
        trace_id=f"t{n}",
        started_ns=BEGIN_NS + day * DAY_NS + n * 10**9,
        duration_ns=int(seconds * 1e9),
        outcome=outcome,
        parts={name: part},
        **more,
    )


def problem(n: int, severity: int, state: Any = "confirmed", **more: Any) -> Problem:
    given = {"code": "T01-01", "title": f"problem {n}", "components": ("writer",), **more}
    of: dict[str, Any] = {
        "id": f"{n:012x}",
        "project": "",
        "fingerprint": str(n),
        "first_ns": BEGIN_NS,
        "last_ns": BEGIN_NS,
    }
    return Problem(severity=severity, state=state, count=1, **of, **given)


def made(runs: list[RunDigest], problems: list[Problem] | None = None, **more: Any) -> Report:
    return report(runs, problems or [], made_ns=BEGIN_NS + 9 * DAY_NS, made_by="whence test", **more)


# -- what it says -------------------------------------------------------------------------------------------------------


def test_days_are_added_up_and_none_is_left_out() -> None:
    """A day without runs is a day too; a cost that nobody knows is not zero."""
    runs = [run(1), run(2, outcome="bad", seconds=3.0), run(3, day=2, cost_usd=0.5, calls=1), run(4, day=2, calls=2)]
    found = made(runs)

    assert [(each.day, each.good, each.bad, each.cost_usd) for each in found.days] == [
        ("2026-01-01", 1, 1, None),
        ("2026-01-02", 0, 0, None),
        ("2026-01-03", 2, 0, 0.5),
    ]
    assert found.days[0].success == 0.5
    assert found.days[0].p50_s == 2.0
    assert found.days[1].success is None
    assert (found.runs, found.good, found.bad, found.cost_usd, found.unpriced) == (4, 3, 1, 0.5, 1)


def test_problems_are_counted_by_severity_and_the_worst_come_first() -> None:
    problems = [problem(1, 1), problem(2, 4, "pending"), problem(3, 4, "recurred"), problem(4, 4, "resolved")]
    found = made([run(1)], problems)

    assert [(each.label, each.recurred, each.confirmed, each.pending, each.resolved) for each in found.levels] == [
        ("critical", 1, 0, 1, 1),
        ("low", 0, 1, 0, 0),
    ]
    assert [each.title for each in found.problems] == ["problem 3", "problem 2", "problem 1"]
    assert found.problems_open == 3


def test_a_change_of_durations_is_named_with_the_version_that_brought_it() -> None:
    """From the twentieth run on the writer takes three times as long: that run, both medians, the new model."""
    runs = [run(n, seconds=1 + n / 200, version="a", versions={"model": "large"}) for n in range(20)]
    runs += [run(20 + n, seconds=3 + n / 200, version="b", versions={"model": "small"}) for n in range(20)]
    (series,) = made(runs).series
    change = series.change

    assert change is not None
    assert change.trace_id == "t20"
    assert change.before_s == pytest.approx(1.0475)
    assert change.after_s == pytest.approx(3.0475)
    assert change.p < 0.001
    assert change.versions == ("model: large → small",)


def test_noise_is_no_change() -> None:
    at = random.Random(3)
    (series,) = made([run(n, seconds=at.lognormvariate(0, 0.3)) for n in range(60)]).series

    assert series.change is None
    assert len(series.points) == series.runs == 60


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_runs_is_irrelevant(seed: int) -> None:
    at = random.Random(seed)
    runs = [
        run(n, day=at.randrange(5), outcome=at.choice(["good", "bad"]), seconds=at.random(), name=at.choice("abc"))
        for n in range(30)
    ]
    problems = [problem(n, at.randrange(5)) for n in range(8)]

    assert made(at.sample(runs, 30), at.sample(problems, 8)) == made(runs, problems)


# -- both forms ---------------------------------------------------------------------------------------------------------


class _Page(html.parser.HTMLParser):
    """Reads a page; every element must be closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def hostile() -> Report:
    runs = [
        run(
            n,
            outcome="good" if n < 12 else "bad",
            seconds=1 if n < 10 else 4,
            name=EVIL,
            calls=1,
            cost_usd=0.1,
            version=f"{EVIL}{n // 10}",
            versions={"model": f"{EVIL}{n // 10}"},
            attributes={f"model:{EVIL}": f"{EVIL}{n < 12}"},
        )
        for n in range(24)
    ]
    problems = [problem(n, n % 5, title=EVIL, components=(EVIL,), code=EVIL) for n in range(6)]
    return made(runs, problems, project=EVIL)


def test_hostile_text_is_text_in_html() -> None:
    """Nothing that was recorded becomes an element or an attribute; the page may load and run nothing."""
    found = hostile()
    assert found.contrasts
    assert found.series[0].change is not None
    text = page(found)
    read = _Page(text)

    assert read.open == []
    assert not {"script", "img", "a", "link", "iframe", "object", "form", "base"} & read.seen.keys()
    assert not [
        name for name, _ in read.attributes if name.startswith("on") or name in ("href", "src", "style", "srcset")
    ]
    assert "<script>alert(1)</script>" in " ".join(read.words)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_the_policy_of_the_page_allows_its_own_style_sheet_and_nothing_else() -> None:
    import base64
    import hashlib

    text = page(made([run(1)]))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    style = re.search(r"<style>(.*?)</style>", text, re.S)

    assert policy is not None
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert (
        html.unescape(policy[1])
        == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)


def test_hostile_text_stays_text_in_markdown() -> None:
    """No HTML, no link, no further row or column in a table."""
    text = markdown(hostile())

    assert "<script" not in text
    assert not re.search(r"(?<!\\)\](?:\(|\[|:)", text)  # what would make a link of the words before it
    assert "\x1b" not in text
    for rows in re.findall(r"(?:^\|.*\n)+", text, re.M):
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in rows.splitlines()}
        assert len(bars) == 1, rows


@pytest.mark.parametrize("draw", [markdown, page])
@pytest.mark.parametrize(
    "runs", [[], [run(1)], [run(1, outcome="in_progress", seconds=0.0)]], ids=["none", "one", "open"]
)
def test_little_to_say_is_said_all_the_same(draw: Any, runs: list[RunDigest]) -> None:
    text = draw(made(runs))

    assert "2026-01-10" in text
    assert ("No run began in that time." in text) is not bool(runs)
    if draw is page:
        assert _Page(text).open == []


def test_the_same_is_drawn_the_same() -> None:
    assert page(hostile()) == page(hostile())
    assert markdown(hostile()) == markdown(hostile())
