"""Which schedule for which budget: plans, fronts, and the searches behind them. Pure numbers."""
