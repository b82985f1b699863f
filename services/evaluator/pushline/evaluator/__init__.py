"""From model.h5 to a verdict."""
