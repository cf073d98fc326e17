"""The search of a tuning job as a pure library: a space, a history and a seed in, the next points out.

============== ==========================================================================================
`space`        the ranges together; `ranges` and `scales`: one range, between the texts of jobs and [0, 1]
`trial`        what a search has seen, and the contract of a strategy
strategies     `random_search`, `grid_search`, `bayesian`, `hyperband`
`bayesian`     `observations` → `surrogate` (`gaussian_process`, `power_transform`) → `acquisition` → `maximize`
while it runs  `early_stopping` of a trial; `improvement` and `completion` of the search
============== ==========================================================================================

Nothing here has a state: after a crash the same history gives the same answer. `bayesian` and `completion` need
scipy, the extra ``tuning``.
"""
