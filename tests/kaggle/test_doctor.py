"""The doctor: what it finds, and the remedy beside each thing that is wrong."""

import json
from pathlib import Path

import pytest
from faulty_kaggle import FaultyKaggle
from runs import SDK_HAS_LIMITS

from kit.kaggle.doctor import Check, diagnose


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_all_is_well_but_the_data(at_local: FaultyKaggle, tmp_path: Path) -> None:
    checks = by_name(diagnose(tmp_path))
    assert [name for name, check in checks.items() if not check.ok] == ["data"]
    assert checks["data"].remedy == "Fetch them with: kit download"
    assert checks["account"].found == "Kaggle knows you as rehearser"
    left = "5 left today, 0 made so far" if SDK_HAS_LIMITS else "not known"
    assert checks["submissions"].found.startswith(left)


def test_a_stale_token_over_good_keys(
    at_local: FaultyKaggle, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / ".kaggle/kaggle.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"username": "rehearser", "key": "local-key"}))
    path.chmod(0o600)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "stale-secret")
    checks = diagnose(home)
    assert [(check.name, check.ok) for check in checks[:3]] == [
        ("credentials", True),
        ("credentials", None),
        ("account", False),
    ]
    assert f"legacy API key in {path} is hidden" in checks[1].found
    assert "https://www.kaggle.com/settings" in (checks[2].remedy or "")
    assert checks[2].exit_code == 4
    assert "stale-secret" not in str(checks)
    assert "local-key" not in str(checks)


def test_a_key_that_others_can_read(at_local: FaultyKaggle, home: Path) -> None:
    path = home / ".kaggle/access_token"
    path.parent.mkdir()
    path.write_text("local-token")
    path.chmod(0o644)
    (check,) = [check for check in diagnose(home) if check.remedy == f"chmod 600 {path}"]
    assert check.found == f"others can read {path}"


def test_nothing_set_up_yet(home: Path) -> None:
    checks = by_name(diagnose(home))
    assert checks["credentials"].found == "none were found"
    assert checks["credentials"].exit_code == 4
    assert checks["account"].ok is None


def test_rules_entry_and_limit(at_local: FaultyKaggle, home: Path) -> None:
    at_local.user.rules_accepted = False
    checks = by_name(diagnose(home))
    assert not checks["rules"].ok
    assert "https://www.kaggle.com/competitions/digit-recognizer/rules" in str(
        checks["rules"].remedy
    )
    at_local.user.entered = False
    assert by_name(diagnose(home))["competition"].found == "you have not entered it"


def test_the_deadline(at_local: FaultyKaggle, home: Path) -> None:
    assert "closes at 2030-01-01 00:00 UTC" in by_name(diagnose(home))["competition"].found
    at_local.fail("GetCompetition", change=lambda answer: {**answer, "deadline": "2024-02-29"})
    closed = by_name(diagnose(home))["competition"]
    assert (closed.ok, closed.exit_code) == (False, 5)
    assert "closed: its deadline was 2024-02-29" in closed.found


@pytest.mark.parametrize("call", ["GetCompetition", "DownloadDataFile"])
def test_a_phone_that_is_not_verified(at_local: FaultyKaggle, home: Path, call: str) -> None:
    at_local.fail(call, 403, message="Phone verification is needed to accept these rules")
    (check,) = [check for check in diagnose(home) if "Phone" in check.found]
    assert check.exit_code == 5
    assert "phone number at https://www.kaggle.com/settings" in str(check.remedy)
    assert "/rules" not in str(check.remedy)


def test_a_network_that_fails(at_local: FaultyKaggle, home: Path) -> None:
    at_local.fail("*", 503, times=100)
    account = by_name(diagnose(home))["account"]
    assert (account.ok, account.exit_code) == (False, 6)
