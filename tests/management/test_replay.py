"""The official request examples of the ARM API, through the unmodified Azure client. See `replay.py`."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path

import pytest
import yaml
from azure.mgmt.apimanagement import ApiManagementClient

from tests.management import replay, sdk

HERE = Path(__file__).parent
VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
TOKEN = "the-admin-token"
EXCEPTIONS: dict[str, str] = yaml.safe_load((HERE / "replay_exceptions.yaml").read_text())


def official() -> tuple[Path, str]:
    """A folder of swagger files with examples, and the api-version that they are of."""
    shared = Path(os.environ.get("PASSERELLE_SHARED") or HERE.parents[2] / "shared")
    folder = Path(os.environ.get("PASSERELLE_EXAMPLES") or shared / "data" / "arm-2024-05-01")
    if not folder.is_dir():
        pytest.skip(f"the specification with its examples is not at {folder}: set PASSERELLE_SHARED")
    version = next(
        (found[0] for path in sorted(folder.rglob("*.json")) if (found := VERSION.search(str(path)))), "2024-05-01"
    )
    return folder, version


def test_the_client_has_a_method_for_every_operation() -> None:
    specification = replay.Specification.read(_specification())
    client = ApiManagementClient(sdk.Credential(TOKEN), sdk.SUBSCRIPTION, base_url="https://localhost")
    for operation in specification.operations:
        assert replay.method_of(client, operation["operationId"]), operation["operationId"]
    client.close()


def test_official_examples_through_the_client(tmp_path: Path) -> None:
    """Each is accepted, or stands in `replay_exceptions.yaml` with the reason; nothing stands there for nothing."""
    specification = replay.Specification.read(_specification())
    refused: dict[str, str] = {}
    used: set[str] = set()
    total = 0
    with sdk.served(tmp_path, TOKEN) as url:
        authority = str(tmp_path / "ca.pem")
        client = ApiManagementClient(
            sdk.Credential(TOKEN), sdk.SUBSCRIPTION, base_url=url, connection_verify=authority, retry_total=0
        )
        player = replay.Replay(specification, client, url, TOKEN, authority)
        for example in specification.all():
            total += 1
            why = player.run(example)
            if why is None:
                continue
            known = [pattern for pattern in EXCEPTIONS if fnmatch.fnmatchcase(example.id, pattern)]
            used.update(known)
            if not known:
                refused[example.id] = why
        client.close()
        player.session.close()
    print(f"{total - player.refused} of {total} official examples accepted by the client")
    assert not refused, refused
    assert set(EXCEPTIONS) == used, sorted(set(EXCEPTIONS) - used)
