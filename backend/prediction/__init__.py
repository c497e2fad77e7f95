"""Turns tasks of a /predict into predictions, with caches for text embeds and image features."""
