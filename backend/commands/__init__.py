"""The commands of `python -m backend`, and the label-studio-ml plugin."""
