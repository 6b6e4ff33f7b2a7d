"""Settings: read from the environment, and complained about by the name that whoever set them knows."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, ValidationError

from chassis.settings import Settings


class FerrySettings(Settings):
    prefix: ClassVar[str] = "FERRY_"

    database_url: str
    keys_dir: Path
    port: int = Field(8000, ge=0, le=65535)
    reflection: bool = True


GOOD = {"FERRY_DATABASE_URL": "sqlite:///x", "HEADWAY_KEYS_DIR": "/keys"}


def test_settings_are_read_by_their_own_name_or_by_the_one_for_all():
    found = FerrySettings.from_environment(GOOD | {"FERRY_PORT": "7", "FERRY_REFLECTION": "off", "PATH": "/bin"})
    assert found == FerrySettings(database_url="sqlite:///x", keys_dir=Path("/keys"), port=7, reflection=False)


def test_the_own_name_goes_before_the_one_for_all():
    assert FerrySettings.from_environment(GOOD | {"FERRY_KEYS_DIR": "/mine"}).keys_dir == Path("/mine")


def test_what_nobody_sets_has_its_default():
    assert FerrySettings.from_environment(GOOD).port == 8000


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"FERRY_PORT": "many"}, "FERRY_PORT: Input should be a valid integer"),
        ({"FERRY_PORT": "70000"}, "FERRY_PORT: Input should be less than or equal to 65535"),
        ({"FERRY_PORT": ""}, "FERRY_PORT: Input should be a valid integer"),
        ({"HEADWAY_PORT": "-1"}, "HEADWAY_PORT: Input should be greater than or equal to 0"),
        ({"FERRY_REFLECTION": "perhaps"}, "FERRY_REFLECTION: Input should be a valid boolean"),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_set(environment, complaint):
    with pytest.raises(SystemExit, match=f"(?m)^{complaint}"):
        FerrySettings.from_environment(GOOD | environment)


def test_everything_that_is_wrong_is_named_at_once_and_no_value_is_shown():
    with pytest.raises(SystemExit) as end:
        FerrySettings.from_environment({"FERRY_PORT": "s3cret"})
    lines = str(end.value).splitlines()
    assert lines[0] == "These settings are missing or wrong:"
    assert [line.partition(":")[0] for line in lines[1:]] == ["FERRY_DATABASE_URL", "FERRY_KEYS_DIR", "FERRY_PORT"]
    assert "s3cret" not in str(end.value)


def test_settings_cannot_be_changed_nor_misspelt():
    found = FerrySettings.from_environment(GOOD)
    with pytest.raises(ValidationError):
        found.port = 1
    with pytest.raises(ValidationError):
        FerrySettings(database_url="x", keys_dir="y", prot=1)
