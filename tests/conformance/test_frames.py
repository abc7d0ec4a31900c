"""Frames and messages: RFC 6455, sections 5 to 8.

Every conversation ends cleanly: by the client's Close, which the server answers, or by the
server's, whose code says what was wrong; then comes the end of the stream, and never a reset.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from tests.conformance.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    INVALID_DATA,
    MASK,
    NORMAL,
    PING,
    PONG,
    PROTOCOL_ERROR,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    TOO_BIG,
    Frame,
    Peer,
    close_frame,
    converse,
    frame,
    masked,
)

SIZES = [0, 1, 124, 125, 126, 127, 128, 129, 65534, 65535, 65536, 65537, 65540]


def text_of(size: int) -> bytes:
    return (b"*-ascii+" * (size // 8 + 1))[:size]


def bytes_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


# Sizes, and bytes that come in pieces


@pytest.mark.parametrize("chop", [None, 1, 997])
@pytest.mark.parametrize("size", SIZES)
def test_sizes(port: int, size: int, chop: int | None) -> None:
    if chop == 1 and size > 1000:
        chop = 101  # a packet for each of its bytes would take too long
    with Peer.open(port) as peer:
        for opcode, payload in ((TEXT, text_of(size)), (BINARY, bytes_of(size))):
            peer.send(frame(opcode, payload), chop)
            peer.expect((opcode, payload))
        peer.close()


@pytest.mark.parametrize("chop", [1, 2, 3, 5, 7, 64, 509, 1021, 1460])
def test_chopped(port: int, chop: int) -> None:
    """A conversation of all kinds of frames, cut everywhere."""
    texts = ["", "a", "κόσμε", "𐍈" * 20, "x" * 126, "y" * 300]
    sent = b"".join(
        frame(TEXT, text) + frame(PING, text.encode()[:125]) + frame(BINARY, text) for text in texts
    )
    expected: list[tuple[int, bytes | str]] = []
    for text in texts:
        expected += [(TEXT, text), (PONG, text.encode()[:125]), (BINARY, text)]
    converse(port, sent, expected, chop)


def test_every_cut_of_a_header(port: int) -> None:
    """Each frame is sent in two halves, the first of each length."""
    for size in (3, 200, 70000):
        whole = frame(BINARY, bytes_of(size))
        with Peer.open(port) as peer:
            for cut in range(1, 18):
                peer.send(whole[:cut])
                peer.send(whole[cut:])
                peer.expect((BINARY, bytes_of(size)))
            peer.close()


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4", b"\0\0\0\x80"])
def test_masks(port: int, mask: bytes) -> None:
    with Peer.open(port) as peer:
        for size in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1000):
            peer.send(frame(BINARY, bytes_of(size), mask=mask))
            peer.expect((BINARY, bytes_of(size)))
        peer.close()


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("piece", [64, 4096, 65536, 1 << 20])
def test_big_messages(port: int, opcode: int, piece: int) -> None:
    """4 MiB in one frame, in fragments, and in small packets."""
    size = 4 << 20 if piece > 64 else 1 << 18
    message = text_of(size) if opcode == TEXT else bytes_of(size)
    fragments = [message[start : start + piece] for start in range(0, size, piece)]
    sent = b"".join(
        frame(opcode if i == 0 else CONTINUATION, fragment, fin=i == len(fragments) - 1)
        for i, fragment in enumerate(fragments)
    )
    with Peer.open(port) as peer, ThreadPoolExecutor(1) as sender:
        for data, chop in ((frame(opcode, message), None), (sent, None), (sent, 65521)):
            sending = sender.submit(peer.send, data, chop)
            peer.expect((opcode, message))
            sending.result()
        peer.close()


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_the_biggest_message(port: int, opcode: int) -> None:
    """16 MiB, the limit of this server, in one frame; and many small fragments."""
    message = text_of(16 << 20) if opcode == TEXT else bytes_of(16 << 20)
    small = message[: 1 << 20]
    pieces = [small[start : start + 64] for start in range(0, len(small), 64)]
    fragments = [frame(opcode, b"", fin=False), *(frame(0, piece, fin=False) for piece in pieces)]
    with Peer.open(port) as peer, ThreadPoolExecutor(1) as sender:
        for sent, echoed in (
            (frame(opcode, message), message),
            (b"".join([*fragments, frame(CONTINUATION)]), small),
        ):
            sending = sender.submit(peer.send, sent)
            peer.expect((opcode, echoed))
            sending.result()
        peer.close()


def test_many_messages_at_once(port: int) -> None:
    """The answers come in order, none is lost."""
    messages = [f"message {i} {'.' * (i % 300)}" for i in range(20_000)]
    with Peer.open(port) as peer, ThreadPoolExecutor(1) as sender:
        sending = sender.submit(peer.send, b"".join(frame(TEXT, text) for text in messages))
        peer.expect(*((TEXT, text) for text in messages))
        sending.result()
        peer.close()


# Pings and pongs


@pytest.mark.parametrize("payload", [b"", b"ping", b"\0\xff\xfe\xfd\x80", b"x" * 125], ids=len)
@pytest.mark.parametrize("chop", [None, 1])
def test_pings(port: int, payload: bytes, chop: int | None) -> None:
    with Peer.open(port) as peer:
        peer.send(frame(PING, payload), chop)
        peer.expect((PONG, payload))
        peer.close()


def test_ten_pings(port: int) -> None:
    pings = [f"ping {i}" for i in range(10)]
    sent = b"".join(frame(PING, ping) for ping in pings)
    for chop in (1, len(sent)):
        converse(port, sent, [(PONG, ping) for ping in pings], chop)


@pytest.mark.parametrize("payload", [b"", b"unsolicited"])
def test_unsolicited_pongs(port: int, payload: bytes) -> None:
    sent = frame(PONG, payload) * 10 + frame(PING, "after them")
    converse(port, sent, [(PONG, "after them")], 1000)


# What may not be sent: the server's Close says so at once. What comes after it is not looked at.

after = frame(TEXT, "never seen") + frame(PING, "never answered")

VIOLATIONS = {
    **{
        f"reserved bits {rsv >> 4:03b} in a frame of opcode {opcode}": frame(opcode, "x", rsv=rsv)
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
        for rsv in (RSV1, RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV3, RSV2 | RSV3, RSV1 | RSV2 | RSV3)
    },
    **{
        f"reserved opcode {opcode} with {size} bytes": frame(opcode, b"x" * size)
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        for size in (0, 5)
    },
    **{
        f"an unmasked frame of opcode {opcode}": frame(opcode, "xy", mask=None)
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
    },
    **{
        f"{size} bytes in a control frame of opcode {opcode}": frame(opcode, b"x" * size)
        for opcode in (CLOSE, PING, PONG)
        for size in (126, 65536)
    },
    **{
        f"a fragmented control frame of opcode {opcode}": frame(opcode, "x", fin=False)
        + frame(CONTINUATION, "y")
        for opcode in (CLOSE, PING, PONG)
    },
    "a length of 0 in 16 bits": frame(BINARY, form=16),
    "a length of 125 in 16 bits": frame(BINARY, b"x" * 125, form=16),
    "a length of 125 in 64 bits": frame(BINARY, b"x" * 125, form=64),
    "a length of 126 in 64 bits": frame(BINARY, b"x" * 126, form=64),
    "a length of 65535 in 64 bits": frame(BINARY, b"x" * 65535, form=64),
    "a length of 5 in 16 bits of a ping": frame(PING, b"xxxxx", form=16),
    "a length of 64 bits": frame(BINARY, b"x", length=1 << 63, form=64),
    "the greatest length of all": frame(BINARY, b"x", length=(1 << 64) - 1, form=64),
    "a continuation of nothing": frame(CONTINUATION, "x"),
    "an unfinished continuation of nothing": frame(CONTINUATION, "x", fin=False),
    "a continuation after a whole message": frame(PONG, "x") + frame(CONTINUATION, "x"),
    "a text within a text": frame(TEXT, "x", fin=False) + frame(TEXT, "y"),
    "an unfinished text within a text": frame(TEXT, "x", fin=False) + frame(TEXT, "y", fin=False),
    "a binary message within a text": frame(TEXT, "x", fin=False) + frame(BINARY, "y"),
    "a text within a binary message": frame(BINARY, "x", fin=False) + frame(TEXT, "y"),
    "a text after two fragments": frame(TEXT, "x", fin=False)
    + frame(CONTINUATION, "y", fin=False)
    + frame(TEXT, "z"),
    "a continuation with reserved bits": frame(TEXT, "x", fin=False)
    + frame(CONTINUATION, "y", rsv=RSV1),
    "a close frame of one byte": frame(CLOSE, b"\x03"),
}


@pytest.mark.parametrize("violation", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_violations(port: int, violation: bytes) -> None:
    for chop in (None, 1) if len(violation) < 1000 else (None,):
        with Peer.open(port) as peer:
            peer.send(frame(TEXT, "before"))
            peer.expect((TEXT, "before"))
            peer.send(violation + after, chop)
            assert peer.expect_close(PROTOCOL_ERROR)  # a reason in words
    with Peer.open(
        port
    ) as peer:  # what came before it is answered first, also when all comes at once
        peer.send(frame(TEXT, "before") + frame(PING, "and this") + violation + after)
        peer.expect((TEXT, "before"), (PONG, "and this"))
        peer.expect_close(PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "start",
    [
        b"\x81\x00",  # not masked
        b"\xc1\x80",  # a reserved bit
        b"\x83\x80",  # a reserved opcode
        b"\x80\x80",  # nothing to continue
        b"\x89\xfe",  # a control frame too long
        b"\x09\x80",  # a control frame in fragments
    ],
    ids=bytes.hex,
)
def test_two_bytes_are_enough_to_refuse(port: int, start: bytes) -> None:
    with Peer.open(port) as peer:
        peer.send(start)
        peer.expect_close(PROTOCOL_ERROR)


# Fragments

WORLD = "κόσμε 𐍈"

FRAGMENTED = {
    "in two": [frame(TEXT, "frag", fin=False), frame(CONTINUATION, "ment")],
    "in single bytes": [
        frame(TEXT, "f", fin=False),
        *(frame(CONTINUATION, c, fin=False) for c in "ragmen"),
        frame(CONTINUATION, "t"),
    ],
    "with empty ones": [
        frame(TEXT, "", fin=False),
        frame(CONTINUATION, "fragment", fin=False),
        frame(CONTINUATION, "", fin=False),
        frame(CONTINUATION, ""),
    ],
    "cut within characters": [
        frame(TEXT, WORLD.encode()[:3], fin=False),
        frame(CONTINUATION, WORLD.encode()[3:-2], fin=False),
        frame(CONTINUATION, WORLD.encode()[-2:]),
    ],
}


@pytest.mark.parametrize("chop", [1, 10_000])
@pytest.mark.parametrize("name", FRAGMENTED)
def test_fragments(port: int, name: str, chop: int) -> None:
    fragments = FRAGMENTED[name]
    whole = WORLD if "characters" in name else "fragment"
    converse(port, b"".join(fragments), [(TEXT, whole)], chop)
    # Control frames between them are answered before the message, which they leave alone.
    pings = [f"ping {i}" for i in range(len(fragments))]
    between = b"".join(
        frame(PING, ping) + frame(PONG, "unsolicited") + fragment
        for ping, fragment in zip(pings, fragments, strict=True)
    )
    converse(port, between, [*((PONG, ping) for ping in pings), (TEXT, whole)], chop)


def test_empty_fragments_are_an_empty_message(port: int) -> None:
    sent = frame(TEXT, "", fin=False) + frame(CONTINUATION, "", fin=False) + frame(CONTINUATION, "")
    converse(port, sent + sent, [(TEXT, ""), (TEXT, "")], 1)


def test_a_message_after_a_fragmented_one(port: int) -> None:
    sent = frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b") + frame(BINARY, "c", fin=False)
    sent += frame(PING, "!") + frame(CONTINUATION, "d") + frame(TEXT, "e")
    converse(port, sent, [(TEXT, "ab"), (PONG, "!"), (BINARY, "cd"), (TEXT, "e")], 1000)


def test_a_close_between_fragments_ends_it(port: int) -> None:
    with Peer.open(port) as peer:
        peer.send(frame(TEXT, "unfin", fin=False) + close_frame() + frame(CONTINUATION, "ished"))
        peer.expect_close(NORMAL)


# UTF-8

VALID = {
    "ascii": b"Hello, world \x00\x7f",
    "two bytes": "κόσμε \u0080\u07ff".encode(),
    "three bytes": "\u0800\ud7ff\ue000\ufffd\uffff\ufeff中文 بـننت".encode(),
    "four bytes": "\U00010000\U0001f600\U0010ffff".encode(),
    "noncharacters": "\ufffe\uffff\U0001fffe\U0010fffe".encode(),
    "combining": "e\u0301\u202e\u200d".encode(),
    "ascii around": b"12345678" * 3 + "é".encode() + b"12345678" * 3 + "𐍈".encode() + b"1234567",
}

INVALID = {
    "a continuation byte": b"\x80",
    "the last continuation byte": b"\xbf",
    "FE": b"\xfe",
    "FF": b"\xff",
    "C0, overlong": b"\xc0\x80",
    "C1, overlong": b"\xc1\xbf",
    "overlong in three bytes": b"\xe0\x80\xaf",
    "the last overlong in three bytes": b"\xe0\x9f\xbf",
    "overlong in four bytes": b"\xf0\x80\x80\xaf",
    "the last overlong in four bytes": b"\xf0\x8f\xbf\xbf",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa1\x8c\xed\xbe\xb4",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "F5": b"\xf5\x80\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "a character cut short by ascii": b"\xe2\x82A",
    "a character cut short by another": b"\xe2\xc3\xa9",
    "a byte too many": b"\xc3\xa9\xa9",
}

INCOMPLETE = {
    "two": b"\xc3",
    "three": b"\xe2\x82",
    "four": b"\xf0\x9f\x98",
    "four's first": b"\xf4",
}


@pytest.mark.parametrize("text", VALID.values(), ids=VALID.keys())
def test_valid_utf8(port: int, text: bytes) -> None:
    """In one frame, in packets of a byte, in fragments of a byte, and across every offset."""
    single = [text[i : i + 1] for i in range(len(text))]
    fragments = b"".join(
        frame(CONTINUATION if i else TEXT, byte, fin=False) for i, byte in enumerate(single)
    ) + frame(CONTINUATION)
    converse(port, frame(TEXT, text), [(TEXT, text)], 10_000)
    converse(port, frame(TEXT, text), [(TEXT, text)], 1)
    converse(port, fragments, [(TEXT, text)], 10_000)
    shifted = [b"a" * i + text for i in range(9)]
    converse(port, b"".join(frame(TEXT, t) for t in shifted), [(TEXT, t) for t in shifted], 999)


@pytest.mark.parametrize("bad", INVALID.values(), ids=INVALID.keys())
def test_invalid_utf8(port: int, bad: bytes) -> None:
    text = "κόσμε".encode() + bad + b"edited"
    fragments = frame(TEXT, text[:11], fin=False) + frame(CONTINUATION, text[11:])
    single = frame(TEXT, b"", fin=False) + b"".join(
        frame(CONTINUATION, text[i : i + 1], fin=False) for i in range(len(text))
    )
    for sent in (
        frame(TEXT, bad),
        frame(TEXT, text),
        frame(TEXT, b"a" * 13 + text),
        fragments,
        single,
    ):
        for chop in (None, 1):
            with Peer.open(port) as peer:
                peer.send(sent + after, chop)
                peer.expect_close(INVALID_DATA)
    converse(port, frame(BINARY, text), [(BINARY, text)], 10)  # bytes may be anything


@pytest.mark.parametrize("bad", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_a_text_may_not_end_within_a_character(port: int, bad: bytes) -> None:
    for sent in (
        frame(TEXT, b"abc" + bad),
        frame(TEXT, b"abc" + bad, fin=False) + frame(CONTINUATION, b""),
    ):
        with Peer.open(port) as peer:
            peer.send(sent)
            peer.expect_close(INVALID_DATA)


@pytest.mark.parametrize("fragmented", [False, True], ids=["in a frame", "in a fragment"])
@pytest.mark.parametrize("bad", INVALID.values(), ids=INVALID.keys())
def test_invalid_utf8_fails_early(port: int, bad: bytes, fragmented: bool) -> None:
    """The rest of the message, which the header announces, need not come."""
    payload = "κόσμε".encode() + bad
    whole = frame(TEXT, payload, fin=not fragmented, length=1000)
    with Peer.open(port) as peer:
        peer.send(whole)
        peer.expect_close(INVALID_DATA)


# By kind, as in Markus Kuhn's "UTF-8 decoder capability and stress test", in hexadecimal.
UTF8 = {
    "the first of each length": "00 c280 e0a080 f0908080 f888808080 fc8480808080",
    "the last of each length": "7f dfbf efbfbf f48fbfbf f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf",
    "boundaries": "ed9fbf ee8080 efbfbd f48fbfbf f4908080",
    "continuation bytes": "80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf "
    + "".join(f"{byte:02x}" for byte in range(0x80, 0xC0)),
    "lonely first bytes": " ".join(
        "".join(f"{byte:02x}20" for byte in range(*some))
        for some in ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))
    ),
    "without the last byte": "c0 e080 f08080 f8808080 fc80808080 "
    "df efbf f7bfbf fbbfbfbf fdbfbfbfbf "
    "c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf",
    "impossible bytes": "fe ff fefeffff",
    "overlong": "c0af e080af f08080af f8808080af fc80808080af",
    "the longest overlong": "c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf",
    "overlong NUL": "c080 e08080 f0808080 f880808080 fc8080808080",
    "surrogates": "eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf",
    "pairs of surrogates": "eda080edb080 eda080edbfbf edadbfedb080 edadbfedbfbf "
    "edae80edb080 edae80edbfbf edafbfedb080 edafbfedbfbf",
    "noncharacters": "efbfbe efbfbf "
    + " ".join(
        chr(plane << 16 | 0xFFFE | last).encode().hex() for plane in range(1, 17) for last in (0, 1)
    ),
    "specials": "efbfb9 efbfba efbfbb efbfbc efbfbd efbfbe efbfbf",
    "prefixes of a word": " ".join("κόσμε".encode()[:size].hex() for size in range(1, 12)),
}


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


ENDS = [bytes(end) for size in range(4) for end in product((0x80, 0x90, 0xA0), repeat=size)]


def first_wrong(data: bytes) -> int | None:
    """Return the place of the byte that nothing can follow to make this UTF-8; None without one.

    Python's own incremental decoder sees some surrogates a byte late.
    """
    for size in range(1, len(data) + 1):
        if not any(is_utf8(data[:size] + end) for end in ENDS):
            return size - 1
    return None


@pytest.mark.parametrize("kind", UTF8)
def test_utf8_byte_by_byte(port: int, kind: str) -> None:
    """Python's decoder is the judge: of whole texts, and of the byte at which they fail."""
    for data in map(bytes.fromhex, UTF8[kind].split()):
        with Peer.open(port) as peer:
            peer.send(frame(TEXT, data))
            if is_utf8(data):
                peer.expect((TEXT, data))
                peer.close()
            else:
                peer.expect_close(INVALID_DATA)
        wrong = first_wrong(data)
        good = len(data) if wrong is None else wrong
        with Peer.open(port) as peer:
            peer.send(frame(TEXT, data[:good], fin=False) + frame(PING, "well so far"))
            peer.expect((PONG, "well so far"))
            if wrong is not None:
                peer.send(frame(CONTINUATION, data[wrong : wrong + 1], fin=False))
                peer.expect_close(INVALID_DATA)


