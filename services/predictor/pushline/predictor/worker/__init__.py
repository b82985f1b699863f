"""The program of a further process of a predictor."""
