"""What a benchmark ran on, and whether anything else ran beside it."""
