"""The generation door: what a pipeline that generates code, text or anything else did, component by component (seed 3).

    from whence.generation import GenerationLogger, observable

    @observable("render")
    def render(template, data): ...

    with GenerationLogger() as logger:
        logger.log_llm_interaction(component_name="todo_store", prompt="…", response="…", model="gpt-4")
        logger.generate_summary()

Recording never raises and never waits. What is recorded can be asked with `whence blame`, `whence why` and the others.
"""

from whence.generation.default import get_generation_logger
from whence.generation.events import GenerationEvent
from whence.generation.logger import GenerationLogger, SimpleGenerationLogger
from whence.generation.observable import observable
from whence.generation.observers import add_observer, flush, observer_stats, remove_observer, replay
from whence.generation.wrap import observe, patch_existing_generator

__all__ = [
    "GenerationEvent",
    "GenerationLogger",
    "SimpleGenerationLogger",
    "add_observer",
    "flush",
    "get_generation_logger",
    "observable",
    "observe",
    "observer_stats",
    "patch_existing_generator",
    "remove_observer",
    "replay",
]
