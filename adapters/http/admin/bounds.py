"""Numbers in bodies: what the decoder enforces and the API's description tells."""

from typing import Annotated, Final, TypeAlias

import msgspec
from litestar.params import Body

MOST: Final = 2**31 - 1

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MOST), Body(ge=0, le=MOST)]
AtLeastOne: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MOST), Body(ge=1, le=MOST)]
Order: TypeAlias = Annotated[int, msgspec.Meta(ge=-MOST, le=MOST), Body(ge=-MOST, le=MOST)]
Rate: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=MOST), Body(gt=0, le=MOST)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=MOST), Body(ge=0, le=MOST)]
Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1), Body(ge=0, le=2**53 - 1)]
