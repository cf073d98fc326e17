"""Addresses of hosts: of one alone where programs expect themselves, of several each its own."""

import os
from ipaddress import ip_address
from pathlib import Path

from wildsage.jobs.addresses import LARGEST_CLUSTER, addresses

DATA = Path("/data")


def test_a_host_that_is_alone_is_at_the_usual_address():
    assert addresses(["algo-1"], 7, DATA) == {"algo-1": "127.0.0.1"}


def test_no_two_hosts_share_an_address():
    names = [f"algo-{number}" for number in range(1, LARGEST_CLUSTER + 1)]
    found = [
        address
        for gang in (1, 2, 253, 254, 255, 64_515, 64_516 + 3)
        for address in addresses(names, gang, DATA).values()
    ]
    assert len(set(found)) == len(found) == 7 * LARGEST_CLUSTER
    assert all(ip_address(address).is_loopback for address in found)
    assert "127.0.0.1" not in found


def test_they_are_the_same_for_every_host_of_a_gang():
    """Also after the server has started again."""
    assert addresses(["algo-1", "algo-2"], 300, DATA) == {"algo-1": "127.227.8.1", "algo-2": "127.227.8.2"}


def test_the_data_directory_may_have_any_name():
    odd = Path(os.fsdecode(b"/data/\xff"))
    assert all(ip_address(one).is_loopback for one in addresses(["algo-1", "algo-2"], 1, odd).values())


def test_first_gangs_of_two_servers_share_no_address():
    names = ["algo-1", "algo-2"]
    found = [
        {*addresses(names, gang, server).values()}
        for gang in range(1, 51)
        for server in (DATA, Path("/other"))
    ]
    assert len(set().union(*found)) == 200
