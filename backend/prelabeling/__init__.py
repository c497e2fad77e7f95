"""Predictions for whole projects, made here and imported through Label Studio's API."""
