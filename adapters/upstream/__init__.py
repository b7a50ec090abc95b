"""Upstream out: attempts, through an `httpx.AsyncBaseTransport` of our own.

forwarder → transport → connection; headers, body, retry_after. httpx's types are the seam: any other transport can
serve a provider instead.
"""
