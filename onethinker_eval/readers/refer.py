"""Referring expressions as released with REFER: `refs(unc).p` or `.json`, and `instances.json`.

The `.p` file is a pickle of plain lists, dictionaries, texts and numbers. It is read by an
unpickler that builds nothing else: a file that asks for any class or function is refused.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.readers import masks as mask_forms
from onethinker_eval.readers.fields import Place, Unique, number, read_bytes, read_json
from onethinker_eval.readers.videos import folders_of
from onethinker_eval.records import Medium, Record

__all__ = ["load_refs", "read"]

_ASK = "Find this in the picture: {sentence}"


class _PlainUnpickler(pickle.Unpickler):
    """Builds lists, dictionaries, texts and numbers, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"the file asks for {module}.{name}, plain data never does")

    def persistent_load(self, _pid: Any) -> Any:
        raise pickle.UnpicklingError("the file refers to something outside itself")


def load_refs(path: Path) -> list[Mapping[str, Any]]:
    """Return the list of references of a `.p` or `.json` file; `DataError` if it is unsafe."""
    if path.suffix == ".json":
        content = read_json(path)
    else:
        data = read_bytes(path)
        try:
            content = _PlainUnpickler(io.BytesIO(data), encoding="latin1").load()
        except (
            *(pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError),
            *(TypeError, AttributeError, RecursionError, MemoryError, OverflowError),
        ) as error:
            raise DataError(
                f"refused: {error}",
                file=str(path),
                fix="fetch the file again, or export it as JSON",
            ) from error
    if not isinstance(content, list) or not all(isinstance(ref, Mapping) for ref in content):
        raise DataError("expected a list of references", file=str(path))
    return content


def read(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of one split of the folder `path` (`refcoco`, `refcoco+`, `refcocog`).

    `options`: `splitby` (unc, umd, google), `split`, `images` (folders tried in order), `form`:
    `boxes` gives a record per sentence, `masks` one per object with its first sentence.
    """
    stem = f"refs({options['splitby']})"
    files = [file for file in (path / f"{stem}.p", path / f"{stem}.json") if file.is_file()]
    if not files:
        raise DataError(f"neither {stem}.p nor {stem}.json is there", file=str(path))
    instances = read_json(path / "instances.json")
    try:
        images = {image["id"]: image for image in instances["images"]}
        shapes = {shape["id"]: shape for shape in instances["annotations"]}
    except (KeyError, TypeError) as error:
        raise DataError(
            "expected images and annotations with ids", file=str(path / "instances.json")
        ) from error
    folders = folders_of(options.get("images", "train2014"))
    folder = next((name for name in folders if (root / name).is_dir()), folders[0])
    question, unique = str(options.get("question", _ASK)), Unique()
    for ref in load_refs(files[0]):
        if ref.get("split") != options["split"]:
            continue
        place = Place(str(files[0]), str(ref.get("ref_id")), root, allow_absolute)
        try:
            shape, image = shapes[ref["ann_id"]], images[ref["image_id"]]
            sentences = ref["sentences"][: 1 if options.get("form") == "masks" else None]
        except (KeyError, TypeError) as error:
            yield place.error(f"no such reference, annotation or image: {error}")
            continue
        for sentence in sentences:
            try:
                _check(place, sentence, shape, image)
                yield _record(ref, sentence, shape, image, folder, question, options, place, unique)
            except DataError as error:
                yield error


def _check(place: Place, *values: Any) -> None:
    for value in values:
        if not isinstance(value, Mapping):
            raise place.error(f"expected an object, found {type(value).__name__}")


def _record(
    ref: Mapping[str, Any],
    sentence: Mapping[str, Any],
    shape: Mapping[str, Any],
    image: Mapping[str, Any],
    folder: str,
    question: str,
    options: Mapping[str, Any],
    place: Place,
    unique: Unique,
) -> Record:
    width, height = number(image.get("width")), number(image.get("height"))
    if not width or not height:
        raise place.error("the image has no width and height", "images")
    file = place.text(image, "file_name")
    words = place.text(sentence, "sent", str(sentence.get("raw", "")) or None)
    meta: dict[str, Any] = {"width": int(width), "height": int(height)}
    masks = options.get("form") == "masks"
    if masks:
        meta["segmentation"] = _mask(shape, int(height), int(width), place)
        name, truth = f"ref{ref.get('ref_id')}", None
    else:
        name = f"sent{sentence.get('sent_id')}"
        truth = {"boxes": place.box_1000(shape.get("bbox"), width, height)}
    return Record(
        id=unique(name),
        problem_type="segmentation" if masks else "spatial grounding",
        data_type="image",
        question=question.replace("{sentence}", words.strip()),
        media=(Medium("image", place.media(f"{folder}/{file}", "file_name")),),
        truth=truth,
        cluster=file,
        meta=meta,
        origin=place.origin,
    )


def _mask(shape: Mapping[str, Any], height: int, width: int, place: Place) -> dict[str, Any]:
    outline = shape.get("segmentation")
    try:
        if isinstance(outline, Mapping):
            mask = mask_forms.normalise(outline, size=(height, width))
        else:
            mask = mask_forms.normalise(None, size=(height, width), polygon=outline)
    except ValueError as error:
        raise place.error(str(error), "segmentation") from error
    return {"frames": ["0"], "rle": {"0": mask}}
