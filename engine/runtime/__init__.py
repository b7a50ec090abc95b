"""The engine's moving parts on trio: actors around the pure machines, and the two flows through them.

A request:  forward → router → pool_actor → the machine.  A change:  writer → log → follower → router → pool_actor.
"""
