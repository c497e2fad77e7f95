"""The release of Firstpass, as pyproject.toml states it, which containers lack."""

RELEASE = "0.5.0"
