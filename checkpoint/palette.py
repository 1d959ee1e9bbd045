"""The colours that tell the actions of a step apart, in every picture. Plain text."""

FORWARD, RECOMPUTE, BACKWARD = "#1D3461", "#FFC44D", "#42897D"
"""Dark, light and between: told apart in grey and without red or green as well."""

COPY, OUTLINE, BUDGET = "#B279A2", "#777777", "#C1272D"

OF_KINDS = {"forward": FORWARD, "recompute": RECOMPUTE, "backward": BACKWARD, "copy": COPY}
"""By the kinds of `checkpoint.schedule.spans`."""
