"""Looking at components from outside: what each ComposedComponent counted, and whether it runs.

A ComposedComponent need not know of this module: whatever counts by `ComposedComponent.counted` can be looked at.
"""

from collections.abc import Iterable

from .composed_base import ComposedComponent


def totals(components: Iterable[ComposedComponent]) -> dict[str, int]:
    """Return "component.what" -> how often, for every ComposedComponent given."""
    return {
        f"{component.name}.{what}": number
        for component in components
        for what, number in sorted(component.counts.items())
    }


def running(components: Iterable[ComposedComponent]) -> list[str]:
    """Return the names of those that were set up and not cleaned up."""
    return [component.name for component in components if component.running]
