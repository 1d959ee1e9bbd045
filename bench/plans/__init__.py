"""The planner's choice against other plans and strategies in the same budget: `python -m bench.plans`."""
