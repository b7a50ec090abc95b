"""Configuration from a file: the onwards format in JSON, YAML or TOML, and a watcher for the file."""

from adapters.config.findings import ConfigError
from adapters.config.onwards import Loaded, load, load_text
from adapters.config.watch import watch

__all__ = ["ConfigError", "Loaded", "load", "load_text", "watch"]
