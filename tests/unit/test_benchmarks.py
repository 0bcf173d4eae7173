"""What benchmarks.comparison makes of rounds."""

import math

import pytest

from benchmarks.comparison import Comparison, Round

ZERO = Round(0, 0, 0, 0, 0, 0, 0, 0)


def rounds(*cpu: float) -> list[Round]:
    return [ZERO._replace(cpu=each) for each in cpu]


RATIOS = {
    "one round": ([2.0], [4.0], 0.5),
    "the ratio of each round, and not of the medians": ([1.0, 10.0, 3.0], [2.0, 10.0, 10.0], 0.5),
    "nothing to compare with": ([1.0], [0.0], math.nan),
}


@pytest.mark.parametrize(("own", "other", "ratio"), RATIOS.values(), ids=RATIOS)
def test_the_ratio_to_another_is_the_median_of_the_rounds_ratios(
    own: list[float], other: list[float], ratio: float
) -> None:
    found = Comparison.of({"ours": rounds(*own), "other": rounds(*other)})
    assert found.ratios["other"].cpu == pytest.approx(ratio, nan_ok=True)
    assert list(found.ratios) == ["other"]


def test_figures_are_medians_by_contender() -> None:
    found = Comparison.of({"ours": rounds(1.0, 10.0, 3.0), "other": rounds(2.0, 10.0, 11.0)})
    assert {name: each.cpu for name, each in found.medians.items()} == {"ours": 3.0, "other": 10.0}
