"""The picture of the house is the house: folders, layers, paths and chores that the front pages name exist."""

import re
from configparser import ConfigParser

import pytest

from tests.docs.pages import FRONT, ROOT, blocks, pages

ARCHITECTURE = ROOT / "ARCHITECTURE.md"


def test_every_module_and_folder_of_the_package_is_in_the_picture() -> None:
    (picture,) = [block.code for block in blocks(ARCHITECTURE) if block.code.startswith("src/whence/")]
    drawn = set(re.findall(r"[├└]── ([\w.]+)/?", picture))
    there = {
        path.name
        for path in (ROOT / "src/whence").iterdir()
        if (path.suffix == ".py" or path.is_dir()) and path.name != "__pycache__"
    }
    assert drawn == there


def test_the_layers_are_those_of_the_contract() -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    layers = contracts["importlinter:contract:house"]["layers"].replace("whence.", "").strip()
    assert layers.splitlines() == [
        line for block in blocks(ARCHITECTURE) if block.code.startswith("cli |") for line in block.code.splitlines()
    ]


@pytest.mark.parametrize("page", FRONT)
def test_every_path_that_is_named_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:src|tests|docs|examples)/[\w./-]+|\.importlinter)`", text)
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_chores_that_are_named_exist_and_all_are_named() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M)) - {"help", "clean"}
    named = {chore for page in pages() for chore in re.findall(r"(?:`|^)make ([a-z]+)\b", page.read_text(), re.M)}
    assert named == targets
