"""Ages and sizes as people write them on the command line."""

import re
from typing import Final

import click

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


class AgeType(click.ParamType[float]):
    """Seconds, of `30m`, `24h`, `7d`."""

    name = "AGE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"(\d{1,6})([smhd])", str(value), re.ASCII)
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is no age; valid: a number and s, m, h or d, such as 24h.", param, ctx)
        return float(int(found[1]) * _SECONDS[found[2]])


class SizeType(click.ParamType[int]):
    """Bytes, of `500MiB`, `1GiB`."""

    name = "SIZE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,6})(KiB|MiB|GiB|TiB)", str(value), re.ASCII)
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is no size; valid: a number and KiB, MiB, GiB or TiB, such as 1GiB.", param, ctx)
        return int(found[1]) * _BYTES[found[2]]
