"""Quality of diagnosis, measured: runs of the two example pipelines with one planted fault each, and clean controls.

`python -m benchmarks.diagnosis --seed 1 --runs 200` says how often the first cause that whence names is the planted one.
"""
