"""Every fuzz target for a moment: on arbitrary octets, and on samples that are nearly right."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.samples import SAMPLES
from fuzz.targets import TARGETS
from tests.support.trying import examples


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=examples(150))
@given(st.data())
def test_survives(name: str, data: st.DataObject) -> None:
    sample = SAMPLES[name]
    pieces = [sample[start:end] for start in range(0, len(sample), 9) for end in (start + 9, start + 4)]
    octets = data.draw(
        st.one_of(
            st.binary(max_size=300),
            st.lists(st.one_of(st.sampled_from(pieces), st.binary(max_size=3)), max_size=30).map(b"".join),
            st.tuples(st.integers(0, len(sample)), st.binary(max_size=4), st.integers(0, 4)).map(
                lambda edit: sample[: edit[0]] + edit[1] + sample[edit[0] + edit[2] :]
            ),
        )
    )
    TARGETS[name](octets)
