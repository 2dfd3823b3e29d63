"""prices.toml: the user's own prices win, from the day they say, and a mistake in the file is named."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.price.conftest import own_price
from whence.errors import BadInput
from whence.model.payload import Cost
from whence.price.table import PriceTable

TEXT = """
[[price]]
model = "gpt-4o"
input_per_mtok = 2.00
output_per_mtok = 8.00
cache_read_per_mtok = 0.5
cache_write_per_mtok = 3
note = "contract 4711"

[[price]]
model = "gpt-4o"
provider = "azure"
input_per_mtok = 7
output_per_mtok = 7

[[price]]
model = "gpt-4o"
from = 2026-06-01
input_per_mtok = 1
output_per_mtok = 1

[[price]]
model = "llama-*"
input_per_mtok = 0.1
output_per_mtok = 0.1

[[price]]
model = "llama-4-*"
input_per_mtok = 0.4
output_per_mtok = 0.4
"""


def cost_of(home: Path, model: str, day: str = "2026-01-31", **call: object) -> Cost:
    said = {"model": model, "input_tokens": 1_000_000, "output_tokens": 0, **call}
    return PriceTable.load(home).price(said, int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9)


def test_own_prices_win_over_the_list(home: Path) -> None:
    """And a part of the cache has its own price, exactly."""
    (home / "prices.toml").write_text(TEXT)

    cost = cost_of(home, "gpt-4o", provider="openai", cache_read_tokens=300_000, cache_write_tokens=100_000)

    by_hand = 600_000 * Decimal("2") + 300_000 * Decimal("0.5") + 100_000 * Decimal("3")
    assert Decimal(repr(cost.usd)) == by_hand / 1_000_000
    assert cost.source == "override"


def test_the_closest_price_holds(home: Path) -> None:
    """A whole name before the beginning of one, a longer beginning, a named provider; case does not count."""
    (home / "prices.toml").write_text(TEXT)

    assert cost_of(home, "GPT-4o", provider="openai").usd == 2.0
    assert cost_of(home, "gpt-4o", provider="azure.ai.openai").usd == 7.0
    assert cost_of(home, "llama-3-70b").usd == 0.1
    assert cost_of(home, "Llama-4-scout", provider="my-gateway").usd == 0.4
    assert cost_of(home, "gpt-4o-mini", provider="openai").source == "genai-prices"


def test_a_price_holds_from_its_day_on(home: Path) -> None:
    """The day of the call in UTC, not the day of pricing."""
    (home / "prices.toml").write_text(TEXT)

    assert cost_of(home, "gpt-4o", "2026-05-31T23:59:59").usd == 2.0
    assert cost_of(home, "gpt-4o", "2026-06-01").usd == 1.0


def test_the_model_that_was_asked_counts_too(home: Path) -> None:
    """A deployment answers under a name that nobody prices."""
    own_price(home, "my-deployment", 3)

    assert cost_of(home, "gpt-x-internal", request_model="my-deployment").usd == 3.0


def test_the_version_changes_with_the_file(home: Path) -> None:
    """So that every cost says by which prices it was made."""
    own_price(home, "m", 1)
    before = cost_of(home, "m")
    own_price(home, "m", 2)
    after = cost_of(home, "m")

    assert before.version.startswith("override:")
    assert len(before.version) == len("override:") + 8
    assert before.version != after.version


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("model = 3", "price[1].model"),
        ('modell = "x"', "unknown field `modell`"),
        ("input_per_mtok = true", "price[1].input_per_mtok"),
        ('input_per_mtok = "1"', "price[1].input_per_mtok = '1' is a text; write the number without quotes"),
        ('cache_read_per_mtok = "0.5"', "price[1].cache_read_per_mtok = '0.5' is a text"),
        ("input_per_mtok = -1", "price[1]: input_per_mtok = -1"),
        ("input_per_mtok = nan", "price[1]: input_per_mtok = NaN"),
        ("input_per_mtok = 1e30", "price[1]: input_per_mtok"),
        ('from = "soon"', "price[1].from"),
        ('model = "a*b"', "one star, at the end"),
        ('model = " "', "price[1]: model = ' '"),
        ("model = ", "prices.toml"),
    ],
)
def test_a_mistake_in_the_file_is_named(home: Path, line: str, named: str) -> None:
    """The file, the key, what was given and what is accepted."""
    own_price(home, "first", 1)
    good = {"model": 'model = "x"', "input_per_mtok": "input_per_mtok = 1", "output_per_mtok": "output_per_mtok = 1"}
    good[line.partition(" ")[0]] = line
    with (home / "prices.toml").open("a") as file:
        file.write("\n".join(["[[price]]", *good.values()]) + "\n")

    with pytest.raises(BadInput) as caught:
        PriceTable.load(home)

    assert str(home / "prices.toml") in str(caught.value)
    assert named in str(caught.value)


def test_a_price_without_its_amounts_is_refused(home: Path) -> None:
    """And the message lists what a price consists of."""
    (home / "prices.toml").write_text('[[price]]\nmodel = "x"\n')

    with pytest.raises(BadInput, match=r"accepted: .*input_per_mtok, output_per_mtok, .*from"):
        PriceTable.load(home)


def test_no_file_is_no_prices_of_ones_own(home: Path) -> None:
    """Nor is a directory that does not exist."""
    assert cost_of(home, "gpt-4o", provider="openai").usd == 2.5
    assert cost_of(home / "nowhere", "gpt-4o", provider="openai").usd == 2.5


def test_entries_that_hide_each_other_are_told(home: Path) -> None:
    """Those alike in model, provider and day, whatever the case; not those of which each holds for something."""
    (home / "prices.toml").write_text(TEXT)
    assert PriceTable.load(home).hidden == []

    again = TEXT.replace('"gpt-4o"', '"GPT-4o"').replace('"azure"', '"Azure"')
    (home / "prices.toml").write_text(TEXT + again)

    assert PriceTable.load(home).hidden == [
        "price[5] hides price[0]: both are of GPT-4o",
        "price[6] hides price[1]: both are of GPT-4o of Azure",
        "price[7] hides price[2]: both are of GPT-4o from 2026-06-01",
        "price[8] hides price[3]: both are of llama-*",
        "price[9] hides price[4]: both are of llama-4-*",
    ]