# Closing


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013])
@pytest.mark.parametrize("reason", ["", "gone fishing", "κόσμε", "x" * 123], ids=len)
def test_valid_close_frames(port: int, code: int, reason: str) -> None:
    with Peer.open(port) as peer:
        peer.send(close_frame(code, reason))
        peer.expect_close(code)


@pytest.mark.parametrize("code", [1014, 3000, 3999, 4000, 4999])
def test_registered_and_private_codes(port: int, code: int) -> None:
    with Peer.open(port) as peer:
        peer.send(close_frame(code))
        peer.expect_close(code)


@pytest.mark.parametrize(
    "code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 10000, 65535]
)
def test_invalid_close_codes(port: int, code: int) -> None:
    for reason in ("", "why"):
        with Peer.open(port) as peer:
            peer.send(close_frame(code, reason))
            peer.expect_close(PROTOCOL_ERROR)


def test_a_close_frame_without_code(port: int) -> None:
    with Peer.open(port) as peer:
        peer.send(close_frame(None))
        peer.expect_close(None)


@pytest.mark.parametrize("reason", [*INVALID.values(), *INCOMPLETE.values()], ids=bytes.hex)
def test_a_close_reason_is_utf8(port: int, reason: bytes) -> None:
    with Peer.open(port) as peer:
        peer.send(close_frame(NORMAL, b"because " + reason))
        peer.expect_close(INVALID_DATA)


