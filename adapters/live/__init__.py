"""The live stream: a sampled view of all pools, and the websocket that carries it."""
