"""Names of components: "type/id", or an id alone where nobody named a type."""


def component_of(kind: str, name: str) -> str:
    """Return the name of a component of a type and an id, either of which may be empty."""
    return f"{kind}/{name}" if kind and name else kind or name


def split_component(component: str) -> tuple[str | None, str]:
    """Return (type, id) of a component; the type is None where it has none."""
    kind, slash, name = component.partition("/")
    return (kind or None, name) if slash else (None, component)
