"""Photos that ship with Firstpass, for the playground and the demo; see NOTICE."""
