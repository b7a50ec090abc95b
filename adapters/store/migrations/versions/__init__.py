"""The revisions, oldest first: r1, r2 …"""
