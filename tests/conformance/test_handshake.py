"""The opening handshake: RFC 6455, section 4.2, and RFC 7692, section 7.1."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.conformance.conftest import Servers, echo_server
from tests.conformance.peer import KEY, NORMAL, PING, PONG, TEXT, Answer, Peer, frame, request
from tests.support import eventually


def ask(port: int, handshake: bytes) -> Answer:
    """Send a handshake that is answered by HTTP, after which the server ends the connection."""
    with Peer.connect(port) as peer:
        peer.send(handshake)
        answer = peer.answer()
        if answer.status != 101:
            peer.expect_content(answer)
        return answer


ACCEPTED = {
    "as browsers write it": request(),
    "names in any case": request()
    .replace(b"Upgrade: websocket", b"uPGRADE: WebSocket")
    .replace(b"Connection: Upgrade", b"CONNECTION: upGRADE")
    .replace(b"Sec-WebSocket-Key", b"sec-websocket-key"),
    "space around values": request().replace(b"Upgrade: websocket", b"Upgrade:    websocket  "),
    "tabs around values": request()
    .replace(b"Upgrade: websocket", b"Upgrade:\twebsocket\t")
    .replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version:\t 13 \t"),
    "space behind each value": request().replace(b"\r\nS", b" \t \r\nS"),
    "several upgrades": request("/echo", "Upgrade: foo/2, websocket", without="Upgrade"),
    "several upgrade headers": request("/echo", "Upgrade: foo/2"),
    "several upgrade headers, the last one counts": request(
        "/echo", "Upgrade: foo/2", "Upgrade: bar, websocket", without="Upgrade"
    ),
    "several connection tokens": request(
        "/echo", "Connection: keep-alive,,UPGRADE ,x", without="Connection"
    ),
    "several connection headers": request("/echo", "Connection: keep-alive"),
    "several connection headers, the last one counts": request(
        "/echo", "Connection: keep-alive", "Connection: upgrade", without="Connection"
    ),
    "many connection headers": request(
        "/echo", *["Connection: x"] * 9, "Connection: upgrade", without="Connection"
    ),
    "a query": request("/echo?a=b&c"),
    "no content": request("/echo", "Content-Length: 0"),
    "an origin": request("/echo", "Origin: https://anywhere.example"),
    "headers that nobody knows": request("/echo", "X-Whatever: yes", "Cookie: a=b"),
    "an extension that nobody knows": request("/echo", "Sec-WebSocket-Extensions: x-turbo; a=1"),
    "a subprotocol that nobody knows": request("/echo", "Sec-WebSocket-Protocol: soap"),
    "a header of 4 KiB": request("/echo", f"X-Big: {'x' * 4096}"),
}


@pytest.mark.parametrize("handshake", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(port: int, handshake: bytes) -> None:
    with Peer.connect(port) as peer:
        peer.send(handshake)
        answer = peer.upgraded()
        assert answer.one("Sec-WebSocket-Extensions") is None
        assert answer.one("Sec-WebSocket-Protocol") is None
        peer.send(frame(TEXT, "hello"))
        peer.expect((TEXT, "hello"))
        peer.close()


def key(value: str) -> bytes:
    return request("/echo", f"Sec-WebSocket-Key: {value}", without="Sec-WebSocket-Key")


REFUSED = {
    "HTTP/1.0": request(http="1.0"),
    "no host": request(without="Host"),
    "two hosts": request("/echo", "Host: other"),
    "content": request("/echo", "Content-Length: 5") + b"hello",
    "content to come": request("/echo", "Content-Length: 5"),
    "content in chunks": request("/echo", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "content that is a frame": request("/echo", "Content-Length: 7") + frame(TEXT, "x"),
    "no content and some": request("/echo", "Content-Length: 0", "Content-Length: 5") + b"hello",
    "a folded line": request("/echo", "X-Long: one\r\n two"),
    "a line folded by a tab": request("/echo", "X-Long: one\r\n\ttwo"),
    "space before a colon": request("/echo", "Host : other", without="Host"),
    "an upgrade like websocket": request("/echo", "Upgrade: websockets", without="Upgrade"),
    "a connection like upgrade": request("/echo", "Connection: upgraded", without="Connection"),
    "no key": request(without="Sec-WebSocket-Key"),
    "two keys": request("/echo", f"Sec-WebSocket-Key: {KEY}"),
    "two keys in one": key(f"{KEY}, {KEY}"),
    "an empty key": key(""),
    "a short key": key("dGhlIHNhbXBsZSBub24="),
    "a key of 15 bytes": key("dGhlIHNhbXBsZSBub25j"),
    "a key of 17 bytes": key("dGhlIHNhbXBsZSBub25jZTE="),
    "a key without padding": key("dGhlIHNhbXBsZSBub25jZQ"),
    "a key with half its padding": key("dGhlIHNhbXBsZSBub25jZQ="),
    "a key with too much padding": key("dGhlIHNhbXBsZSBub25jZQ==="),
    "padding within the key": key("dGhl=HNhbXBsZSBub25jZQ=="),
    "space within the key": key("dGhl HNhbXBsZSBub25jZQ=="),
    "a key in another alphabet": key("dGhl-HNhbXBsZ_Bub25jZQ=="),
    "a key with other signs": key("dGhl*HNhbXBsZSBub25jZQ=="),
}


@pytest.mark.parametrize("handshake", REFUSED.values(), ids=REFUSED.keys())
def test_refused(port: int, handshake: bytes) -> None:
    assert ask(port, handshake).status == 400


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get(port: int, method: str) -> None:
    with Peer.connect(port) as peer:
        peer.send(request(method=method))
        answer = peer.answer()
        assert answer.status == 405
        assert answer.one("Allow") == "GET"
        peer.take(0 if method == "HEAD" else int(answer.one("Content-Length") or 0))
        peer.expect_end()


@pytest.mark.parametrize(
    "versions",
    [[], ["8"], ["14"], ["013"], ["13.0"], [""], ["13, 8"], ["13", "13"], ["13", "8"]],
    ids=str,
)
def test_only_version_13(port: int, versions: list[str]) -> None:
    headers = [f"Sec-WebSocket-Version: {version}" for version in versions]
    answer = ask(port, request("/echo", *headers, without="Sec-WebSocket-Version"))
    assert answer.status == 426
    assert answer.one("Sec-WebSocket-Version") == "13"
    # RFC 9110, section 7.8: whoever sends Upgrade names it in Connection.
    assert answer.one("Upgrade") == "websocket"
    assert "upgrade" in (answer.one("Connection") or "").lower().split(", ")


@pytest.mark.parametrize(
    "handshake",
    [
        request(without="Upgrade"),
        request(without="Connection"),
        request("/echo", "Connection: keep-alive", without="Connection"),
        request("/echo", "Upgrade: foo", without="Upgrade"),
    ],
    ids=["no upgrade", "no connection", "another connection", "another upgrade"],
)
def test_what_asks_for_no_websocket_is_http(port: int, handshake: bytes) -> None:
    """Such a request is the request callback's, as RFC 9110, section 7.8, allows."""
    answer = ask(port, handshake + b"")
    assert answer.status == 200
    assert answer.one("Sec-WebSocket-Accept") is None


