"""Moments as people write them, in UTC.

Law: total over the whole numbers; up to the year 9999 it is RFC 3339. Computed here, since projections know no
`datetime`: it brings the clock with it.
"""

from typing import Final

_DAY: Final = 86_400
"Seconds."
_ERA_DAYS: Final = 146_097
"The calendar repeats every 400 years."
_MARCH_OF_YEAR_0: Final = 719_468
"Days from the 1st of March of the year 0 to the epoch. Years that begin in March have their leap day at the end."


def utc(seconds: int) -> str:
    """Unix seconds as `2026-11-21T17:50:33Z`; midnight as `2026-11-21`."""
    days, second = divmod(seconds, _DAY)
    if second == 0:
        return _date(days)
    minutes, second = divmod(second, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(days)}T{hour:02}:{minute:02}:{second:02}Z"


def _date(days: int) -> str:
    """Days from the epoch as `2026-11-21`, of the Gregorian calendar."""
    era, day = divmod(days + _MARCH_OF_YEAR_0, _ERA_DAYS)
    # A day beyond 4, 100 and 400 years each is a leap day, of which 100 years have one less.
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153  # from March: five months have 153 days
    day -= (153 * month + 2) // 5
    in_next_year = month >= 10  # January and February
    return f"{400 * era + year + in_next_year:04}-{month - 9 if in_next_year else month + 3:02}-{day + 1:02}"
