"""What layers, copies and operations cost on this machine, in seconds. Knows no schedule that runs on arrays."""
