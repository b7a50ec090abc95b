"""How the tables came to be, one file a change; `adapters/store/migrating.py` runs them.

Law: a revision is never edited once a release has it. Revisions are numbers, in the order of their release.
"""
