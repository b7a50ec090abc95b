"""A file of zstd frames, read one by one as far as it is whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
import zstandard

from adapters.codec import journal_codec as codec

_CHUNK: Final = 1 << 20
_log: Final = structlog.get_logger("pointsman")


def is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(zstandard.FRAME_HEADER)) == zstandard.FRAME_HEADER


def frames_of(path: Path, unreadable: set[int] | None = None) -> Iterator[bytes]:
    """What is in each frame; what is no whole one ends it, and is said, and 0 is put into `unreadable`."""
    with path.open("rb") as file:
        rest = b""
        while rest := rest or file.read(_CHUNK):
            frame, plain, size, is_whole = zstandard.ZstdDecompressor().decompressobj(), [], 0, False
            try:
                while rest and not is_whole:
                    plain.append(frame.decompress(rest))
                    size += len(plain[-1])
                    is_whole = frame.eof
                    rest = frame.unused_data if is_whole else file.read(_CHUNK)
                    if size > codec.LARGEST:
                        raise zstandard.ZstdError("a frame is larger than any block")  # noqa: TRY301 - as a broken one
            except zstandard.ZstdError as error:
                _end(unreadable)
                _log.error("the corpus is damaged; what follows is not read", file=str(path), why=str(error))
                return
            if not is_whole:
                _end(unreadable)
                _log.error("the corpus was cut off; its last block is not read", file=str(path))
                return
            yield b"".join(plain)


def _end(unreadable: set[int] | None) -> None:
    if unreadable is not None:
        unreadable.add(0)


def framed(plain: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(plain)
