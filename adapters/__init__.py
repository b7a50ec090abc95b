"""The gateway's neighbours, one folder each: HTTP in, upstream out, event store, live stream, configuration, simulator.

Neighbours do not import each other; `main` puts them together and `cli` is its door.
"""