@pytest.mark.parametrize(
    "more",
    [
        after,
        close_frame(),
        close_frame(3000),
        frame(3),
        frame(TEXT, b"\xff"),
        b"\xff" * 1000,
        frame(BINARY, bytes_of(200_000)),
    ],
    ids=["a text and a ping", "a close", "another close", "nonsense", "no UTF-8", "bytes", "a lot"],
)
def test_nothing_follows_a_close(port: int, more: bytes) -> None:
    """It is dropped, and does not turn the end into a reset."""
    with Peer.open(port) as peer:
        peer.send(close_frame(1001, "bye") + more)
        peer.expect_close(1001)


def test_the_servers_close_waits_for_the_clients(port: int) -> None:
    """What is still on its way is answered no more, and the stream ends cleanly."""
    with Peer.open(port, "/do") as peer:
        peer.send(frame(TEXT, "close"))
        assert peer.frame() == Frame(CLOSE, NORMAL.to_bytes(2, "big"))
        peer.send(frame(PING, "too late") + frame(TEXT, "hello?") + close_frame())
        peer.expect_end()


def test_the_data_callbacks_zero_closes(port: int) -> None:
    with Peer.open(port, "/do") as peer:
        peer.send(frame(TEXT, "return"))
        assert peer.frame() == Frame(CLOSE, NORMAL.to_bytes(2, "big"))
        peer.send(close_frame())
        peer.expect_end()


