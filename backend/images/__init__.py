"""Loads the image of a task as an RGB array: URIs, downloads, decoding, SSRF protection."""
