"""What the trainer calls: git."""
