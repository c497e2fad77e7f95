"""The starter: a small CLIP that ships with the project, and how it was made."""
