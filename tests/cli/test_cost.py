"""`whence cost`: sums that never hide what is not known, prices and where they come from, pricing anew."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.cli.conftest import HOSTILE, Done, Whence, environment, parsed
from whence.cli import main
from whence.runtime import runtime as runtime_module

PROGRAM = """
import sys
from whence.tracing import TraceContext

CALLS = [
    dict(provider="anthropic", model="claude-sonnet-4-5", input_tokens=10_000, output_tokens=500,
         cache_read_tokens=8_000, cache_write_tokens=1_000),
    dict(provider="openai", model="gpt-4o", input_tokens=1_000, output_tokens=100),
    dict(provider="openai", model="gpt-4o", input_tokens=1_000, output_tokens=100, cache_hit=True),
    dict(model="m-1", input_tokens=10, output_tokens=1, cost_usd=0.25),
    dict(model="m-2", input_tokens=1_000_000, output_tokens=0),
    dict(provider="openai", operation="embeddings", model="text-embedding-3-small", input_tokens=36),
    dict(model=sys.argv[1], input_tokens=1, output_tokens=1),
]

with TraceContext.start(project_name="shop", query="q") as trace:
    trace.start_stage("synthesis")
    for call in CALLS:
        trace.llm_call("write", stage="synthesis", **call)
    trace.end_stage("synthesis", {})
    trace.mark_complete()
"""
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
Cost = Callable[..., Done]


@pytest.fixture(scope="module")
def recorded_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with one run of seven LLM calls, recorded by a process of its own."""
    data = tmp_path_factory.mktemp("cost") / "data"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, HOSTILE], env=environment(data), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return data


@pytest.fixture
def paid(recorded_calls: Path, tmp_path: Path) -> Path:
    """A copy of it for this test alone."""
    return Path(shutil.copytree(recorded_calls, tmp_path / "data"))


@pytest.fixture
def cost(paid: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cost:
    """Run `whence cost …` in this process, on that copy, as a process of its own would: with nothing open before."""
    for name, value in environment(paid).items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Done:
        monkeypatch.setattr(runtime_module, "_made", {})
        code = main(("cost", *words))
        said = capsys.readouterr()
        if (built := runtime_module.peek()) is not None:
            built.close()
        return Done(words, code, said.out, said.err)

    return run


def own(data: Path, usd: float) -> None:
    """Give m-2 a price."""
    price = f'[[price]]\nmodel = "m-2"\ninput_per_mtok = {usd}\noutput_per_mtok = 0\n'
    (data / "prices.toml").write_text(price)


def test_what_calls_cost_by_model(whence: Whence, paid: Path) -> None:
    """One line a model, the dearest first, a sum, and why some costs are not known."""
    done = whence("cost", data=paid)

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in lines[1:4]] == ["m-1", "claude-sonnet-4-5", "gpt-4o"]
    assert "$0.2500" in lines[1]
    assert "$0.0000009" not in done.stdout
    assert "$0.00000072" in done.stdout  # a tiny amount is not zero
    assert re.search(r"^m-2 .* unknown$", done.stdout, re.MULTILINE)
    assert re.search(r"^all +7 .* 2 +\$0\.2702$", done.stdout, re.MULTILINE)
    assert "cost unknown of 1 call: the price table does not know model 'm-2'" in done.stdout
    assert not DANGEROUS.search(done.stdout)
    assert all(line == line.rstrip() for line in lines)
    assert all(cell_len(line) <= 80 for line in lines if not line.startswith("cost unknown"))


def test_as_json(cost: Cost) -> None:
    """One document: the total, and the groups."""
    found = parsed(cost("--json"))

    assert found["by"] == "model"
    assert found["total"]["calls"] == 7
    assert (found["total"]["known"], found["total"]["given"], found["total"]["not_billed"]) == (5, 1, 1)
    assert found["total"]["unknown"] == sum(found["total"]["reasons"].values()) == 2
    gpt = next(group for group in found["groups"] if group["key"] == "gpt-4o")
    assert (gpt["calls"], gpt["usd"], gpt["not_billed"]) == (2, 0.0035, 1)
    unknown = next(group for group in found["groups"] if group["key"] == "m-2")
    assert unknown["usd"] is None


