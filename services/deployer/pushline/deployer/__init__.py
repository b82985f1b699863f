"""From a verdict to what is to serve."""
