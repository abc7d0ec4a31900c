"""permessage-deflate: RFC 7692. Here the client's side is zlib itself."""

from __future__ import annotations

import random
import resource
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.conformance.conftest import Servers
from tests.conformance.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    INVALID_DATA,
    PING,
    PONG,
    PROTOCOL_ERROR,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    TOO_BIG,
    Peer,
    frame,
)
from tests.support import REPLY, Program

TAIL = b"\x00\x00\xff\xff"
LIMIT = 1 << 20  # websocket_max_message_size by default


class Deflating(Peer):
    """A client that has negotiated permessage-deflate."""

    def agree(self, *parameters: str) -> None:
        bits = {"server": 15, "client": 15}
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.endswith("_max_window_bits"):
                bits[name[:6]] = int(value)
        self.server_bits, self.client_bits = -bits["server"], -bits["client"]
        self.fresh_server = "server_no_context_takeover" in parameters
        self.fresh_client = "client_no_context_takeover" in parameters
        self.inflater = zlib.decompressobj(self.server_bits)
        self.deflater = self.new_deflater()

    def new_deflater(self) -> zlib._Compress:
        return zlib.compressobj(9, zlib.DEFLATED, min(self.client_bits, -9))

    def deflate(self, message: bytes) -> bytes:
        if self.fresh_client:
            self.deflater = self.new_deflater()
        data = self.deflater.compress(message) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(TAIL)
        return data.removesuffix(TAIL)

    def inflate(self, data: bytes) -> bytes:
        if self.fresh_server:
            self.inflater = zlib.decompressobj(self.server_bits)
        return self.inflater.decompress(data + TAIL)

    def say(self, opcode: int, message: bytes, pieces: Sequence[int] = ()) -> None:
        """Send a message compressed, cut at the given places."""
        data = self.deflate(message)
        cuts = [0, *pieces, len(data)]
        for i in range(len(cuts) - 1):
            part = data[cuts[i] : cuts[i + 1]]
            last = i == len(cuts) - 2
            self.send(frame(CONTINUATION if i else opcode, part, fin=last, rsv=0 if i else RSV1))

    def hear(self, opcode: int, message: bytes) -> int:
        """Receive a message, compressed or not; return the bytes that it took."""
        got = self.frame()
        assert (got.opcode, got.fin) == (opcode, True)
        assert got.rsv in (0, RSV1)
        assert (self.inflate(got.payload) if got.rsv else got.payload) == message
        return len(got.payload)


def deflating(port: int, *parameters: str) -> Deflating:
    offer = "; ".join(["permessage-deflate", *parameters])
    peer = Deflating.open(port, "/echo", f"Sec-WebSocket-Extensions: {offer}")
    peer.agree(*parameters)
    return peer


WORDS = " ".join(map(str, random.Random(0).choices(range(3000), k=LIMIT))).encode()


def words(size: int, seed: int = 0) -> bytes:
    """Return text that can be compressed, but not to nothing; another seed gives other text."""
    start = seed * 65537 % LIMIT  # farther apart than a window of deflate reaches
    return WORDS[start : start + size]


SIZES = [0, 1, 2, 125, 126, 127, 255, 256, 257, 4096, 65535, 65536, 65537, 200_000, LIMIT]

PARAMETERS: list[tuple[str, ...]] = [
    (),
    ("server_no_context_takeover",),
    ("client_no_context_takeover",),
    ("server_no_context_takeover", "client_no_context_takeover"),
    ("server_max_window_bits=9",),
    ("client_max_window_bits=9",),
    ("server_max_window_bits=12", "client_max_window_bits=10", "server_no_context_takeover"),
    ("server_max_window_bits=15", "client_max_window_bits=15", "client_no_context_takeover"),
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=", ".join)
def test_sizes(port: int, parameters: tuple[str, ...]) -> None:
    with deflating(port, *parameters) as peer:
        for size in SIZES:
            for message in (words(size, size), random.Random(size).randbytes(size), b"\0" * size):
                peer.say(BINARY, message)
                peer.hear(BINARY, message)
            peer.say(TEXT, words(size))
            peer.hear(TEXT, words(size))
        peer.close()


@pytest.mark.parametrize("parameters", PARAMETERS, ids=", ".join)
def test_many_messages(port: int, parameters: tuple[str, ...]) -> None:
    """All sent before the first is read; some of them are not compressed."""
    messages = [words(i * 7 % 1500, i % 10) for i in range(1000)]
    with deflating(port, *parameters) as peer:
        for i, message in enumerate(messages):
            if i % 5 == 4:
                peer.send(frame(TEXT, message))
            else:
                peer.say(TEXT, message)
        for message in messages:
            peer.hear(TEXT, message)
        peer.close()


