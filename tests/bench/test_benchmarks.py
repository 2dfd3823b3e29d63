"""The benchmarks run, and their arithmetic is right. What they measure is not judged here: timing is no test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.rounds import Spread, percentile, ratios, spread
from benchmarks.table import Line, Report, as_markdown, as_text, cells, number, summary, write_into

ROOT = Path(__file__).parents[2]


def report(*lines: Line) -> Report:
    return Report(quick=True, machine={"machine": "one that does not exist"}, lines=list(lines))


def test_the_quick_run_prints_the_table_and_writes_its_figures(tmp_path: Path) -> None:
    """What is promised of `--only` and `--json`, in a process of its own as a user starts it."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "decision,import", "--json"]
    done = subprocess.run(
        [*command, str(tmp_path / "figures.json"), "--temporary", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "WHENCE_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "one decision, p50" in done.stdout
    assert "import, beyond bare Python" in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert all(line["whence"] > 0 for line in figures["lines"] if line["unit"] == "µs")
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("observable", "one call of an @observable coroutine, p50"),
        ("processor", "added to a plain OpenTelemetry span, 6 attributes, p50"),
        ("dialects", "mapping a run, OpenInference"),
        ("transfer", "import of JSON lines, peak memory"),
        ("blame", "blame on a file of 1,000 lines with 50 transformations"),
        ("checks", "import check of a file of 1,000 lines, warm, p50"),
        ("price", "what a question pays when there is none to price, p50"),
        ("doors", "gap check of two structures of 50 fields, prepared contract, p50"),
        ("diagnose", "drain into SQLite with full text, documents, flags and diagnosis"),
        ("window", "diagnose_window once more, nothing new"),
    ],
)
def test_what_is_measured_did_its_work(tmp_path: Path, name: str, line: str) -> None:
    """Each looks at what came of it: a line blamed on the wrong step, a run not diagnosed, a record less is exit 1."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", name, "--temporary", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "WHENCE_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert line in done.stdout
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """A slip must not look like a run in which nothing failed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "speed"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "decision" in done.stderr


def test_ratios_are_taken_pair_by_pair() -> None:
    """A slow moment hits both of a pair; the ratio of medians would be 2/3 here."""
    assert ratios([1.0, 2.0, 9.0], [2.0, 3.0, 10.0]) == Spread(0.5, 2 / 3, 0.9)
    assert ratios([1.0, 20.0, 3.0], [1.0, 10.0, 3.0]) == Spread(1.0, 1.0, 2.0)


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [1.0, 2.0]), ([], [])])
def test_ratios_need_pairs(ours: list[float], theirs: list[float]) -> None:
    """A round that is missing on one side would shift every pair after it."""
    with pytest.raises(ValueError):
        ratios(ours, theirs)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 5), (0.51, 6), (0.9, 9), (0.91, 10), (0.99, 10), (1.0, 10)]
)
def test_a_percentile_is_one_of_the_figures(share: float, expected: int) -> None:
    """The smallest figure that at least this share does not exceed."""
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == expected


def test_spread_of_an_even_number_of_rounds() -> None:
    """The median of two is between them."""
    assert spread([4.0, 1.0]) == Spread(1.0, 2.5, 4.0)


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        (Line(work="w", unit="µs", whence=5.0, limit=5.0), True),
        (Line(work="w", unit="µs", whence=5.1, limit=5.0), False),
        (Line(work="w", unit="records/s", whence=5.1, limit=5.0, at_least=True), True),
        (Line(work="w", unit="records/s", whence=4.9, limit=5.0, at_least=True), False),
        (Line(work="w", unit="µs", whence=1.0, ratio=Spread(0.1, 0.8, 0.9), limit=5.0, ratio_limit=0.7), False),
        (Line(work="w", unit="µs", whence=1.0, ratio=Spread(0.1, 0.6, 0.9), limit=5.0, ratio_limit=0.7), True),
        (Line(work="w", unit="µs", whence=1.0, ratio=Spread(0.1, 0.6, 0.9)), None),
    ],
)
def test_a_line_holds_when_all_its_targets_do(line: Line, holds: bool | None) -> None:
    """The median of the ratios is what is judged."""
    assert line.holds is holds


def test_a_line_as_it_is_shown() -> None:
    """Every part of it, with its unit."""
    line = Line(
        work="w", unit="µs", whence=4.321, otel=12.34, ratio=Spread(0.3, 0.35, 0.4), limit=5, ratio_limit=0.7, note="n"
    )

    assert cells(line) == ("w (n)", "4.32 µs", "12.3 µs", "0.30 / 0.35 / 0.40", "≤ 5 µs, ≤ 0.7 ×", "yes")


@pytest.mark.parametrize(
    ("figure", "shown"), [(0.0123, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (123456.7, "123,457"), (-0.5, "-0.500")]
)
def test_numbers_have_three_digits(figure: float, shown: str) -> None:
    """More would be noise."""
    assert number(figure) == shown


def test_the_summary_counts_judged_lines_only() -> None:
    """Lines without a target only inform."""
    free = Line(work="free", unit="ms", whence=1.0)
    good = Line(work="good", unit="ms", whence=1.0, limit=2)
    bad = Line(work="bad", unit="ms", whence=3.0, limit=2)

    assert summary([free, good, bad]) == "1 of 2 targets hold"
    assert "NO" in as_text(report(good, bad))


def test_the_table_goes_into_the_marked_block_and_nowhere_else() -> None:
    """Writing twice gives the same page, and text around the block stays."""
    shown = report(Line(work="w", unit="ms", whence=1.0, limit=2))
    page = "before\n<!-- figures -->\nold \\1\n<!-- /figures -->\nafter\n"

    written = write_into(page, shown)

    assert written == f"before\n<!-- figures -->\n{as_markdown(shown)}\n<!-- /figures -->\nafter\n"
    assert write_into(written, shown) == written
    with pytest.raises(ValueError, match="figures"):
        write_into("a page without a block", shown)


def test_the_page_of_the_benchmarks_has_a_block() -> None:
    """`python -m benchmarks --write docs/benchmarks.md` has a place to write to."""
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")

    assert "| w | 1.00 ms |" in write_into(page, report(Line(work="w", unit="ms", whence=1.0)))
