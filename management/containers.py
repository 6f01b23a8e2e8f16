"""Containers: what holds the resources of a service, or of a workspace in it."""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, delete, insert, select

from management.schema import metadata, services
from management.store import Row, Service
from management.transaction import Transaction, find_service


def insert_container(connection: Connection, id: str) -> Service:
    """An empty one with the full ARM id `id`."""
    values = {"key": id.lower(), "id": id, "dataset": str(uuid.uuid4()), "revision": 0, "horizon": 0}
    connection.execute(insert(services).values(**values))
    service = find_service(connection, id)
    assert service is not None
    return service


def delete_container(connection: Connection, service: Service) -> None:
    """With everything in it."""
    for table in metadata.tables.values():
        if table is not services:
            connection.execute(delete(table).where(table.c.service == service.number))
    connection.execute(delete(services).where(services.c.number == service.number))


def containers_in(connection: Connection, service_id: str) -> list[Service]:
    """Those of the workspaces of a service."""
    query = select(services.c.number, services.c.id, services.c.dataset, services.c.revision, services.c.horizon)
    query = query.where(services.c.key.startswith(f"{service_id.lower()}/", autoescape=True))
    return [Service(*found) for found in connection.execute(query)]


def make_container(tx: Transaction, id: str) -> None:
    """For what stands below the resource `id`."""
    inner = tx.inside(insert_container(tx.connection, tx.service.id + id))
    inner.put(Row("/", "", "-", {}))
    inner.finish()


def remove_container(tx: Transaction, id: str) -> None:
    service = find_service(tx.connection, tx.service.id + id, lock=True)
    if service is not None:
        delete_container(tx.connection, service)