def test_answers_come_before_the_close(port: int) -> None:
    """Also when they are more than the connection takes at once."""
    message = bytes_of(3 << 20)
    with Peer.open(port) as peer, ThreadPoolExecutor(1) as sender:
        sending = sender.submit(peer.send, frame(BINARY, message) * 3 + close_frame(4000))
        sending.result()
        peer.expect((BINARY, message), (BINARY, message), (BINARY, message))
        peer.expect_close(4000)


# Too big


@pytest.mark.parametrize(
    "sent",
    [
        frame(BINARY, b"x", length=(16 << 20) + 1),
        frame(TEXT, b"x", length=(1 << 63) - 1, form=64),
        frame(BINARY, b"x" * 100, fin=False) + frame(CONTINUATION, b"", length=16 << 20),
    ],
    ids=["a byte", "63 bits", "in the second fragment"],
)
def test_too_big_messages_are_refused_by_their_header(port: int, sent: bytes) -> None:
    with Peer.open(port) as peer:
        peer.send(sent)
        peer.expect_close(TOO_BIG)


def test_a_mask_in_several_packets(port: int) -> None:
    """The mask goes on where the last packet ended, at each of its four bytes."""
    payload = bytes_of(50)
    with Peer.open(port) as peer:
        for first in range(0, 12):
            for second in range(first, first + 9):
                body = masked(payload)
                peer.send(bytes([0x82, 0x80 | 50]) + MASK + body[:first])
                peer.send(body[first:second])
                peer.send(body[second:])
                peer.expect((BINARY, payload))
        peer.close()
