"""Lessons of corrected masks, and the predictors built from them."""