def test_a_status_of_the_request_callback_answers_an_upgrade(port: int) -> None:
    for method in ("GET", "POST"):
        assert ask(port, request("/forbidden", method=method)).status == 403


def md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def test_passwords(tmp_path: Path) -> None:
    """Digest authentication (RFC 7616), as the option global_auth_file asks for it."""
    passwords = tmp_path / "passwords"
    user, realm, secret = "salma", "here", md5("salma", "here", "open sesame")
    passwords.write_text(f"{user}:{realm}:{secret}\n")
    with echo_server(global_auth_file=str(passwords), authentication_domain=realm) as server:
        refused = ask(server.port, request("/echo"))
        assert refused.status == 401
        nonce = re.search('nonce="([^"]+)"', refused.one("WWW-Authenticate") or "")
        assert nonce is not None
        answers = {}
        for known in (secret, md5("guess")):
            given = md5(known, nonce[1], "00000001", "abc", "auth", md5("GET", "/echo"))
            authorization = (
                f'Authorization: Digest username="{user}", realm="{realm}", nonce="{nonce[1]}", '
                f'uri="/echo", qop=auth, nc=00000001, cnonce="abc", response="{given}"'
            )
            answers[known] = ask(server.port, request("/echo", authorization)).status
        assert list(answers.values()) == [101, 401]


def test_absolute_uris(port: int) -> None:
    """Clients write them to proxies, and servers have to accept them (RFC 9112, section 3.2.2)."""
    for host in ("127.0.0.1", "localhost"):
        for scheme in ("http", "ws"):
            assert ask(port, request(f"{scheme}://{host}:{port}/echo?a=b")).status == 101
        assert ask(port, request(f"http://{host}:{port}/nothing")).status == 200


def test_as_many_headers_as_are_kept(port: int) -> None:
    """Sixty-four; one more might say where the request ends, and is not dropped without a word."""
    for count, status in ((64, 101), (65, 431)):
        more = [f"X-{i}: {i}" for i in range(count - 5)]
        assert ask(port, request("/echo", *more)).status == status


