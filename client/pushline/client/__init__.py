"""A small client for the predictor."""
