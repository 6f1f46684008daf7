"""Training data against benchmarks: what is planted is found, what is new is not."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onethinker_eval import demo
from onethinker_eval.benchmarks import catalogue
from onethinker_eval.demo.media import write_mp4
from onethinker_eval.errors import DataError
from onethinker_eval.media import video
from onethinker_eval.readers import iterate
from onethinker_eval.records import Medium, Record
from onethinker_eval.training import media_facts
from onethinker_eval.training.contamination import SERIOUS, Contamination, Item, compare
from onethinker_eval.training.look_alike import (
    MOST_DIFFERENCE,
    RADIUS,
    HashIndex,
    difference,
    grid,
    is_plain,
    picture_hash,
)
from onethinker_eval.training.media_facts import inspect
from onethinker_eval.training.question_alike import (
    JACCARD,
    normal_question,
    question_pairs,
    similarity,
)

TASKS = ("refcoco_val", "charades", "mmstar")


def items(root: Path, names: tuple[str, ...] | None = None) -> Iterator[Item]:
    for task in catalogue().tasks.values():
        if task.part_of or (names and task.name not in names):
            continue
        try:
            for record in iterate(task, root):
                assert isinstance(record, Record)
                yield Item(task.name, record)
        except DataError:
            continue  # not among the made ones


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Item], list[Item], Path]:
    folder = tmp_path_factory.mktemp("suites")
    names = ["refcoco", "charades", "mmstar"]
    made = {
        split: demo.make(folder / split, split=split, benchmarks=names)
        for split in ("train", "eval")
    }
    train, test = (list(items(made[split], TASKS)) for split in ("train", "eval"))
    assert len(train) > 50
    assert {item.group for item in test} == set(TASKS)
    return train, test, folder


def checked(train: list[Item], test: list[Item], cache: Path) -> Contamination:
    media = [medium for item in [*train, *test] for medium in item.record.media]
    return compare(train, test, inspect(media, cache=cache))


def test_the_demo_training_split_repeats_nothing_of_the_evaluation_split(
    suites: tuple[list[Item], list[Item], Path],
) -> None:
    train, test, folder = suites
    found = checked(train, test, folder / "cache")
    assert [match for match in found.matches if match.kind in SERIOUS] == []
    assert found.trained == len(train)
    assert min(found.media) > 20


def planted(item: Item, media: list[Medium], question: str) -> Item:
    record = dataclasses.replace(
        item.record, id=f"planted {item.record.id}", media=tuple(media), question=question
    )
    return Item("planted", record)


def jpeg(source: str, target: Path, quality: int, scale: float = 1.0) -> Medium:
    picture = Image.open(source).convert("RGB")
    size = (round(picture.width * scale), round(picture.height * scale))
    picture.resize(size, Image.Resampling.BICUBIC).save(target, "JPEG", quality=quality)
    return Medium("image", str(target))


@pytest.mark.parametrize(("quality", "scale"), [(60, 1.0), (85, 0.5), (90, 2.0)])
def test_planted_pictures_are_found(
    suites: tuple[list[Item], list[Item], Path], tmp_path: Path, quality: int, scale: float
) -> None:
    train, test, folder = suites
    still = [item for item in test if item.group in ("refcoco_val", "mmstar")]
    firsts = list({item.record.media[0]: item for item in still}.values())
    copies = [
        planted(
            item,
            [jpeg(item.record.media[0].path, tmp_path / f"{number}.jpg", quality, scale)],
            f"  {item.record.question.upper()} \n!",
        )
        for number, item in enumerate(firsts)
    ]
    found = checked([*train, *copies], test, folder / "cache")
    kinds = {match.record: match for match in found.matches if match.source == "planted"}
    samples = [match for match in kinds.values() if match.kind == "sample"]
    assert len(samples) >= 0.95 * len(copies)
    for item in copies:
        if kinds.get(item.record.id) in samples:
            assert kinds[item.record.id].matched == item.record.id.removeprefix("planted ")
    assert not [m for m in found.matches if m.kind in SERIOUS and m.source != "planted"]


def test_planted_videos_bytes_and_words_are_found(
    suites: tuple[list[Item], list[Item], Path], tmp_path: Path
) -> None:
    train, test, folder = suites
    clip = next(item for item in test if item.group == "charades")
    path = clip.record.media[0].path
    about = video.probe(path)
    frames = video.read_indices(path, range(about.n_frames), size=(64, 80)).frames
    write_mp4(tmp_path / "again.mp4", list(frames), about.fps)
    (tmp_path / "copy.mp4").write_bytes(Path(path).read_bytes())
    long = "When does the little red square that came in from the left go out of the picture"
    asked = dataclasses.replace(clip.record, id="long", question=long, media=())
    test = [*test, Item("words", asked)]
    new = next(item for item in train if item.group == "refcoco_val")
    copies = [
        planted(clip, [Medium("video", str(tmp_path / "again.mp4"))], clip.record.question),
        planted(clip, [Medium("video", str(tmp_path / "copy.mp4"))], "Something else entirely?"),
        planted(new, list(new.record.media), long.lower() + " ?"),
        planted(new, list(new.record.media), long.replace("little", "litle")),
        Item("planted", dataclasses.replace(asked, id="no media", question=long + "!")),
    ]
    found = checked(copies, test, folder / "cache")
    assert [match.kind for match in found.matches] == [
        *("sample", "medium", "question", "near question", "sample"),
    ]
    first, second = found.matches[:2]
    assert first.difference is not None
    assert 0 < first.difference <= MOST_DIFFERENCE
    assert (second.difference, first.benchmark) == (0.0, "charades")
    assert found.serious == 3
    assert found.to_json()["counts"]["medium"] == {"planted → charades": 1}


def test_facts_are_found_once_and_survive_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = []
    for number in range(70):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        media.append(Medium("image", str(tmp_path / f"{number}.png")))
    (tmp_path / "5.png").write_bytes(b"no picture")
    real, calls = media_facts.facts_of, []

    def until_killed(medium: Medium) -> media_facts.MediumFacts:
        calls.append(medium)
        if len(calls) > 66:
            raise KeyboardInterrupt
        return real(medium)

    cache = tmp_path / "cache"
    monkeypatch.setattr(media_facts, "facts_of", until_killed)
    with pytest.raises(KeyboardInterrupt):
        inspect(media, workers=1, cache=cache)
    (journal,) = (cache / "media-facts").glob("*.jsonl")
    with journal.open("ab") as stream:
        stream.write(b'{"kind": "image", "path"')  # torn by a kill
    calls.clear()
    with pytest.warns(UserWarning, match="cut off"):
        found = inspect(media, workers=1, cache=cache)
    assert len(calls) == 70 - 64
    assert "cannot be decoded" in found[media[5]].problem
    assert (found[media[0]].width, found[media[0]].height) == (48, 40)
    calls.clear()
    assert inspect(media, cache=cache) == found
    assert calls == []
    Image.new("RGB", (64, 64), "red").save(tmp_path / "0.png")
    (tmp_path / "1.png").unlink()
    again = inspect(media, cache=cache)
    assert [medium.path for medium in calls] == [str(tmp_path / "0.png")]
    assert again[media[0]].looks == ("",)  # plain
    assert again[media[1]].problem == "the image is missing"


def test_the_index_finds_what_comparing_all_finds() -> None:
    rng = np.random.default_rng(1)
    stored = rng.integers(0, 1 << 64, 3000, dtype=np.uint64)
    queries = np.concatenate([rng.integers(0, 1 << 64, 500, dtype=np.uint64), stored[:500]])
    for number in range(500, 1000):
        for bit in rng.choice(64, number % 12, replace=False):
            queries[number] ^= np.uint64(1 << int(bit))
    queries[:50] = stored[0]  # a crowded bucket
    found = {
        (int(q), int(s), int(b))
        for portion in HashIndex(stored).near(queries)
        for q, s, b in zip(*portion, strict=True)
    }
    bits = np.unpackbits((queries[:, None] ^ stored[None]).view(np.uint8), axis=1)
    counts = bits.reshape(len(queries), len(stored), 64).sum(axis=2)
    expected = {(int(q), int(s), int(counts[q, s])) for q, s in np.argwhere(counts <= RADIUS)}
    assert found == expected
    assert len(expected) > 300


def test_plain_pictures_and_symmetry() -> None:
    black = grid(np.zeros((50, 60, 3), np.uint8))
    assert is_plain(black)
    rng = np.random.default_rng(0)
    a, b = (grid(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)) for _ in range(2))
    assert difference(a, a) == 0
    assert difference(a, b) == difference(b, a) > MOST_DIFFERENCE
    assert 0 <= picture_hash(a) < 1 << 64
    spot = np.full((320, 320, 3), 200, np.uint8)
    marked = spot.copy()
    marked[100:120, 100:120] = (0, 0, 255)  # too small for the hash, not for the comparison
    assert difference(grid(spot), grid(marked)) > MOST_DIFFERENCE


def test_near_questions_are_those_of_comparing_all() -> None:
    rng = np.random.default_rng(3)
    words = [f"word{number}" for number in range(400)]
    left = [" ".join(rng.choice(words, 12)) for _ in range(120)]
    right = [" ".join(rng.choice(words, 12)) for _ in range(120)]
    for number in range(0, 120, 3):  # one to three words of twelve changed
        changed = left[number].split()
        for place in rng.choice(12, 1 + number % 3, replace=False):
            changed[place] = str(rng.choice(words))
        right[(7 * number) % 120] = " ".join(changed)
    expected = {}
    for a, text in enumerate(left):
        best = max((similarity(text, other), -b) for b, other in enumerate(right))
        if best[0] >= JACCARD:
            expected[a] = best[0]
    found = {a: share for a, _, share in question_pairs(left, right)}
    assert found == expected
    assert len(expected) > 10
    assert normal_question("Is “A” ≥ 3?") == "is a 3"


@pytest.mark.slow
def test_what_the_whole_demo_repeats_by_chance(tmp_path: Path) -> None:
    """Seeds never meet, yet where few pictures are possible the same ones come."""
    train = list(items(demo.make(tmp_path / "train", split="train")))
    test = list(items(demo.ensure()))
    found = checked(train, test, tmp_path / "cache")
    serious = [match for match in found.matches if match.kind in SERIOUS]
    small = {"mathverse", "videommmu", "videomathqa", "videommlu_caption"}
    assert {match.source for match in serious} <= small
    assert len(serious) <= 0.03 * len(train)


def test_a_jpeg_of_the_same_bytes_is_no_look_alike_of_another(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(stream.getvalue())
    record = Record("1", "math", "image", "What?", (Medium("image", str(tmp_path / "a.png")),), "1")
    other = dataclasses.replace(
        record, question="Which number follows?", media=(Medium("image", str(tmp_path / "b.png")),)
    )
    found = checked([Item("mine", record)], [Item("theirs", other)], tmp_path / "cache")
    assert [match.kind for match in found.matches] == ["medium"]
