"""One pool's live state as a pure machine: messages in, effects out.

`machine.step` is deterministic: time arrives in the messages, ties are drawn from a counter-based generator seeded
per pool, and nothing here awaits, reads a clock or keeps a reference to what is outside.
"""
