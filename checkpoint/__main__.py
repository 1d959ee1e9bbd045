"""`python -m checkpoint` is the same program as `mlp-checkpointing`."""

import sys

from checkpoint.commands.program import main

if __name__ == "__main__":
    sys.exit(main())
