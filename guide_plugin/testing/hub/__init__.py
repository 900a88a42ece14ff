"""A model Hub on 127.0.0.1 that the unmodified client can talk to. See `server.LoopbackHub`."""