def test_uris_without_handler_are_http(port: int) -> None:
    assert ask(port, request("/nothing")).status == 200


def test_the_connect_callback_may_refuse(servers: Servers) -> None:
    server = servers()
    assert ask(server.port, request("/refuse?refused")).status == 403
    lines = eventually("^refused connect$", server).splitlines()
    assert [line for line in lines if line.startswith("refused ")] == ["refused connect"]


ORIGINS = "https://a.example, http://b.example:8080"


@pytest.mark.parametrize(
    ("origins", "status"),
    [
        ([], 101),  # not a browser
        (["https://a.example"], 101),
        (["HTTPS://A.EXAMPLE"], 101),
        (["http://b.example:8080"], 101),
        (["http://b.example"], 403),
        (["http://a.example"], 403),
        (["https://a.example.evil"], 403),
        (["https://evil/https://a.example"], 403),
        (["null"], 403),
        ([""], 403),
        (["*"], 403),
        (["https://a.example", "https://evil.example"], 403),
        (["https://evil.example", "https://a.example"], 403),
        (["https://evil.example", "https://evil.example"], 403),
    ],
    ids=str,
)
def test_origins(servers: Servers, origins: list[str], status: int) -> None:
    server = servers(websocket_origins=ORIGINS)
    handshake = request("/echo", *(f"Origin: {origin}" for origin in origins))
    assert ask(server.port, handshake).status == status


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["v1.chat"], "v1.chat"),
        (["v1.chat, v2.chat"], "v2.chat"),
        (["v1.chat", "v2.chat"], "v2.chat"),
        (["v3.chat", "x,  v1.chat ,y"], "v1.chat"),
        (["V2.CHAT"], None),  # they heed case
        (["v2.chatter, v2"], None),
        (["soap, wamp"], None),
        ([",, v1.chat,"], "v1.chat"),
    ],
    ids=str,
)
def test_subprotocols(port: int, offered: list[str], chosen: str | None) -> None:
    headers = [f"Sec-WebSocket-Protocol: {names}" for names in offered]
    answer = ask(port, request("/subprotocols", *headers))
    assert answer.status == 101
    assert answer.one("Sec-WebSocket-Protocol") == chosen


DEFLATE = "permessage-deflate"


@pytest.mark.parametrize(
    ("offers", "accepted"),
    [
        ([DEFLATE], {}),
        ([DEFLATE.upper()], {}),
        ([f"{DEFLATE}; server_no_context_takeover"], {"server_no_context_takeover": None}),
        ([f"{DEFLATE}; client_no_context_takeover"], {"client_no_context_takeover": None}),
        (
            [f"{DEFLATE};server_no_context_takeover ; client_no_context_takeover"],
            {"server_no_context_takeover": None, "client_no_context_takeover": None},
        ),
        ([f"{DEFLATE}; client_max_window_bits"], {}),
        ([f'{DEFLATE}; client_max_window_bits="9"'], {"client_max_window_bits": "9"}),
        ([f'{DEFLATE}; server_max_window_bits = "10"'], {"server_max_window_bits": "10"}),
        (
            [f"{DEFLATE}; server_max_window_bits=9; client_max_window_bits=8"],
            {"server_max_window_bits": "9", "client_max_window_bits": "8"},
        ),
        # Offers are the client's alternatives, the best one first.
        ([f"x-turbo, {DEFLATE}"], {}),
        ([f"{DEFLATE}; nonsense, {DEFLATE}"], {}),
        ([f"{DEFLATE}; nonsense", DEFLATE], {}),
        (
            [f"{DEFLATE}; server_max_window_bits=9, {DEFLATE}"],
            {"server_max_window_bits": "9"},
        ),
        # Where no offer is in order, there is no extension, and a connection nevertheless.
        ([f"{DEFLATE}; nonsense"], None),
        ([f"{DEFLATE}; server_no_context_takeover=1"], None),
        ([f'{DEFLATE}; client_no_context_takeover="true"'], None),
        ([f"{DEFLATE}; server_no_context_takeover; server_no_context_takeover"], None),
        ([f"{DEFLATE}; client_no_context_takeover; client_no_context_takeover"], None),
        ([f"{DEFLATE}; server_max_window_bits=9; server_max_window_bits=9"], None),
        ([f"{DEFLATE}; client_max_window_bits=9; client_max_window_bits"], None),
        ([f"{DEFLATE}; server_max_window_bits"], None),
        ([f"{DEFLATE}; server_max_window_bits="], None),
        ([f"{DEFLATE}; server_max_window_bits=7"], None),
        ([f"{DEFLATE}; server_max_window_bits=16"], None),
        ([f"{DEFLATE}; server_max_window_bits=010"], None),
        ([f"{DEFLATE}; server_max_window_bits=1e1"], None),
        ([f"{DEFLATE}; server_max_window_bits=+9"], None),
        ([f"{DEFLATE}; server_max_window_bits=99999999999"], None),
        ([f"{DEFLATE}; client_max_window_bits=7"], None),
        ([f"{DEFLATE}; client_max_window_bits=16"], None),
        ([f"{DEFLATE}; client_max_window_bits="], None),
        ([f'{DEFLATE}; client_max_window_bits=""'], None),
        ([f'{DEFLATE}; x="a, b; c", x-other'], None),
        # zlib compresses with no window this small, and the client insists on it.
        ([f"{DEFLATE}; server_max_window_bits=8"], None),
        ([f"{DEFLATE}; server_max_window_bits=8, {DEFLATE}"], {}),
        (["x-webkit-deflate-frame"], None),
        ([""], None),
        ([",;,"], None),
    ],
    ids=str,
)
def test_compression(port: int, offers: list[str], accepted: dict[str, str | None] | None) -> None:
    headers = [f"Sec-WebSocket-Extensions: {offer}" for offer in offers]
    with Peer.connect(port) as peer:
        peer.send(request("/echo", *headers))
        answer = peer.upgraded().one("Sec-WebSocket-Extensions")
        assert (None if answer is None else parameters(answer)) == accepted
        peer.send(frame(TEXT, "as it is"))  # a sender need not compress
        peer.expect((TEXT, "as it is"))
        peer.close()


