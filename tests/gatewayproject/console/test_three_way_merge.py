"""Merging two edits of one thing: no change of either side is lost unseen."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayproject.console.three_way_merge import Base, merge, merge_members

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.sampled_from("abcde")
FIELDS = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["", "x", "y", "z"]))


@unhurried
@given(base=FIELDS, theirs=FIELDS, mine=FIELDS)
def test_a_merge_loses_no_change_unseen(
    base: dict[str, str], theirs: dict[str, str], mine: dict[str, str]
) -> None:
    result = merge(base, theirs, mine)

    saved = dict(mine) | {name: theirs.get(name) for name in result.theirs}
    for name in {*base, *theirs, *mine} - {*result.conflicts}:
        was, stored, entered = base.get(name), theirs.get(name), mine.get(name)
        if stored != was:
            assert saved.get(name) == stored, "a change of theirs is lost"
        if entered != was:
            assert saved.get(name) == entered, "a change of mine is lost"
    for name in result.conflicts:
        assert theirs.get(name) != mine.get(name)


@unhurried
@given(base=FIELDS, theirs=FIELDS, mine=FIELDS)
def test_a_merge_is_the_same_from_either_side(
    base: dict[str, str], theirs: dict[str, str], mine: dict[str, str]
) -> None:
    here, there = merge(base, theirs, mine), merge(base, mine, theirs)

    assert set(here.conflicts) == set(there.conflicts)
    assert set(here.theirs) == set(there.mine)


@unhurried
@given(base=FIELDS, theirs=FIELDS)
def test_a_form_that_was_not_touched_takes_everything_that_is_stored(
    base: dict[str, str], theirs: dict[str, str]
) -> None:
    result = merge(base, theirs, base)

    assert result.mine == []
    assert {n for n in result.conflicts if n in base} == set()


@unhurried
@given(theirs=FIELDS, mine=FIELDS)
def test_without_a_base_every_difference_is_a_conflict(
    theirs: dict[str, str], mine: dict[str, str]
) -> None:
    result = merge({}, theirs, mine)

    assert result.theirs == result.mine == []
    assert set(result.conflicts) == {
        name for name in {*theirs, *mine} if theirs.get(name) != mine.get(name)
    }


@unhurried
@given(base=st.frozensets(NAMES), theirs=st.frozensets(NAMES), mine=st.frozensets(NAMES))
def test_each_name_is_in_a_merged_set_as_the_side_that_changed_it_wants(
    base: frozenset[str], theirs: frozenset[str], mine: frozenset[str]
) -> None:
    merged = merge_members(base, theirs, mine)

    for name in "abcde":
        was, stored, entered = (name in names for names in (base, theirs, mine))
        assert (name in merged) == (stored if stored != was else entered)
    assert merged == merge_members(base, mine, theirs)


def test_a_base_is_read_only_for_its_owner_and_unchanged() -> None:
    base = Base({"name": "digest"}, ("name",), {"names": ["digest"]})
    signed = base.signed("apikeys.apikey:1")

    assert Base.read(signed, "apikeys.apikey:1") == base
    assert Base.read(signed, "apikeys.apikey:2") is None
    assert Base.read(signed[:-1], "apikeys.apikey:1") is None
    for text in ("", "x", "\0", ":::", "x" * 9999):
        assert Base.read(text, "apikeys.apikey:1") is None
