"""A dwctl (control-layer) database as facts of this one's control plane, again and again (SYNC-1).

Law: the source is only read, at one moment; here only what this importer made is changed or removed; and whatever is
not carried over, or not quite as it was, is told, with how many of it there are.
"""
