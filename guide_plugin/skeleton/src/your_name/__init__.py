"""A plugin for `unlearn`. Importing it imports no torch: every command lists the plugins."""
