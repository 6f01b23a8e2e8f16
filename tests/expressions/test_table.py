"""The allow-list as a whole: signatures are read late, so this reads them all."""

from __future__ import annotations

import threading

import proxy.expressions.dotnet.index
from proxy.expressions.compile import compile_expression
from proxy.expressions.table import extensions
from proxy.expressions.types import Declared, Definition, definitions


def test_every_signature_can_be_read() -> None:
    assert proxy.expressions.dotnet.index
    read = [definition.members for definition in definitions()]
    assert sum(map(len, read)) > 800
    assert extensions("GetValueOrDefault")
    assert extensions("Select")
    assert not extensions("__class__")


def test_threads_that_meet_a_type_at_once_see_all_of_it() -> None:
    definition = Definition("Slow", "Tests.Slow")
    begun = threading.Event()

    def declare(declared: Declared) -> None:
        begun.set()
        for number in range(100):
            threading.Event().wait(0.0005)
            declared.members[f"M{number}"] = []

    definition.later(declare)
    sizes: list[int] = []
    threads = [threading.Thread(target=lambda: sizes.append(len(definition.members))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun.is_set()
    assert sizes == [100] * 8


def test_a_type_that_is_not_met_stays_unread() -> None:
    definition = Definition("Unmet", "Tests.Unmet")
    definition.later(lambda declared: declared.members.update(boom=1 / 0))  # type: ignore[arg-type]
    assert compile_expression("@(1 + 1)").type == "int"
