"""What `doctor` and the page at / check of an installation; each finding with its remedy."""
