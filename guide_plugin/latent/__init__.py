"""Where codes lie, and how one is sought."""
