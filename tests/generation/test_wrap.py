"""An existing generator is observed without a line of it being changed, and is afterwards what it was (R3.30)."""

import asyncio
import gc
import inspect
import types
from typing import Any

import pytest

import whence
from tests.generation.reading import calls, of
from whence.errors import BadInput
from whence.generation import observe, patch_existing_generator
from whence.testing.capture import Captured


class Generator:
    """What somebody else wrote."""

    name = "todo_store"

    def generate_component(self, spec: str) -> str:
        """Generate."""
        return self._render(self._generate_with_llm(spec))

    def _generate_with_llm(self, prompt: str) -> str:
        return f"class {prompt}: ..."

    async def later(self, n: int) -> int:
        return n

    @staticmethod
    def _render(code: str) -> str:
        return code.upper()

    @classmethod
    def made(cls) -> type:
        return cls


class Special(Generator):
    """A kind of it."""


STAGES = {"generate_component": "component_generation", "_render": "template_render"}


def state(target: Any) -> dict[str, Any]:
    return dict(vars(target))


def test_an_object_is_observed_and_others_are_not(captured: Captured) -> None:
    it, other = Generator(), Generator()
    before, before_class = state(it), state(Generator)
    observation = observe(it, stages=STAGES)
    with whence.trace("p"):
        assert it.generate_component("todo") == other.generate_component("todo") == "CLASS TODO: ..."
    observation.undo()

    assert [each.name for each in of(captured, "span.start")] == ["component_generation", "template_render"]
    outer, inner = of(captured, "span.start")
    assert (inner.parent, outer.component) == (outer.span, "todo_store")
    assert (state(it), state(Generator)) == (before, before_class)
    with whence.trace("p"):
        it.generate_component("todo")
    assert len(of(captured, "span.start")) == 2


def test_a_class_is_observed_for_all_its_objects(captured: Captured) -> None:
    before = state(Generator)
    with observe(Generator, stages={**STAGES, "made": "made"}) as observation:
        with whence.trace("p"):
            assert Special().generate_component("todo") == "CLASS TODO: ..."
            assert (Generator.made(), Special.made()) == (Generator, Special)
        assert isinstance(vars(Generator)["_render"], staticmethod)
        assert isinstance(vars(Generator)["made"], classmethod)
        assert Generator.generate_component.__doc__ == "Generate."
    observation.undo()

    assert state(Generator) == before
    assert all(state(Generator)[name] is before[name] for name in before)
    assert [each.name for each in of(captured, "span.start")] == [*STAGES.values(), "made", "made"]


def test_an_inherited_method_is_put_beside_and_taken_away(captured: Captured) -> None:
    before, before_base = state(Special), state(Generator)
    with observe(Special, stages=STAGES), whence.trace("p"):
        Special().generate_component("todo")
        Generator().generate_component("todo")

    assert (state(Special), state(Generator)) == (before, before_base)
    assert len(of(captured, "span.start")) == 2


def test_what_an_object_had_of_its_own_comes_back(captured: Captured) -> None:
    it = Generator()
    mine = lambda code: code.lower()  # noqa: E731 - a function in an attribute is what is meant
    it._render = mine  # type: ignore[method-assign]
    with observe(it, stages={"_render": "r"}), whence.trace("p"):
        assert it.generate_component("X") == "class x: ..."

    assert it._render is mine
    assert len(calls(captured, "r")) == 1


async def test_kinds_are_kept_and_options_count(captured: Captured) -> None:
    it = Generator()
    with observe(it, stages={"later": "l"}, component="told", capture_args=False), whence.trace("p"):
        assert inspect.iscoroutinefunction(it.later)
        assert await it.later(3) == 3

    ((start, began, _, _),) = calls(captured, "l")
    assert start.component == "told"
    assert "attributes" not in began


def test_a_module_is_an_object_as_well(captured: Captured) -> None:
    module = types.ModuleType("m")
    exec("def render(x): return x", vars(module))
    with observe(module, stages={"render": "r"}), whence.trace("p"):
        assert vars(module)["render"](1) == 1

    assert len(calls(captured, "r")) == 1


def test_undone_in_another_order(captured: Captured) -> None:
    """Who comes second wraps the first one's; who is undone first must not take the other's away."""
    it = Generator()
    first = observe(it, stages={"_render": "first"})
    second = observe(it, stages={"_render": "second"})
    second.undo()
    first.undo()
    assert state(it) == {}

    third = observe(it, stages={"_render": "third"})
    fourth = observe(it, stages={"_render": "fourth"})
    third.undo()
    with whence.trace("p"):
        it._render("x")
    assert len(calls(captured, "fourth")) == 1
    fourth.undo()
    with whence.trace("p"):
        it._render("x")
    assert len(calls(captured, "fourth")) == 1


@pytest.mark.parametrize("target", [Generator, Generator()], ids=["class", "object"])
def test_a_method_that_is_not_there_is_named_with_those_that_are(target: Any) -> None:
    before = state(Generator)
    with pytest.raises(BadInput, match="generate_component, later, made") as caught:
        observe(target, stages={"generate_component": "s", "genrate": "s"})

    assert "'genrate'" in str(caught.value)
    assert state(Generator) == before


@pytest.mark.parametrize(
    ("target", "stages", "options"),
    [
        (Generator, {}, {}),
        (Generator, None, {}),
        (Generator, {"name": "s"}, {}),
        (Generator, {"later": ""}, {}),
        (Generator, {"later": "s"}, {"captures": True}),
        (Generator, {5: "s"}, {}),
        (object(), {"__str__": "s"}, {}),
        (5, {"bit_length": "s"}, {}),
        (int, {"bit_length": "s"}, {}),
    ],
)
def test_what_cannot_be_observed_is_refused_and_nothing_is_changed(target: Any, stages: Any, options: Any) -> None:
    before = state(Generator)
    with pytest.raises(BadInput):
        observe(target, stages=stages, **options)

    assert state(Generator) == before


def test_the_entry_points_of_a_generator_are_found(captured: Captured) -> None:
    """D3: two methods, of a component that is an object with a name."""

    class Original:
        async def _generate_component(self, component: Any, blueprint: dict[str, Any]) -> None:
            self._write_component_file(component, "c.py")

        def _write_component_file(self, component: Any, component_file: str) -> None: ...

    with patch_existing_generator(Original) as observation, whence.trace("p"):
        asyncio.run(Original()._generate_component(types.SimpleNamespace(name="todo"), {}))
    with patch_existing_generator(Generator) as other:
        pass

    assert observation.stages == {"_generate_component": "component_generation", "_write_component_file": "file_write"}
    started = [(each.name, each.component) for each in of(captured, "span.start")]
    assert started == [("component_generation", "todo"), ("file_write", "todo")]
    assert other.stages == {"generate_component": "component_generation"}


def test_what_looks_like_no_generator_is_refused_with_its_methods() -> None:
    class Other:
        def work(self) -> None: ...

    with pytest.raises(BadInput, match="it has: work"):
        patch_existing_generator(Other())


def test_an_object_that_is_observed_can_be_forgotten() -> None:
    import weakref

    it = Generator()
    observation = observe(it, stages=STAGES)
    observation.undo()
    gone = weakref.ref(it)
    del it, observation
    gc.collect()

    assert gone() is None
