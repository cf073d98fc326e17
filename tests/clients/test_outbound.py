"""Which way leads outside."""

import asyncio

import pytest

from wildsage.clients.outbound import Outbound, OutboundError, ParentProxy, connect


def test_a_parent_proxy_with_a_password():
    proxy = ParentProxy.parse("http://us%40er:p%3Ass@proxy.example:3128")
    assert (proxy.host, proxy.port, proxy.authorization) == ("proxy.example", 3128, "Basic dXNAZXI6cDpzcw==")
    assert "p:ss" not in str(proxy)


def test_a_parent_proxy_without_scheme_or_port():
    assert ParentProxy.parse("proxy.example") == ParentProxy("http", "proxy.example", 80)


def test_lower_case_wins_and_all_proxy_is_last():
    outbound = Outbound.from_environment(
        {"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2", "ALL_PROXY": "http://c:3"}
    )
    assert str(outbound.proxy_for("https", "example.com")) == "http://a:1"
    assert str(outbound.proxy_for("http", "example.com")) == "http://c:3"
    assert Outbound.from_environment({}).proxy_for("https", "example.com") is None


@pytest.mark.parametrize(
    ("bypass", "host", "straight"),
    [
        ("*", "any.example", True),
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", True),
        (".example.com", "a.EXAMPLE.com", True),
        ("*.example.com", "a.example.com", True),
        ("example.com", "notexample.com", False),
        (" other.org , example.com ", "example.com", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("fd00::/8", "[fd00::1]", True),
        ("10.0.0.0/8", "example.com", False),
        ("", "example.com", False),
        (",.,", "example.com", False),
    ],
)
def test_hosts_that_are_reached_straight(bypass, host, straight):
    outbound = Outbound.from_environment({"HTTPS_PROXY": "http://p:1", "NO_PROXY": bypass})
    assert (outbound.proxy_for("https", host) is None) == straight


def test_a_socks_proxy_is_named_and_not_gone_around():
    outbound = Outbound.from_environment({"ALL_PROXY": "socks5://p:1080"})
    with pytest.raises(OutboundError, match=r"socks5://p:1080.*cannot be chained"):
        outbound.proxy_for("https", "example.com")


def test_a_name_that_leads_to_a_metadata_service_is_refused(monkeypatch):
    async def resolve(self, host, port, **_):
        return [(2, 1, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    with pytest.raises(OutboundError, match="metadata") as caught:
        asyncio.run(connect("innocent.example", 80))
    assert caught.value.status == 403


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 70 + ".example", "\udcff"])
def test_a_name_without_address_is_named(host):
    with pytest.raises(OutboundError, match="cannot be resolved"):
        asyncio.run(connect(host, 80))