@pytest.mark.parametrize("parameters", [[], ["client_no_context_takeover"]], ids=str)
def test_fragments(port: int, parameters: list[str]) -> None:
    """Only the first frame of a message has RSV1; pings between them are not compressed."""
    with deflating(port, *parameters) as peer:
        for count in (2, 3, 50):
            message = words(5000, count)
            length = len(zlib.compress(message)) // 2
            cuts = [length * i // count for i in range(1, count)]
            peer.say(TEXT, message, cuts)
            peer.hear(TEXT, message)
            peer.say(TEXT, message, [0, 0, *cuts, cuts[-1]])  # with empty ones
            peer.hear(TEXT, message)
        data = peer.deflate(b"pings between " * 50)
        peer.send(frame(BINARY, data[:5], fin=False, rsv=RSV1) + frame(PING, "between"))
        peer.send(
            b"".join(frame(CONTINUATION, data[i : i + 1], fin=False) for i in range(5, len(data)))
        )
        peer.expect((PONG, "between"))
        peer.send(frame(CONTINUATION))
        peer.hear(BINARY, b"pings between " * 50)
        peer.close()


def test_the_servers_context_is_taken_over_unless_it_may_not(port: int) -> None:
    message = random.Random(1).randbytes(3000)  # only its repetition can be compressed
    with deflating(port) as peer:
        taken = []
        for _ in range(2):
            peer.say(BINARY, message)
            taken.append(peer.hear(BINARY, message))
        assert taken[1] < 300 < 2900 < taken[0]
        peer.close()
    with deflating(port, "server_no_context_takeover") as peer:
        for _ in range(2):
            peer.say(BINARY, message)
            assert peer.hear(BINARY, message) > 2900
        peer.close()


def test_the_servers_window_is_as_agreed(port: int) -> None:
    """The repetition is out of its reach: a window of 9 bits holds 512 bytes."""
    message = random.Random(1).randbytes(2000) * 2
    for bits, most, least in ((9, 5000, 3900), (15, 2300, 2000)):
        with deflating(port, f"server_max_window_bits={bits}") as peer:
            peer.say(BINARY, message)
            assert least < peer.hear(BINARY, message) < most
            peer.close()


@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no takeover"])
@pytest.mark.parametrize("bits", range(9, 16))
def test_every_window(port: int, bits: int, takeover: bool) -> None:
    """In both directions, with messages within it and beyond it."""
    parameters = [f"server_max_window_bits={bits}", f"client_max_window_bits={bits}"]
    if not takeover:
        parameters += ["server_no_context_takeover", "client_no_context_takeover"]
    with deflating(port, *parameters) as peer:
        for size in (16, 300, 512, 1 << bits, 131_072, 300):
            for _ in range(2):
                peer.say(TEXT, words(size))
                peer.hear(TEXT, words(size))
        peer.close()


HELLO = [
    # RFC 7692, section 7.2.3
    bytes.fromhex("f248cdc9c90700"),  # one block
    bytes.fromhex("000500faff48656c6c6f00"),  # not compressed
    bytes.fromhex("f348cdc9c9070000"),  # BFINAL set
    bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", "")),  # two blocks
]


@pytest.mark.parametrize("data", HELLO, ids=["a block", "stored", "final", "two blocks"])
def test_the_examples_of_the_rfc(port: int, data: bytes) -> None:
    for cut in range(len(data) + 1):
        with deflating(port, "client_no_context_takeover") as peer:
            for _ in range(2):
                peer.send(frame(TEXT, data[:cut], fin=False, rsv=RSV1))
                peer.send(frame(CONTINUATION, data[cut:]))
                peer.expect((TEXT, "Hello"))
            peer.close()


def test_the_example_of_a_shared_window(port: int) -> None:
    with deflating(port) as peer:
        peer.send(frame(TEXT, HELLO[0], rsv=RSV1) + frame(TEXT, b"\xf2\x00\x11\x00\x00", rsv=RSV1))
        peer.expect((TEXT, "Hello"), (TEXT, "Hello"))
        peer.close()


def final_block(data: bytes, window: bytes) -> bytes:
    """Compress to a block with BFINAL set (section 7.2.3.4) that refers to what came before it."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=window)
    return deflater.compress(data) + deflater.flush(zlib.Z_FINISH)


def test_a_final_block_leaves_the_window_alone(port: int) -> None:
    """It ends a block, not the stream: the next one may refer to what came before, as any may."""
    message = random.Random(1).randbytes(3000)
    with deflating(port) as peer:
        peer.say(BINARY, message)
        peer.hear(BINARY, message)
        for block in (final_block(message, message), final_block(message, message * 2)):
            assert len(block) < 300
            peer.send(frame(BINARY, block + b"\0", rsv=RSV1))
            peer.hear(BINARY, message)
        twice = final_block(message, message * 3) + final_block(message, message * 4)
        peer.send(frame(BINARY, twice + b"\0", rsv=RSV1))
        peer.hear(BINARY, message * 2)
        peer.say(BINARY, message)
        peer.hear(BINARY, message)
        peer.close()


def test_many_final_blocks_take_no_time(port: int) -> None:
    """Half a million empty ones, which do nothing but end."""
    with deflating(port) as peer:
        peer.send(frame(BINARY, b"\x03\x00" * 500_000 + b"\0", rsv=RSV1))
        peer.hear(BINARY, b"")
        peer.close()


def test_an_empty_message_is_one_byte(port: int) -> None:
    with deflating(port) as peer:
        peer.send(frame(TEXT, b"\x00", rsv=RSV1) + frame(BINARY, b"\x00", rsv=RSV1))
        peer.hear(TEXT, b"")
        peer.hear(BINARY, b"")
        peer.close()


WRONG = {
    "RSV1 in a continuation": frame(TEXT, HELLO[0][:3], fin=False, rsv=RSV1)
    + frame(CONTINUATION, HELLO[0][3:], rsv=RSV1),
    "RSV1 in a continuation only": frame(TEXT, "Hel", fin=False)
    + frame(CONTINUATION, "lo", rsv=RSV1),
    "RSV1 in a ping": frame(PING, HELLO[0], rsv=RSV1),
    "RSV1 in a pong": frame(PONG, HELLO[0], rsv=RSV1),
    "RSV1 in a close": frame(CLOSE, b"\x03\xe8", rsv=RSV1),
    "RSV2": frame(TEXT, HELLO[0], rsv=RSV1 | RSV2),
    "RSV3": frame(TEXT, HELLO[0], rsv=RSV3),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_reserved_bits(port: int, wrong: bytes) -> None:
    with deflating(port) as peer:
        peer.send(wrong)
        peer.expect_close(PROTOCOL_ERROR)


LONG = zlib.compressobj(9, zlib.DEFLATED, -15)
LONG_DATA = (LONG.compress(words(3000)) + LONG.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)

BAD = {
    "a block of the reserved type": b"\x07",
    "lengths that disagree": b"\x00\x05\x00\x05\x00Hello\x00",
    "a distance before the beginning": b"\xf2\x00\x11\x00\x00",
    "bytes": bytes(range(256)),
    "a stored block cut short": b"\x00\x05\x00\xfa\xffHel",
    "a block without its last byte": LONG_DATA[:-1],
    "half a block": LONG_DATA[: len(LONG_DATA) // 2],
    "an empty message without its byte": b"",
    "a final block without the empty one": HELLO[2][:-1],
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_data_that_cannot_be_decompressed(port: int, bad: bytes) -> None:
    for sent in (
        frame(BINARY, bad, rsv=RSV1),
        frame(BINARY, bad, fin=False, rsv=RSV1) + frame(CONTINUATION),
    ):
        with deflating(port) as peer:
            peer.send(sent)
            peer.expect_close(INVALID_DATA)


def test_a_distance_beyond_the_window(port: int) -> None:
    """The client has promised to look back 512 bytes at most, and that is what is kept."""
    message = random.Random(1).randbytes(2000)
    with deflating(port, "client_max_window_bits=9") as peer:
        peer.client_bits = -15
        peer.deflater = peer.new_deflater()
        peer.say(BINARY, message)
        peer.hear(BINARY, message)
        peer.say(BINARY, message)
        peer.expect_close(INVALID_DATA)


def test_the_text_in_it_is_utf8(port: int) -> None:
    for bad in (b"caf\xc3\xa9 \xed\xa0\x80", b"cut \xe2\x82", b"\xff" + words(5000)):
        with deflating(port) as peer:
            peer.say(TEXT, bad)
            peer.expect_close(INVALID_DATA)
    with deflating(port) as peer:  # as soon as the bytes have come
        peer.send(frame(TEXT, peer.deflate(b"\xff" * 30), fin=False, rsv=RSV1))
        peer.expect_close(INVALID_DATA)


def resident(server: Program) -> int:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_the_limit_is_the_inflated_messages(servers: Servers) -> None:
    server = servers()
    for fragments in ((), (10, 20)):
        with deflating(server.port) as peer:
            peer.say(BINARY, b"\0" * LIMIT, fragments)
            peer.hear(BINARY, b"\0" * LIMIT)
            peer.say(BINARY, b"\0" * (LIMIT + 1), fragments)
            peer.expect_close(TOO_BIG)


def test_a_bomb_is_defused(servers: Servers) -> None:
    """A hundred megabytes from a hundred kilobytes: ended at the limit, with its memory."""
    server = servers()
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = bomb.compress(b"\0" * (100 << 20)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    assert len(data) < 110_000
    with deflating(server.port) as peer:
        peer.say(BINARY, b"a whole message")
        peer.hear(BINARY, b"a whole message")
        before = resident(server)
        peer.send(frame(BINARY, data, rsv=RSV1))
        peer.expect_close(TOO_BIG)
        assert resident(server) < before + 4 * LIMIT


def test_the_client_of_websockets(servers: Servers) -> None:
    server = servers()
    with connect(f"ws://{server.address}/echo", compression="deflate", max_size=None) as client:
        assert [type(extension).__name__ for extension in client.protocol.extensions] == [
            "PerMessageDeflate"
        ]
        for size in SIZES:
            text = words(size).decode()
            client.send(text)
            assert client.recv(REPLY) == text
        client.send(text[i : i + 1000] for i in range(0, 50_000, 1000))
        assert client.recv(REPLY) == text[:50_000]
