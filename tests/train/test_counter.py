import pytest
import torch

from train.counter import make_key, normal, philox, uniform


@pytest.mark.parametrize(
    ("low", "high", "key", "words"),
    [
        (0x00000000, 0x00000000, 0x00000000, (0xFF1DAE59, 0x6CD10DF2)),
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
        (0x243F6A88, 0x85A308D3, 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_words_are_those_that_random123_publishes(
    low: int, high: int, key: int, words: tuple[int, int]
) -> None:
    found = philox(torch.tensor([low]), torch.tensor([high]), key=key)
    assert tuple(int(word) for word in found) == words


def test_a_samples_numbers_do_not_depend_on_the_samples_beside_it() -> None:
    together = uniform(torch.tensor([5, 900, 2]), 7, key=11)
    alone = uniform(torch.tensor([900]), 7, key=11)
    assert torch.equal(together[1:2], alone)


def test_the_last_number_that_a_sample_can_have_counts_like_the_first() -> None:
    last = torch.tensor([0, 2**32 - 1])
    drawn = uniform(last, 2000, key=11)
    assert drawn.min() >= 0 and drawn.max() < 1
    assert drawn.mean(dim=1).tolist() == pytest.approx([0.5, 0.5], abs=0.03)
    assert not torch.equal(drawn[0], drawn[1])


def test_keys_of_integers_are_those_of_tensors() -> None:
    for epoch, stream, seed in ((0, 0, 0), (3, 2, 2**32 - 1), (2**32 - 1, 3, 7)):
        word, _ = philox(torch.tensor([epoch]), torch.tensor([stream]), key=seed)
        assert make_key(seed, epoch, stream=stream) == word.item()


def test_streams_epochs_and_seeds_have_keys_of_their_own() -> None:
    keys = {
        make_key(seed, epoch, stream=stream)
        for seed in range(4)
        for epoch in range(4)
        for stream in range(4)
    }
    assert len(keys) == 64


def test_numbers_are_spread_as_they_should_be() -> None:
    flat = uniform(torch.arange(50), 2001, key=1)
    assert flat.shape == (50, 2001)
    assert flat.min() >= 0 and flat.max() < 1
    assert flat.mean().item() == pytest.approx(0.5, abs=0.005)
    bell = normal(torch.arange(50), 2001, key=1)
    assert bell.isfinite().all()
    assert bell.mean().item() == pytest.approx(0, abs=0.02)
    assert bell.std().item() == pytest.approx(1, abs=0.02)
