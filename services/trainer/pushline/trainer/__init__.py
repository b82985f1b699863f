"""From a git push to model.h5."""
