"""The official examples of an api-version, through the unmodified Azure client. See `replay.py`.

PASSERELLE_EXAMPLES names a folder of swagger files with examples of another api-version, to go with another version of
the client; `make test-sdk4` runs this with the client before the present one.
"""

from __future__ import annotations

import fnmatch
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.apimanagement import ApiManagementClient, __version__

from tests.management import replay, sdk
from tests.management.conformity import Answers
from tests.management.replay_links import linked
from tests.management.replay_mail import mailed
from tests.management.round_trips import RoundTrips
from tests.management.specification import Example, Specification

HERE = Path(__file__).parent
VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
TOKEN = "the-admin-token"
# the client and the examples that belong together; of others the exceptions need not all apply
USUAL = "PASSERELLE_EXAMPLES" not in os.environ and __version__.startswith("5.")
EXCEPTIONS: dict[str, dict[str, str]] = yaml.safe_load((HERE / "replay_exceptions.yaml").read_text())


def official() -> tuple[Path, str]:
    """A folder of swagger files with examples, and the api-version that they are of."""
    shared = Path(os.environ.get("PASSERELLE_SHARED") or HERE.parents[2] / "shared")
    folder = Path(os.environ.get("PASSERELLE_EXAMPLES") or shared / "data" / "arm-2024-05-01")
    if not folder.is_dir():
        pytest.skip(f"the specification with its examples is not at {folder}: set PASSERELLE_SHARED")
    named = (VERSION.search(str(path)) for path in sorted(folder.rglob("*.json")))
    return folder, next((found[0] for found in named if found), "2024-05-01")


@dataclass
class Outcomes:
    """Of all examples that the client has an operation for: `example: what is wrong`."""

    total: int = 0
    refused: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    round_trips: list[str] = field(default_factory=list)


class Recorder(RequestsTransport):  # type: ignore[misc,unused-ignore]
    """The client's way to the plane; keeps what it got."""

    def __init__(self, authority: str) -> None:
        self.own = requests.Session()
        self.own.trust_env = False
        self.own.hooks["response"].append(self._keep)
        super().__init__(session=self.own, session_owner=False, connection_verify=authority)
        self.kept: list[requests.Response] = []

    def _keep(self, response: requests.Response, *_: Any, **__: Any) -> None:
        _ = response.content
        self.kept.append(response)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """One replay of everything, which all tests here look at."""
    specification, directory, found = Specification.read(official()[0]), tmp_path_factory.mktemp("plane"), Outcomes()
    with ExitStack() as stack:
        mail, links = stack.enter_context(mailed()), stack.enter_context(linked())
        url = stack.enter_context(sdk.served(directory, TOKEN, mail))
        authority = str(directory / "ca.pem")
        recorder = Recorder(authority)
        stack.callback(recorder.own.close)
        client = stack.enter_context(
            ApiManagementClient(
                sdk.Credential(TOKEN), sdk.SUBSCRIPTION, base_url=url, transport=recorder, retry_total=0
            )
        )
        player = replay.Replay(specification, client, url, TOKEN, authority, links)
        stack.callback(player.session.close)
        answers, trips = Answers(specification), RoundTrips(specification, player.session)
        for example in specification.all():
            if replay.has_method(client, example.operation.id):
                _run(example, player, recorder, answers, trips, found)
    return found


def _run(
    example: Example, player: replay.Replay, recorder: Recorder, answers: Answers, trips: RoundTrips, found: Outcomes
) -> None:
    found.total += 1
    why = player.run(example)
    if why is not None:
        found.refused.append(f"{example.id}: {why}")
    else:
        answer = recorder.kept[0]
        found.answers += [f"{example.id}: {each}" for each in _of_answer(answers, example, answer)]
        # those of workspaces are the same types
        if example.operation.method in ("PUT", "PATCH") and not example.id.startswith("Workspace"):
            found.round_trips += [f"{example.id}: {each}" for each in trips.faults(example.operation, answer)]
    recorder.kept.clear()  # a response keeps its connection open


def _of_answer(answers: Answers, example: Example, answer: requests.Response) -> list[str]:
    faults = []
    if example.responses and str(answer.status_code) not in example.responses:
        faults.append(f"{answer.status_code} instead of {', '.join(example.responses)}")
    home, schema = example.operation.codes.get(answer.status_code, (None, None))
    if home is None:
        return faults  # examples that came without their responses
    if schema is None:
        return faults + ["a body where none belongs" for _ in range(bool(answer.content))]
    return faults + (answers.faults(home, schema, answer.json()) if answer.content else ["no body"])


def _unexpected(kind: str, found: list[str]) -> list[str]:
    """What no exception names; an exception that stands there for nothing, too."""
    known = EXCEPTIONS[kind] or {}
    used = {pattern for each in found for pattern in known if fnmatch.fnmatchcase(each, pattern)}
    unexpected = [each for each in found if not any(fnmatch.fnmatchcase(each, pattern) for pattern in known)]
    if USUAL:
        unexpected += [f"not needed: {pattern}" for pattern in known if pattern not in used]
    return unexpected


def test_the_client_has_a_method_for_every_operation() -> None:
    """An older client has fewer, each of them an operation of ours."""
    specification = Specification.read(official()[0])
    client = ApiManagementClient(sdk.Credential(TOKEN), sdk.SUBSCRIPTION, base_url="https://localhost")
    having = [each.id for each in specification.operations if replay.has_method(client, each.id)]
    client.close()
    assert len(having) == (len(specification.operations) if USUAL else len(set(having)))
    assert having


def test_the_client_accepts_the_examples(outcomes: Outcomes) -> None:
    """Each is accepted, or stands in `replay_exceptions.yaml` with the reason; nothing stands there for nothing."""
    print(f"{outcomes.total - len(outcomes.refused)} of {outcomes.total} official examples accepted by the client")
    assert not (unexpected := _unexpected("refused", outcomes.refused)), "\n".join(unexpected)


def test_answers_are_as_specified(outcomes: Outcomes) -> None:
    """Status and schema."""
    assert not (unexpected := _unexpected("answers", outcomes.answers)), "\n".join(unexpected)


def test_what_is_put_can_be_read(outcomes: Outcomes) -> None:
    assert not (unexpected := _unexpected("round trips", outcomes.round_trips)), "\n".join(unexpected)
