"""The image that a task names, as an RGB array: loaded, downloaded, decoded, guarded."""
