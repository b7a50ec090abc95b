"""Embeddings as OpenAI writes them (protocols 1.3).

Law: a vector is of unit length and a pure function of the input and the number of dimensions; `float` and `base64`
(little-endian float32) carry the same numbers exactly.
"""

import base64
import hashlib
import math
import struct
from collections.abc import Mapping

from adapters.simulator.shape import Answer, Json, Question, Shape, Unacceptable, encode, model_of, words
from adapters.simulator.shapes_openai import problem

DIMENSIONS = 16
MOST_DIMENSIONS = 8192


def _inputs(body: Mapping[str, Json]) -> list[Json]:
    """The inputs one by one: a string, or a list of token numbers, or a list of either."""
    asked = body.get("input")
    if isinstance(asked, str):
        return [asked]
    if not isinstance(asked, list) or not asked:
        raise Unacceptable("input must be a string, a list of token numbers, or a list of either", "input")
    return [asked] if isinstance(asked[0], int) else asked


def _dimensions(body: Mapping[str, Json]) -> int:
    asked = body.get("dimensions")
    if asked is None:
        return DIMENSIONS
    if isinstance(asked, bool) or not isinstance(asked, int) or not 1 <= asked <= MOST_DIMENSIONS:
        raise Unacceptable(f"dimensions must be a whole number from 1 to {MOST_DIMENSIONS}", "dimensions")
    return asked


def packed_vector(text: Json, dimensions: int) -> bytes:
    """The vector as little-endian float32."""
    noise = struct.unpack(f"<{dimensions}i", hashlib.shake_256(encode(text)).digest(4 * dimensions))
    length = math.hypot(*noise) or 1.0
    return struct.pack(f"<{dimensions}f", *(value / length for value in noise))


def _read(body: Mapping[str, Json]) -> Question:
    if body.get("encoding_format", "float") not in ("float", "base64"):
        raise Unacceptable("encoding_format must be float or base64", "encoding_format")
    _dimensions(body)
    tokens = sum(
        words(item) if isinstance(item, str) else len(item) if isinstance(item, list) else 1 for item in _inputs(body)
    )
    return Question(model_of(body), "", tokens, body=body)


def _whole(question: Question, answer: Answer) -> Json:
    dimensions, data = _dimensions(question.body), []
    for index, item in enumerate(_inputs(question.body)):
        packed = packed_vector(item, dimensions)
        if question.body.get("encoding_format") == "base64":
            embedding: Json = base64.b64encode(packed).decode("ascii")
        else:
            embedding = struct.unpack(f"<{dimensions}f", packed)
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    usage = {"prompt_tokens": answer.input_tokens, "total_tokens": answer.input_tokens}
    return {"object": "list", "data": data, "model": question.model, "usage": usage}


EMBEDDINGS = Shape(problem, _read, _whole)
