"""What projects have learned: lessons, their versions, and the masks last predicted."""
