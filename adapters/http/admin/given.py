"""What a route is given beside the request, by name: `office`, `who`, `mutation`.

Law: it is handed over as it is. The framework's own mark would have the decoder look into the types of all its fields.
"""

from typing import Annotated, TypeAlias, TypeVar

from litestar.di import Dependency
from litestar.params import SkipValidationMarker

T = TypeVar("T")

Given: TypeAlias = Annotated[T, Dependency(kind="named"), SkipValidationMarker()]
