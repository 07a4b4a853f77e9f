from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.closures import Closures


def join_all(ids: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, str]:
    closures = Closures(ids, apart=[], labels={})
    for one, other in links:
        assert closures.join(one, other)
    return closures.to_roots()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))), st.randoms())
def test_closures_do_not_depend_on_the_order_of_links(
    links: Sequence[tuple[int, int]], random: object
) -> None:
    ids = [f"{number:02d}" for number in range(31)]
    named = [(ids[one], ids[other]) for one, other in links]
    closures = join_all(ids, named)
    random.shuffle(named)  # type: ignore[attr-defined]
    assert join_all(ids, [link[::-1] for link in named]) == closures
    assert all(closures[one] == closures[other] for one, other in named)
    assert all(root <= one and closures[root] == root for one, root in closures.items())


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15))),
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15))),
)
def test_what_must_stay_apart_does_whatever_chain_leads_there(
    links: Sequence[tuple[int, int]], foes: Sequence[tuple[int, int]]
) -> None:
    ids = [f"{number:02d}" for number in range(16)]
    apart = [(ids[one], ids[other]) for one, other in foes if one != other]
    closures = Closures(ids, apart=apart, labels={})
    joined = [closures.join(ids[one], ids[other]) for one, other in links]
    roots = closures.to_roots()
    assert all(roots[one] != roots[other] for one, other in apart)
    for (one, other), is_joined in zip(links, joined, strict=True):
        assert not is_joined or roots[ids[one]] == roots[ids[other]]


def test_other_labels_stay_apart_where_asked() -> None:
    closures = Closures("abcd", apart=[], labels={"a": "7", "b": "", "c": "8", "d": ""})
    assert closures.join("a", "b", like_labels=True)
    assert not closures.join("b", "c", like_labels=True)
    assert closures.join("d", "c", like_labels=True)
    assert closures.join("b", "c")
    assert set(closures.to_roots().values()) == {"a"}


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(KeyError):
        Closures("ab", apart=[("a", "z")], labels={})
    with pytest.raises(KeyError):
        Closures("ab", apart=[], labels={}).join("a", "z")