@pytest.mark.parametrize("who", ["server", "client"])
@pytest.mark.parametrize("bits", range(9, 16))
def test_every_window(port: int, who: str, bits: int) -> None:
    """A limit may be answered by that limit or left away where it is the greatest one."""
    with Peer.connect(port) as peer:
        peer.send(
            request("/echo", f"Sec-WebSocket-Extensions: {DEFLATE}; {who}_max_window_bits={bits}")
        )
        answer = parameters(peer.upgraded().one("Sec-WebSocket-Extensions") or "")
        assert int(answer.get(f"{who}_max_window_bits") or 15) == bits
        peer.close()


def parameters(extension: str) -> dict[str, str | None]:
    name, *rest = (part.strip() for part in extension.split(";"))
    assert name == DEFLATE
    pairs = [part.partition("=") for part in rest]
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: value if equals else None for name, equals, value in pairs}


def test_compression_can_be_off(servers: Servers) -> None:
    server = servers(websocket_compression="no")
    answer = ask(server.port, request("/echo", f"Sec-WebSocket-Extensions: {DEFLATE}"))
    assert answer.status == 101
    assert answer.one("Sec-WebSocket-Extensions") is None


def test_the_number_of_connections_is_bounded(servers: Servers) -> None:
    server = servers(websocket_max_connections=3)
    held = [Peer.open(server.port) for _ in range(3)]
    assert ask(server.port, request("/echo?beyond")).status == 503
    assert "beyond" not in server.output  # nothing to be asked
    held.pop().close()
    with connect(f"ws://{server.address}/echo") as client:  # its place is free: at once
        client.send("a free place")
        assert client.recv() == "a free place"
    for peer in held:
        peer.send(frame(TEXT, "still there"))
        peer.expect((TEXT, "still there"))
        peer.close()


@pytest.mark.parametrize("chop", [1, 7, None])
def test_frames_sent_together_with_the_handshake(port: int, chop: int | None) -> None:
    """Clients have to wait for the answer; what impatient ones send is not lost."""
    early = (
        frame(TEXT, "early") + frame(PING, "there?") + frame(TEXT, "and ") + frame(TEXT, "x" * 900)
    )
    with Peer.connect(port) as peer:
        peer.send(request() + early, chop)
        peer.upgraded()
        peer.expect((TEXT, "early"), (PONG, "there?"), (TEXT, "and "), (TEXT, "x" * 900))
        peer.close()


def test_the_first_half_of_a_frame_comes_with_the_handshake(port: int) -> None:
    whole = frame(TEXT, "in two halves")
    with Peer.connect(port) as peer:
        peer.send(request() + whole[:9])
        peer.upgraded()
        peer.send(whole[9:])
        peer.expect((TEXT, "in two halves"))
        peer.close()


def test_everything_in_one_packet(port: int) -> None:
    with Peer.connect(port) as peer:
        peer.send(request() + frame(TEXT, "all") + frame(8, NORMAL.to_bytes(2, "big")))
        peer.upgraded()
        peer.expect((TEXT, "all"))
        peer.expect_close(NORMAL)
