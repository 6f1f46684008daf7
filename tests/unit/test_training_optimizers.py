"""The joint optimizer and the smoothed loss against torch's own parts."""

from __future__ import annotations

import copy
import math
import statistics

import pytest
from tiny_training import tiny_parts

torch = pytest.importorskip("torch")

from transformers import AutoTokenizer  # noqa: E402

from onethinker_eval.demo.tiny_model import tiny_folder  # noqa: E402
from onethinker_eval.training.optimizers import ExactMuon, muon_adamw  # noqa: E402
from onethinker_eval.training.smoothing import SmoothedNumbers  # noqa: E402
from onethinker_eval.training.tiny_tokenizer import NumberRows, number_rows  # noqa: E402


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(5, 8)
        self.inner = torch.nn.Linear(8, 8)
        self.lm_head = torch.nn.Linear(8, 5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.lm_head(torch.relu(self.inner(self.embed(ids))))


IDS = torch.tensor([0, 1, 2, 3, 4])


def loss_of(net: Net) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(net(IDS), IDS.roll(1))


def steps(net: Net, optimizer: torch.optim.Optimizer, count: int) -> list[float]:
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = loss_of(net)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def fresh() -> Net:
    torch.manual_seed(0)
    return Net()


def test_matrices_of_blocks_go_to_muon_and_the_rest_to_adamw() -> None:
    net = fresh()
    net.inner.bias.requires_grad_(False)
    muon, adamw = muon_adamw(net, muon_lr=0.1, adamw_lr=0.01).parts
    assert [id(p) for p in muon.param_groups[0]["params"]] == [id(net.inner.weight)]
    others = {id(p) for p in adamw.param_groups[0]["params"]}
    assert others == {id(p) for p in (net.embed.weight, *net.lm_head.parameters())}


def test_one_step_is_the_step_of_both_parts() -> None:
    mine, theirs = fresh(), fresh()
    joint = muon_adamw(mine, muon_lr=0.1, adamw_lr=0.01, weight_decay=0.1)
    steps(mine, joint, 2)
    muon = ExactMuon([theirs.inner.weight], lr=0.1, weight_decay=0.1)
    rest = [p for p in theirs.parameters() if p is not theirs.inner.weight]
    adamw = torch.optim.AdamW(rest, lr=0.01, betas=(0.9, 0.98), weight_decay=0.1)
    for _ in range(2):
        theirs.zero_grad()
        loss_of(theirs).backward()
        muon.step()
        adamw.step()
    for first, second in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("shape", [(6, 24), (24, 6), (8, 8)])
def test_muon_on_cpus_is_that_of_torch_but_for_rounding(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    mine, theirs = (torch.nn.Parameter(torch.zeros(shape)) for _ in range(2))
    ours = ExactMuon([mine], lr=1.0, weight_decay=0.1)
    peer = torch.optim.Muon([theirs], lr=1.0, weight_decay=0.1)
    for _ in range(3):
        mine.grad = theirs.grad = torch.randn(shape)
        before = mine.detach().clone()
        ours.step()
        peer.step()
        assert torch.allclose(mine, theirs, atol=0.05)
    values = torch.linalg.svdvals(mine.detach() - 0.9 * before) / max(1, shape[0] / shape[1]) ** 0.5
    assert values.min() > 0.3  # nearly orthogonal
    assert values.max() < 1.3
    peer.load_state_dict(ours.state_dict())
    assert torch.equal(peer.state[theirs]["momentum_buffer"], ours.state[mine]["momentum_buffer"])


def test_a_scheduler_reaches_both_and_a_resumed_run_equals_an_uninterrupted_one() -> None:
    whole, half = fresh(), fresh()
    optimizer = muon_adamw(whole, muon_lr=0.1, adamw_lr=0.01)
    first = muon_adamw(half, muon_lr=0.1, adamw_lr=0.01)
    expected = steps(whole, optimizer, 6)
    assert expected[-1] < expected[0]
    before = steps(half, first, 3)
    resumed = copy.deepcopy(half)
    second = muon_adamw(resumed, muon_lr=0.5, adamw_lr=0.5)
    second.load_state_dict(first.state_dict())
    assert before + steps(resumed, second, 3) == expected
    schedule = torch.optim.lr_scheduler.LambdaLR(second, lambda step: 0.5)
    assert [part.param_groups[0]["lr"] for part in second.parts] == [0.05, 0.005]
    assert schedule.get_last_lr() == [0.05, 0.005]


ROWS = NumberRows(
    integers=tuple(range(60)),
    listed=tuple(range(60, 120)),
    tenths=tuple(range(120, 140)),
    grounding=(140,),
    opens_time=(140,),
    opens_point=(140,),
    opens_box=(140,),
    exact=(141,),
    moves=(141,),
    decides=(142,),
)
WIDTH = 143


def _loss(spread: float = 2.0) -> SmoothedNumbers:
    return SmoothedNumbers(ROWS, spread=spread, vocabulary=WIDTH)


def _of(loss: SmoothedNumbers, logits: torch.Tensor, target: int, spread: bool) -> float:
    return float(loss(logits, torch.tensor([target]), torch.tensor([spread])))


def _plain(logits: torch.Tensor, target: int) -> float:
    return torch.nn.functional.cross_entropy(logits, torch.tensor([target])).item()


def test_what_is_not_spread_has_the_exact_weight() -> None:
    logits = torch.randn(2, WIDTH, generator=torch.manual_seed(2))
    loss = SmoothedNumbers(ROWS, spread=2.0, vocabulary=WIDTH, exact=3.0)
    for target, spread in ((5, False), (140, True)):
        assert _of(loss, logits[:1], target, spread) == pytest.approx(
            3 * _plain(logits[:1], target)
        )
    assert _of(loss, logits[:1], 5, True) == pytest.approx(_of(_loss(), logits[:1], 5, True))
    both = loss(logits, torch.tensor([5, 5]), torch.tensor([True, False]))
    assert both.item() == pytest.approx(
        _of(_loss(), logits[:1], 5, True) + 3 * _plain(logits[1:], 5)
    )


def test_a_mark_that_decides_weighs_more() -> None:
    logits = torch.randn(1, WIDTH, generator=torch.manual_seed(3))
    loss = SmoothedNumbers(ROWS, spread=2.0, vocabulary=WIDTH, exact=3.0)
    assert _of(loss, logits, 142, False) == pytest.approx(15 * _plain(logits, 142))


@pytest.mark.parametrize(
    ("target", "row", "width"),
    [
        (1, range(60), 2.0),
        (58, range(60), 2.0),
        (110, range(60, 120), 2.0),
    ],
)
def test_the_target_of_a_coordinate_is_a_gaussian_over_its_row(
    target: int, row: range, width: float
) -> None:
    logits = torch.randn(1, WIDTH, generator=torch.manual_seed(1))
    log_p = torch.log_softmax(logits[0], dim=-1)
    near = [at for at in row if abs(at - target) <= 6]
    weights = [math.exp(-0.5 * ((at - target) / width) ** 2) for at in near]
    expected = -sum(w * log_p[at] for w, at in zip(weights, near, strict=True)) / sum(weights)
    assert _of(_loss(), logits, target, True) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("target", [5, 65, 125])
def test_numbers_that_are_not_to_be_spread_are_exact(target: int) -> None:
    logits = torch.randn(1, WIDTH, generator=torch.manual_seed(3))
    said = _of(_loss(), logits, target, False)
    assert said == pytest.approx(_plain(logits, target), rel=1e-5)


def test_other_tokens_keep_their_one_target_and_losses_add_up() -> None:
    logits = torch.randn(3, WIDTH, generator=torch.manual_seed(2))
    targets = [141, 55, 129]
    single = [_of(_loss(), logits[at : at + 1], targets[at], True) for at in range(3)]
    for at in (0, 2):  # a word, and tenths of a second
        plain = _plain(logits[at : at + 1], targets[at])
        assert single[at] == pytest.approx(plain, rel=1e-5)
    together = _loss()(logits, torch.tensor(targets), torch.ones(3, dtype=torch.bool))
    assert together.item() == pytest.approx(sum(single), rel=1e-5)


def test_coordinates_are_spread_but_no_counts_and_seconds() -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
    rows = number_rows(tokenizer)
    loss = SmoothedNumbers(rows, spread=8.0, vocabulary=len(tokenizer))
    numbers = torch.tensor([*rows.integers, *rows.listed])
    replies = {
        'At 12 <answer>{"boxes": [31, 234, 694, 805]}</answer>': [12, 31, 234, 694, 805],
        '<answer>{"time": [1.0, 6.0]}</answer>': [],
        '<answer>{"time": [0, 4], "boxes": {"0": [25, 78, 9, 305]}}</answer>': [25, 78, 9, 305],
        '<answer>{"time": 0.5, "boxes": [31, 234, 94, 805]}</answer>': [31, 234, 94, 805],
        "<think>9 - 3 = 6. That ends at 11.0 s.</think><answer>6</answer>": [],
        "<think>2, 3, 5. 1 at [31, 234] star.</think>": [31, 234],
        "<think>0.6: [31, 234, 694, 805], 2.8 away, 7 of 9.</think>": [31, 234, 694, 805],
        "<think>: [1, 2, 3, 4] right 62 grows 12, 3 left.</think>": [1, 2, 3, 4, 62, 12],
        'One with 4 corners for 32 seconds at second 3 is from 9 to 25. <answer>{"boxes": [': [
            *(9, 25),
        ],
        '0.6: [31, 234, 694, 805]. At 2.0 s.</think><answer>{"time": [1.0, 2.0]}</answer>': [
            *(31, 234, 694, 805),
        ],
    }
    for reply, expected in replies.items():
        ids = torch.tensor([tokenizer(reply)["input_ids"]])
        spread = ids[loss.spread(ids) & torch.isin(ids, numbers)]
        assert [float(tokenizer.decode([one]).strip(" ,")) for one in spread] == expected, reply


def test_coordinates_that_are_read_are_moved_a_little_and_nothing_else_is() -> None:
    _, processor = tiny_parts()
    tokenizer = processor.tokenizer
    rows = number_rows(tokenizer)
    loss = SmoothedNumbers(rows, spread=8.0, vocabulary=len(tokenizer))
    reply = '<answer>{"time": [0, 4], "boxes": {"0": [25, 78, 500, 305]}}</answer> 7 of 9'
    ids = torch.tensor([tokenizer(reply)["input_ids"]] * 64)
    labels = ids.clone()
    labels[:, :2] = -100
    moved = loss.jittered(ids, labels, loss.spread(labels))
    spread = loss.spread(labels) & torch.isin(ids, torch.tensor([*rows.integers, *rows.listed]))
    assert torch.equal(moved[~spread], ids[~spread])
    place = rows.listed.index(int(ids[0][spread[0]][2]))
    steps = [rows.listed.index(one) - place for one in moved[:, spread[0]][:, 2].tolist()]
    assert len(set(steps)) > 5
    assert max(map(abs, steps)) <= 24  # six deviations


def test_half_of_the_long_tracks_are_read_where_the_object_is_not() -> None:
    _, processor = tiny_parts()
    tokenizer = processor.tokenizer
    rows = number_rows(tokenizer)
    loss = SmoothedNumbers(rows, spread=8.0, vocabulary=len(tokenizer))
    track = ", ".join(f'"{second}": [500, 400, 500, 400]' for second in range(1, 9))
    ids = torch.tensor([tokenizer(f'<answer>{{"boxes": {{{track}}}}}</answer>')["input_ids"]] * 200)
    moved = loss.jittered(ids, ids, loss.spread(ids))
    across = torch.isin(ids[0], torch.tensor([rows.listed[500], rows.integers[500]]))
    shifts = [
        statistics.fmean(float(tokenizer.decode([one]).strip(" ,")) - 500 for one in row)
        for row in moved[:, across].tolist()
    ]
    far = [shift for shift in shifts if abs(shift) > 8]
    assert 40 < len(far) < 120  # of 200: all x of one track go the same way
    assert max(map(abs, far)) > 60


def test_half_of_the_courses_are_read_shifted() -> None:
    _, processor = tiny_parts()
    tokenizer = processor.tokenizer
    rows = number_rows(tokenizer)
    loss = SmoothedNumbers(rows, spread=8.0, vocabulary=len(tokenizer))
    told = ", ".join(f"{at}.5: [500, 400, 500, 400]" for at in range(8))
    ids = torch.tensor([tokenizer(f"<think>9.5 away, {told}.</think>")["input_ids"]] * 200)
    moved = loss.jittered(ids, ids, loss.spread(ids))
    across = torch.isin(ids[0], torch.tensor([rows.listed[500], rows.integers[500]]))
    times = torch.isin(ids[0], torch.tensor(rows.tenths))
    shifts = [
        statistics.fmean(float(tokenizer.decode([one]).strip(" ,")) - 500 for one in row)
        for row in moved[:, across].tolist()
    ]
    assert 40 < sum(abs(shift) > 8 for shift in shifts) < 120
    assert times.sum() == 9
    assert torch.equal(moved[:, times], ids[:, times])


def test_near_numbers_cost_less_than_far_ones() -> None:
    _, processor = tiny_parts()
    rows = number_rows(processor.tokenizer)
    loss = SmoothedNumbers(rows, spread=8.0, vocabulary=len(processor.tokenizer))
    said = {}
    for offset in (0, 8, 200):
        logits = torch.zeros(1, len(processor.tokenizer))
        logits[0, rows.integers[500 + offset]] = 5.0
        said[offset] = _of(loss, logits, rows.integers[500], True)
    assert said[0] < said[8] < said[200]
