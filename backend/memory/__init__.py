"""What projects have learnt: lessons, versions, what was shown."""
