"""How well a project's annotated tasks are predicted, by measures of masks."""
