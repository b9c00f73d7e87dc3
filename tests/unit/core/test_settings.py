"""Settings cannot hold what no run could do with, and do not show secrets."""

from __future__ import annotations

import pytest

from recon.core.errors import UsageError
from recon.core.settings import Settings, Timeouts


def test_settings_do_not_show_their_url() -> None:
    assert "secret" not in repr(Settings(database_url="postgresql://u:secret@h/db"))


class TestTimeouts:
    @pytest.mark.parametrize("seconds", [0, -1, 86_401, float("nan"), float("inf")])
    @pytest.mark.parametrize("which", ["connect_s", "statement_s", "lock_s", "idle_s"])
    def test_have_to_be_above_zero_and_at_most_a_day(self, which: str, seconds: float) -> None:
        with pytest.raises(UsageError, match=f"--{which.removesuffix('_s')}-timeout is"):
            Timeouts(**{which: seconds})

    @pytest.mark.parametrize("seconds", [0.5, 86_400])
    def test_may_be_fractions_and_a_whole_day(self, seconds: float) -> None:
        assert Timeouts(connect_s=seconds, statement_s=seconds).statement_s == seconds
