import pytest
from pydantic import ValidationError

from tests.train.conftest import MakeParams


def test_warmup_must_end_before_the_run(make_params: MakeParams) -> None:
    with pytest.raises(ValidationError, match="less than 1"):
        make_params(warmup=1.0)


def test_a_run_of_one_step_needs_no_other_setting(make_params: MakeParams) -> None:
    assert make_params(steps=1).steps == 1


def test_unknown_settings_fail(make_params: MakeParams) -> None:
    with pytest.raises(ValidationError, match="epochs"):
        make_params(epochs=3)
