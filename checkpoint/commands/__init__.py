"""The commands, a file each: `add_arguments(parser)` and `main(args) -> int`."""
