"""Reading one image file as the model sees it.

Pixels are uint8 (height, width, 3), RGB, origin top left. Transparent images lie on white; the
orientation tag of a photograph is not applied, because neither the authors' code nor the
annotations' coordinates do.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onethinker_eval.errors import DataError
from onethinker_eval.media.frames import FrameRule, image_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["ImagePixels", "read", "size"]

_MAX_PIXELS = 1 << 28


@dataclass(frozen=True, slots=True)
class ImagePixels:
    """An image's `pixels` (H, W, 3 uint8), and the `width` and `height` of the file."""

    pixels: NDArray[np.uint8]
    width: int
    height: int


def read(path: str, rule: FrameRule | None = None) -> ImagePixels:
    """Decode `path`, resized under `rule` (bicubic, as qwen_vl_utils), or at full size without.

    Raises `DataError` naming the file if it is missing, broken, cut off, or above 268 megapixels.
    """
    import numpy as np
    from PIL import Image, ImageFile

    with _open(path) as stored:
        width, height = stored.size
        # lmms-eval switches this on for the whole process: a cut file would pass, half grey.
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            stored.load()
            if stored.mode == "RGBA":
                picture = Image.new("RGB", stored.size, (255, 255, 255))
                picture.paste(stored, mask=stored.split()[3])
            else:
                picture = stored.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise _broken(path, error) from error
    if rule is not None:
        try:
            tall, wide = image_size(height, width, rule)
        except DataError as error:
            raise DataError(error.problem, file=path) from error
        picture = picture.resize((wide, tall), Image.Resampling.BICUBIC)
    return ImagePixels(np.asarray(picture, dtype=np.uint8), width, height)


def size(path: str) -> tuple[int, int]:
    """Return (width, height) from the file's header; `DataError` if it is no image."""
    with _open(path) as picture:
        return picture.width, picture.height


def _open(path: str) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path)
    except FileNotFoundError as error:
        raise DataError("the image is missing", file=path, fix="check --data") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError) as error:
        raise _broken(path, error) from error
    if picture.width * picture.height > _MAX_PIXELS:
        raise DataError(f"{picture.width}x{picture.height} pixels are too many", file=path)
    return picture


def _broken(path: str, error: Exception) -> DataError:
    reason = str(error) or type(error).__name__
    return DataError(
        f"the image cannot be decoded: {reason}", file=path, fix="fetch the file again"
    )
