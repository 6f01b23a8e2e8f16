"""Ports are settled before anything starts, and a refusal names the port and the option."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from passerelle.listening import LOOPBACK, PortTaken, Wanted, choose_ports, is_free


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_free_port_is_kept_and_zero_is_replaced() -> None:
    first = choose_ports([Wanted("--a", 0)])[0]
    assert choose_ports([Wanted("--a", first), Wanted("--b", 0)])[0] == first


def test_free_ports_are_all_different_and_can_be_had() -> None:
    ports = choose_ports([Wanted("--a", 0)] * 20)
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)


def test_a_taken_port_is_named_with_its_option(taken_port: int) -> None:
    assert not is_free(taken_port)
    with pytest.raises(PortTaken, match=rf"port {taken_port} \(--portal-port\) is already in use"):
        choose_ports([Wanted("--portal-port", taken_port)])


def test_one_port_wanted_twice_names_both_options() -> None:
    free = choose_ports([Wanted("--a", 0)])[0]
    with pytest.raises(PortTaken, match=rf"port {free} is wanted by both --a and --b"):
        choose_ports([Wanted("--a", free), Wanted("--b", free)])


def test_counting_past_the_last_port_is_refused() -> None:
    with pytest.raises(PortTaken, match=r"port 65536 \(--gateway-port\) does not exist"):
        choose_ports([Wanted("--gateway-port", 65_536)])


def test_a_port_shared_by_other_servers_is_taken() -> None:
    """SO_REUSEPORT lets several processes listen; ours must not slip in between."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("0.0.0.0", 0))
        server.listen()
        assert not is_free(server.getsockname()[1])
