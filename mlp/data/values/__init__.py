"""What raw values become: scaling, columns, classes, splits, and the record of all that. Knows no files."""
