"""Upstream out: attempts, through an `httpx.AsyncBaseTransport` of our own.

forwarder → transport → connection. httpx's types are the seam: any other transport can serve a provider instead.
"""
