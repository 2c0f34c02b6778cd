"""`raddle serve` without its extra says how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle.cli import serve
from raddle.errors import InputError


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    with pytest.raises(InputError) as error:
        serve._require_libraries()
    told = "error[no-web-server]: 'raddle serve' needs the Python packages starlette and uvicorn"
    assert str(error.value) == f"{told}\n  hint: pip install 'raddle[serve]'"


def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    file.chmod(0o600)
    with pytest.raises(InputError) as error:
        serve._token(file)
    told = "error[short-token]: the token has 6 characters; 16 are the least"
    assert str(error.value) == f"{told}\n  hint: 'openssl rand -hex 16' makes one"
