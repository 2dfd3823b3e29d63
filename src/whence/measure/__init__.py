"""Numbers and comparisons: what was expected beside what came; pure functions.

schemas     is a structure of the expected form? contracts, comparison, shapes, inference
contracts   what a consumer expects, read from examples, schemas and classes, prepared for `schemas`
shapes      the structure of an artifact without its content, and what a history of them amounts to
states      the same state on several nodes, and the difference of two states as a patch
values      what a Python value is in JSON's terms, and whether two are the same
vectors     embeddings and how far apart they are
chance      p-values, and many of them; the rules that the five below keep
rates       shares, and whether two differ
spread      what values usually are, and which are unusual
changes     whether and where the level of a series changed
counts      far more, or far fewer, in a minute than usual
calibration whether stated confidence and outcome agree
templates   messages of one kind, whatever their numbers and names
"""