def test_by_run_component_project_and_day(cost: Cost, whence: Whence, paid: Path) -> None:
    """A run under the name that every other command takes."""
    (run,) = parsed(whence("traces", "--json", data=paid))
    (group,) = parsed(cost("--by", "trace", "--json"))["groups"]
    assert group["key"] == run["trace_id"]
    assert run["trace_id"][-8:] in cost("--by", "trace", "--trace", "last").stdout

    (project,) = parsed(cost("--by", "project", "--json"))["groups"]
    assert project["key"] == run["project"]
    (day,) = parsed(cost("--by", "day", "--since", "1d", "--json"))["groups"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", day["key"])
    assert parsed(cost("--until", "2020-01-01", "--json"))["groups"] == []


def test_fewer_groups_than_there_are(cost: Cost) -> None:
    """The sum is that of all."""
    done = cost("--limit", "1")

    assert "5 more groups" in done.stdout
    assert re.search(r"^all +7 ", done.stdout, re.MULTILINE)


def test_a_price_that_is_added_holds_at_once_for_what_was_unknown(cost: Cost, paid: Path) -> None:
    """By the next question; a known price stays until somebody says otherwise."""
    assert "does not know model 'm-2'" in cost().stdout
    own(paid, 1.5)

    assert "m-2" not in re.sub(r"^m-2 .*\$1\.50$", "", cost().stdout, flags=re.MULTILINE)
    own(paid, 2)
    assert parsed(cost("--json"))["total"]["unknown"] == 1
    assert re.search(r"^m-2 .*\$1\.50$", cost().stdout, re.MULTILINE)


def test_pricing_anew(cost: Cost, paid: Path) -> None:
    """First what would change, then it changes, then it has changed."""
    cost()
    own(paid, 1.5)

    first = cost("reprice", "--dry-run")
    assert "0 of 6 calls would change" in first.stdout
    assert "what was unknown before and is not now is priced already" in first.stderr
    own(paid, 2)
    dry = cost("reprice", "--dry-run")
    assert re.search(r"m-2 +\$1\.50 +\$2\.00 +override:[0-9a-f]{8}$", dry.stdout, re.MULTILINE)
    assert "1 of 6 calls would change: $1.50 before, $2.00 now" in dry.stdout
    done = parsed(cost("reprice", "--json"))
    assert (done["changed"], done["dry_run"]) == (1, False)
    assert [(each["model"], each["old_usd"], each["new_usd"]) for each in done["changes"]] == [("m-2", 1.5, 2.0)]
    again = cost("reprice")
    assert ("0 of 6 calls changed" in again.stdout, again.stderr) == (True, "")

    own(paid, 3)
    assert "0 of 2 calls would" in cost("reprice", "--dry-run", "--model", "gpt-*").stdout
    assert "1 of 6 calls changed: $2.00 before, $3.00 now" in cost("reprice", "--trace", "last").stdout
    assert parsed(cost("--json"))["total"]["unknown"] == 1


@pytest.mark.parametrize("columns", ["72", "80", "100"])
def test_what_was_not_billed_is_never_left_out_unsaid(
    cost: Cost, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """Other columns go first; where everything was billed, that one does."""
    monkeypatch.setenv("COLUMNS", columns)
    header, *lines = cost().stdout.splitlines()

    assert "not billed" in header
    at = header.index("not billed") + len("not billed")
    assert next(line for line in lines if line.startswith("gpt-4o"))[:at].endswith(" 1")
    assert "not billed" not in cost("--until", "2020-01-01").stdout


def test_a_price_of_one_provider_only(cost: Cost, paid: Path) -> None:
    """It is shown where it is the only one, and named where there are several."""
    entry = '[[price]]\nmodel = "model-of-nobody"\nprovider = "{}"\ninput_per_mtok = {}\noutput_per_mtok = 1\n'
    (paid / "prices.toml").write_text(entry.format("acme", 7))
    only = parsed(cost("table", "model-of-nobody", "--json"))
    assert (only["provider"], only["input_per_mtok"]) == ("acme", 7)

    (paid / "prices.toml").write_text(entry.format("acme", 7) + entry.format("zeta", 8))
    done = cost("table", "model-of-nobody")
    assert done.returncode == 3
    assert "known for provider acme, zeta; use --provider acme; your own" in done.stderr
    assert parsed(cost("table", "model-of-nobody", "--provider", "zeta", "--json"))["input_per_mtok"] == 8
    assert "known for provider acme, zeta" in cost("table", "model-of-nobody", "--provider", "openai").stderr


def test_an_entry_that_another_hides_is_named(cost: Cost, paid: Path) -> None:
    """The last one holds, as it says."""
    own(paid, 1)
    once = (paid / "prices.toml").read_text()
    (paid / "prices.toml").write_text(once + once.replace("m-2", "M-2").replace("= 1", "= 4"))

    for words in ((), ("reprice",), ("table", "m-2")):
        done = cost(*words)
        assert done.returncode == 0
        assert "price[1] hides price[0]: both are of M-2; the one further down holds" in done.stderr
    assert parsed(cost("table", "m-2", "--json"))["input_per_mtok"] == 4


def test_the_price_of_a_time_that_the_list_does_not_know(cost: Cost) -> None:
    """It is the one that the list has, and it says so; a dated one is shown with its day."""
    undated = cost("table", "gpt-4o", "--at", "1990-01-01")
    assert (undated.returncode, "per million tokens" in undated.stdout) == (0, True)
    assert "does not say since when this price holds, and knows no other; that of 1990-01-01 may" in undated.stderr

    early = cost("table", "claude-opus-4-6", "--at", "2026-01-01")
    assert "does not say since when this price holds, only until when: 2026-03-13" in early.stderr
    late = cost("table", "claude-opus-4-6", "--at", "2026-04-01")
    assert (re.search(r"^from +2026-03-13$", late.stdout, re.MULTILINE) is not None, late.stderr) == (True, "")
    assert cost("table", "gpt-4o").stderr == ""


def test_the_price_in_force(cost: Cost, paid: Path) -> None:
    """What it is, who says so, and since when."""
    done = cost("table", "claude-sonnet-4-5")
    assert re.search(r"^input +\$3 per million tokens, \$6 above 200,000 input tokens$", done.stdout, re.MULTILINE)
    assert re.search(r"^price of +genai-prices \d", done.stdout, re.MULTILINE)

    found = parsed(cost("table", "gpt-4o", "--provider", "azure.ai.openai", "--json"))
    assert (found["provider"], found["input_per_mtok"], found["output_per_mtok"]) == ("azure", 2.5, 10.0)

    price = '[[price]]\nmodel = "gpt-*"\nfrom = 2026-01-01\nnote = "ours"\ninput_per_mtok = 1\noutput_per_mtok = 2\n'
    (paid / "prices.toml").write_text(price)
    mine = parsed(cost("table", "gpt-4o", "--json"))
    assert (mine["source"], mine["from"], mine["note"], mine["input_per_mtok"]) == ("override", "2026-01-01", "ours", 1)
    then = parsed(cost("table", "gpt-4o", "--at", "2025-12-31", "--json"))
    assert then["source"] == "genai-prices"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("table", "gpt-none"), 3, "does not know model 'gpt-none'; your own prices go into"),
        (("table", " "), 2, "give the name of a model"),
        (("table",), 2, "whence cost table --help"),
        (("--by", "colour"), 2, "whence cost --help"),
        (("--trace", "nonsense"), 3, "no trace 'nonsense'"),
        (("--since", "soon"), 2, "is not understood"),
        (("--limit", "0"), 2, "accepted: 1 to 10000"),
        (("reprice", "--model", ""), 2, "--model ''"),
        (("reprice", "--trace", "nonsense"), 3, "no trace 'nonsense'"),
        (("nonsense",), 2, "nonsense"),
    ],
    ids=str,
)
def test_what_is_not_accepted(cost: Cost, words: tuple[str, ...], code: int, said: str) -> None:
    """One line on stderr, and the exit codes of the others."""
    done = cost(*words)

    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_mistake_in_prices_toml(cost: Cost, paid: Path) -> None:
    """Sums are given with what is priced, and say so; pricing anew and prices need the file."""
    (paid / "prices.toml").write_text("[[price]]\nmodel = 3\n")

    done = cost("--json")
    assert done.returncode == 0
    assert "the newest calls are not priced" in done.stderr
    assert "prices.toml" in done.stderr
    assert json.loads(done.stdout)["total"]["reasons"] == {"not priced yet; whence cost reprice": 6}
    for words in (("reprice",), ("table", "gpt-4o")):
        done = cost(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "price[0].model" in done.stderr


def test_where_nothing_is_recorded(whence: Whence, tmp_path: Path) -> None:
    """It is said, and no file is made."""
    for words in ((), ("reprice",)):
        done = whence("cost", *words, data=tmp_path / "nowhere")
        assert (done.returncode, done.stdout) == (0, "")
        assert "nothing is recorded" in done.stderr
    assert not (tmp_path / "nowhere").exists()
