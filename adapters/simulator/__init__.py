"""A simulated LLM provider: a real HTTP/1.1 server on h11 and trio, for the demo, the end-to-end tests and benchmarks.

It shares no line of code with the gateway's data plane, so that the one tests the other. What it says is a pure
function of the request, its number, the simulator's name and the settings; how it behaves is set at start, over
`/_simulator/settings`, or by `x-simulate-…` request headers.
"""

from adapters.simulator.server import serve
from adapters.simulator.settings import FIELDS, HELP, InvalidSetting, Settings

__all__ = ["FIELDS", "HELP", "InvalidSetting", "Settings", "serve"]
