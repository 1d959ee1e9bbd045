"""What this machine's layers and copies cost in seconds."""
