"""The primitive types of the domain, named once.

They are plain aliases: a value that crosses the wire or the log stays the primitive it is there.
"""

from typing import TypeAlias

Alias: TypeAlias = str
"""A pool's name, as clients send it in `model`."""

ProviderName: TypeAlias = str
"""A provider's name, unique inside its pool."""

KeyId: TypeAlias = str
"""A key's public name. Never the secret, never a part of it."""

Digest: TypeAlias = bytes
"""SHA-256 of a client secret, 32 bytes."""

CredentialId: TypeAlias = str
"""Names an upstream credential: a vault entry, or a reference such as `env:NAME`."""

EndpointId: TypeAlias = str
"""An upstream address that deployments share."""

ModelId: TypeAlias = str
"""A deployment or a composite; one space of ids for both."""

UserId: TypeAlias = str
GroupId: TypeAlias = str
TariffId: TypeAlias = str

TokenId: TypeAlias = str
"""An admin token's public name."""

Stream: TypeAlias = str
"""The entity an event belongs to, e.g. `pool:chat`; versions are dense within it."""

Source: TypeAlias = str
"""Who wrote an event and may own what it defines, e.g. `file:routes.json`."""

Position: TypeAlias = int
"""The number of an event in the log; dense, from 1. 0 is the empty log."""

Ticket: TypeAlias = int
"""One request inside the actors; made by the asker, unique in the process."""

Nanoseconds: TypeAlias = int
"""A point on, or a stretch of, the monotonic clock."""
