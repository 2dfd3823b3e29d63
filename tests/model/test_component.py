"""Components are called by a type and an id, and are told apart again."""

from hypothesis import given
from hypothesis import strategies as st

from whence.model.component import component_of, split_component


def test_a_component_is_split_at_its_first_slash() -> None:
    assert [split_component(each) for each in ("agent/a", "a", "x/y/z", "/a", "")] == [
        ("agent", "a"),
        (None, "a"),
        ("x", "y/z"),
        (None, "a"),
        (None, ""),
    ]


@given(st.text(min_size=1).filter(lambda kind: "/" not in kind), st.text(min_size=1))
def test_what_was_put_together_comes_apart(kind: str, name: str) -> None:
    assert split_component(component_of(kind, name)) == (kind, name)
    assert (component_of("", name), component_of(kind, "")) == (name, kind)
