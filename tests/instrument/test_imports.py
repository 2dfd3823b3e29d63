"""What is to be done once a module is imported is done once, and no import is the worse for it."""

import importlib
import importlib.machinery
import importlib.util
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import whence.instrument
from whence.errors import BadInput
from whence.instrument import when_imported
from whence.record import notice

Make = Callable[[str, str], str]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Write a module, or a package's, that nobody has imported; its name is unique to the test."""
    monkeypatch.syspath_prepend(tmp_path)
    before, finders = set(sys.modules), list(sys.meta_path)
    unique = f"m{abs(hash(tmp_path))}"

    def written(name: str, source: str) -> str:
        path = tmp_path / (f"{unique}_{name}".replace(".", "/") + ".py")
        for parent in path.relative_to(tmp_path).parents:
            if parent != Path("."):
                (tmp_path / parent).mkdir(exist_ok=True)
                (tmp_path / parent / "__init__.py").touch()
        path.write_text(source)
        importlib.invalidate_caches()
        return f"{unique}_{name}"

    yield written
    for name in set(sys.modules) - before:
        del sys.modules[name]
    assert sys.meta_path == finders, "a finder was left behind"


def test_it_is_called_when_the_module_is_there(make: Make) -> None:
    name = make("alone", "value = 7")
    seen: list[int] = []
    when_imported(name, lambda: seen.append(sys.modules[name].value))
    assert seen == []
    module = importlib.import_module(name)
    assert seen == [7]
    importlib.import_module(name)
    importlib.reload(module)
    assert seen == [7]


def test_at_once_where_it_is_imported_already(make: Make) -> None:
    name = make("alone", "")
    importlib.import_module(name)
    seen: list[str] = []
    when_imported(name, lambda: seen.append("now"))
    assert seen == ["now"]


def test_nothing_of_ours_stays_on_the_module(make: Make) -> None:
    name = make("alone", "def f():\n    return 1\n")
    when_imported(name, lambda: None)
    module = importlib.import_module(name)
    assert module.__spec__ is not None
    assert type(module.__spec__.loader) is type(module.__loader__) is importlib.machinery.SourceFileLoader
    assert inspect.getsource(module.f) == "def f():\n    return 1\n"
    assert module.__file__ is not None
    assert module.__cached__ is not None


def test_a_package_and_a_module_inside_it(make: Make) -> None:
    inner = make("package.inner", "here = True")
    package = inner.rpartition(".")[0]
    seen: list[str] = []
    when_imported(inner, lambda: seen.append("inner"))
    when_imported(package, lambda: seen.append("package"))
    importlib.import_module(inner)
    assert seen == ["package", "inner"]
    assert sys.modules[package].inner.here


def test_an_import_that_fails_fails_as_ever_and_the_next_one_counts(make: Make, tmp_path: Path) -> None:
    name = make("failing", "raise RuntimeError('not today')")
    seen: list[str] = []
    when_imported(name, lambda: seen.append("there"))
    with pytest.raises(RuntimeError, match="not today"):
        importlib.import_module(name)
    assert seen == []
    assert name not in sys.modules
    make("failing", "repaired = 1")
    importlib.import_module(name)
    assert seen == ["there"]


def test_a_module_that_is_not_there_is_not_there(make: Make) -> None:
    seen: list[str] = []
    when_imported("whence_no_such_module", lambda: seen.append("no"))
    with pytest.raises(ModuleNotFoundError, match="whence_no_such_module"):
        importlib.import_module("whence_no_such_module")
    assert importlib.util.find_spec("whence_no_such_module") is None
    sys.modules["whence_no_such_module"] = sys  # stop waiting for it
    try:
        importlib.import_module("whence_no_such_module")
    finally:
        del sys.modules["whence_no_such_module"]
    whence.instrument._imports._finder.loaded("whence_no_such_module")


def test_asking_where_a_module_is_does_not_count(make: Make) -> None:
    name = make("alone", "")
    seen: list[str] = []
    when_imported(name, lambda: seen.append("there"))
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert spec.loader is not None
    assert "alone" in spec.loader.get_filename(name)  # type: ignore[attr-defined]
    assert seen == []
    importlib.import_module(name)
    assert seen == ["there"]


def test_two_callbacks_and_one_that_raises(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_last", -notice.EVERY_S)
    name = make("alone", "value = 1")
    seen: list[str] = []

    def fails() -> None:
        raise ValueError("mine")

    when_imported(name, fails)
    when_imported(name, lambda: seen.append("second"))
    with caplog.at_level(logging.WARNING, "whence"):
        assert importlib.import_module(name).value == 1
    assert seen == ["second"]
    assert "ValueError: mine" in caplog.text


def test_a_callback_that_imports_and_waits_for_more(make: Make) -> None:
    first, second = make("first", ""), make("second", "")
    seen: list[str] = []

    def on_first() -> None:
        when_imported(second, lambda: seen.append("second"))
        importlib.import_module(second)
        seen.append("first")

    when_imported(first, on_first)
    importlib.import_module(first)
    assert seen == ["second", "first"]


def test_threads_that_import_at_once(make: Make) -> None:
    name = make("slow", "import threading, time\ntime.sleep(0.05)\nvalue = 1")
    seen: list[int] = []
    ready = threading.Barrier(4)
    when_imported(name, lambda: seen.append(sys.modules[name].value))

    def importing() -> None:
        ready.wait()
        importlib.import_module(name)

    def waiting() -> None:
        ready.wait()
        when_imported(name, lambda: seen.append(sys.modules[name].value))

    threads = [threading.Thread(target=target) for target in (importing, importing, importing, waiting)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == [1, 1]


def test_adapters_by_name(make: Make) -> None:
    assert whence.instrument.names() == ("openai", "anthropic", "logging", "structlog", "opentelemetry")
    for given in ("opneai", "", "_client"):
        with pytest.raises(BadInput, match="accepted: openai, anthropic, logging, structlog, opentelemetry"):
            whence.instrument.install("openai", given)
    with pytest.raises(BadInput, match="nothing; accepted"):
        whence.instrument.remove()


def test_adapters_are_put_in_and_taken_out() -> None:
    import openai

    base = openai.OpenAI.__mro__[1]
    before = vars(base)["request"]
    whence.instrument.install("openai", "anthropic")
    assert vars(base)["request"] is not before
    whence.instrument.remove("openai", "anthropic")
    assert vars(base)["request"] is before


def test_no_library_is_imported_before_it_is_used(run: Callable[..., object]) -> None:
    run(
        """
        import sys
        import whence.instrument, whence.instrument.openai, whence.instrument.anthropic
        seen = []
        whence.instrument.when_imported("openai", lambda: whence.instrument.install("openai"))
        whence.instrument.when_imported("anthropic", lambda: whence.instrument.install("anthropic"))
        assert not {"openai", "anthropic", "httpx", "httpx2", "pydantic", "opentelemetry"} & sys.modules.keys()
        import openai, anthropic
        assert "whence" in vars(openai.OpenAI.__mro__[1])["request"].__code__.co_filename
        assert "whence" in vars(anthropic.Anthropic.__mro__[1])["request"].__code__.co_filename
        assert not [each for each in sys.meta_path if "whence" in type(each).__module__]
        """
    )
