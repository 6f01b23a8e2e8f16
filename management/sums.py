"""Fingerprints that are kept up to date: one sum for each audience, and one for all APIs of each gateway.

The fingerprint of a gateway is the sum of three of them, "*", "gateway:<it>" and "apis-of:<it>", so a change and an
answer to an agent cost the same however many resources there are. A sum is sealed: digests of secrets are in it.
A row that is not there is zero; that of "apis-of:<it>" is then made anew from the sums of its APIs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, insert, select

from management import fingerprint
from management.schema import resources, sums
from management.vault import Vault

CHUNK = 500


class Sums:
    """Those of one container of resources."""

    def __init__(self, connection: Connection, vault: Vault, number: int) -> None:
        self.connection = connection
        self.vault = vault
        self.number = number

    def of_gateway(self, gateway: str) -> int:
        """What the resources that `gateway` sees add up to; its id in lower case."""
        held = self.read(["*", f"gateway:{gateway}", f"apis-of:{gateway}"])
        apis = held.pop(f"apis-of:{gateway}", None)
        return (sum(held.values()) + (self._anew(gateway) if apis is None else apis)) % fingerprint.MODULUS

    def read(self, audiences: Iterable[str]) -> dict[str, int]:
        """Those that are there."""
        found, wanted = {}, list(audiences)
        for start in range(0, len(wanted), CHUNK):
            query = select(sums.c.audience, sums.c.sealed).where(
                sums.c.service == self.number, sums.c.audience.in_(wanted[start : start + CHUNK])
            )
            for audience, sealed in self.connection.execute(query):
                found[audience] = int.from_bytes(self.vault.unseal(sealed, self._place(audience)), "big")
        return found

    def add(
        self, differences: Mapping[str, int], associated: Mapping[str, set[str]], parted: Mapping[str, set[str]]
    ) -> None:
        """Bring all to where the resources stand now: `differences` by audience, and which gateway (in lower case)
        came to have or lost which APIs (as audiences, "api:x")."""
        held = self.read(differences)
        now = {audience: held.get(audience, 0) + each for audience, each in differences.items()}
        touched = [audience for audience in differences if audience.startswith("api:")]
        gateways: dict[str, set[str]] = {gateway: set() for gateway in (*associated, *parted)}
        for gateway, audience in self._holders(touched):
            gateways.setdefault(gateway, set()).add(audience)
        apis = self.read(f"apis-of:{gateway}" for gateway in gateways)
        others = {each for listed in (*associated.values(), *parted.values()) for each in listed} - now.keys()
        totals = self.read(others) | now
        self._write(now, held)
        whole = {}
        for gateway, present in gateways.items():
            name = f"apis-of:{gateway}"
            came, went = associated.get(gateway, set()), parted.get(gateway, set())
            if name not in apis:
                whole[name] = self._anew(gateway)
                continue
            # what was there all along changed, what came adds all of it, what went takes all that it was
            total = apis[name] + sum(differences[each] for each in present - came)
            total += sum(totals.get(each, 0) for each in came)
            whole[name] = total - sum(totals.get(each, 0) - differences.get(each, 0) for each in went)
        self._write(whole, apis)

    def _holders(self, audiences: list[str]) -> list[tuple[str, str]]:
        """(gateway, audience) of who is associated with the APIs of `audiences` now."""
        if not audiences:
            return []
        gateways = self.connection.scalars(
            select(resources.c.key).where(resources.c.service == self.number, resources.c.collection == "/gateways")
        ).all()
        places = {f"{each}/apis/{audience[4:]}": audience for each in gateways for audience in audiences}
        found, keys = [], list(places)
        for start in range(0, len(keys), CHUNK):
            query = select(resources.c.key).where(
                resources.c.service == self.number, resources.c.key.in_(keys[start : start + CHUNK])
            )
            found += [(key.split("/")[2], places[key]) for key in self.connection.scalars(query)]
        return found

    def _anew(self, gateway: str) -> int:
        collection = f"/gateways/{gateway}/apis"
        query = select(resources.c.key).where(resources.c.service == self.number, resources.c.collection == collection)
        apis = [f"api:{key[len(collection) + 1 :]}" for key in self.connection.scalars(query)]
        return sum(self.read(apis).values())

    def _write(self, wanted: Mapping[str, int], held: Mapping[str, int]) -> None:
        changed = {name: each % fingerprint.MODULUS for name, each in wanted.items() if held.get(name, 0) != each}
        gone = [name for name in changed if name in held]
        for start in range(0, len(gone), CHUNK):
            self.connection.execute(
                delete(sums).where(sums.c.service == self.number, sums.c.audience.in_(gone[start : start + CHUNK]))
            )
        rows = [
            {
                "service": self.number,
                "audience": name,
                "sealed": self.vault.seal(total.to_bytes(32, "big"), self._place(name)),
            }
            for name, total in changed.items()
            if total
        ]
        if rows:
            self.connection.execute(insert(sums), rows)

    def _place(self, audience: str) -> str:
        return f"sum:{self.number}:{audience}"
