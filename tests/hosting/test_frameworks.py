"""Applications as their frameworks make them."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from pydantic import BaseModel
from websockets.sync.client import connect

from tests.hosting.hosting import asgi_served, wsgi_served
from tests.support import REPLY

BODY = bytes(range(256)) * 4000


class Item(BaseModel):
    name: str


def test_flask() -> None:
    from flask import Flask, Response, request, stream_with_context

    app = Flask(__name__)

    @app.get("/stream")
    def stream() -> Response:
        def rows() -> Iterator[str]:
            for i in range(3):
                yield f"{request.args['name']} {i}\n"

        return Response(stream_with_context(rows()))

    @app.post("/upload")
    def upload() -> dict[str, Any]:
        file = request.files["file"]
        return {"name": file.filename, "size": len(file.read()), "text": request.form["text"]}

    @app.post("/raw")
    def raw() -> bytes:
        return request.get_data()

    with wsgi_served(app) as served, httpx.Client(base_url=served.url) as client:
        assert client.get("/stream?name=n").text == "n 0\nn 1\nn 2\n"
        answer = client.post("/upload", files={"file": ("a.bin", BODY)}, data={"text": "é"})
        assert answer.json() == {"name": "a.bin", "size": len(BODY), "text": "é"}
        assert client.post("/raw", content=iter([BODY, BODY])).content == BODY * 2
        assert client.get("/missing").status_code == 404
        assert client.head("/stream?name=n").content == b""


def test_django() -> None:
    import django
    from django.conf import settings
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import path

    def show(request: HttpRequest, name: str) -> HttpResponseBase:
        return HttpResponse(f"{name} {request.get_host()} {request.GET['q']}")

    def stream(request: HttpRequest) -> HttpResponseBase:
        return StreamingHttpResponse(iter(["a", "b"]))

    def file(request: HttpRequest) -> HttpResponseBase:
        return FileResponse(io.BytesIO(BODY), filename="a.bin")

    def upload(request: HttpRequest) -> HttpResponseBase:
        return HttpResponse(str(request.FILES["file"].size))

    urls = type(
        "Urls",
        (),
        {
            "urlpatterns": [
                path("show/<name>", show),
                path("stream", stream),
                path("file", file),
                path("upload", upload),
            ]
        },
    )
    settings.configure(ROOT_URLCONF=urls, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="x")
    django.setup()
    for hosted, application in ((wsgi_served, WSGIHandler()), (asgi_served, ASGIHandler())):
        with hosted(application) as served, httpx.Client(base_url=served.url) as client:
            answer = client.get("/show/n%20%C3%A9?q=1")
            assert answer.text == f"n é 127.0.0.1:{served.port} 1"
            assert client.get("/stream").text == "ab"
            assert client.get("/file").content == BODY
            assert client.post("/upload", files={"file": ("a", BODY)}).text == str(len(BODY))


def test_starlette(tmp_path: Path) -> None:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.middleware.gzip import GZipMiddleware
    from starlette.requests import Request
    from starlette.responses import (
        FileResponse,
        JSONResponse,
        PlainTextResponse,
        Response,
        StreamingResponse,
    )
    from starlette.routing import Route, WebSocketRoute

    (tmp_path / "file").write_bytes(BODY)
    done: list[str] = []

    async def stream(request: Request) -> Response:
        async def rows() -> AsyncIterator[bytes]:
            async for part in request.stream():
                yield part.upper()
                await asyncio.sleep(0)

        return StreamingResponse(rows())

    async def form(request: Request) -> Response:
        async with request.form() as fields:
            file: Any = fields["file"]
            return JSONResponse({"size": len(await file.read()), "text": fields["text"]})

    async def file(request: Request) -> Response:
        return FileResponse(tmp_path / "file")

    async def background(request: Request) -> Response:
        return PlainTextResponse("now", background=BackgroundTask(done.append, "later"))

    async def chat(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_json({"heard": text})

    app = Starlette(
        routes=[
            Route("/stream", stream, methods=["POST"]),
            Route("/form", form, methods=["POST"]),
            Route("/file", file),
            Route("/background", background),
            WebSocketRoute("/chat", chat),
        ]
    )
    app.add_middleware(GZipMiddleware)
    with asgi_served(app) as served, httpx.Client(base_url=served.url) as client:
        assert client.post("/stream", content=iter([b"ab", b"cd"])).content == b"ABCD"
        answer = client.post("/form", files={"file": ("a", BODY)}, data={"text": "é"})
        assert answer.json() == {"size": len(BODY), "text": "é"}
        assert client.get("/file").content == BODY
        assert client.get("/file", headers={"Range": "bytes=1-3"}).content == BODY[1:4]
        assert client.get("/background").text == "now"
        with connect(f"ws://127.0.0.1:{served.port}/chat") as socket:
            socket.send("hi")
            assert socket.recv(REPLY) == '{"heard":"hi"}'
    assert done == ["later"]


def test_a_stream_whose_client_leaves_ends_though_it_sends_nothing() -> None:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    ended = threading.Semaphore(0)

    async def events(request: Request) -> Response:
        async def lines() -> AsyncIterator[str]:
            try:
                yield "data: 1\n\n"
                await asyncio.Event().wait()
            finally:
                ended.release()

        return StreamingResponse(lines(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/events", events)])
    with asgi_served(app, num_threads="1") as served:
        for _ in range(3):
            with httpx.stream("GET", f"{served.url}/events", timeout=REPLY) as answer:
                assert next(answer.iter_lines()) == "data: 1"
            assert ended.acquire(timeout=REPLY)


def test_fastapi() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, int]]:
        yield {"number": 7}

    app = FastAPI(lifespan=lifespan)

    @app.post("/items/{number}")
    def blocking(number: int, item: Item) -> dict[str, Any]:
        return {"number": number, "name": item.name}

    @app.websocket("/ws/{name}")
    async def ws(websocket: WebSocket, name: str) -> None:
        await websocket.accept()
        await websocket.send_text(f"{name} {websocket.state.number}")
        await websocket.close(4000, "enough")

    with asgi_served(app) as served, httpx.Client(base_url=served.url) as client:
        assert client.post("/items/3", json={"name": "é"}).json() == {"number": 3, "name": "é"}
        assert client.post("/items/x", json={}).status_code == 422
        assert client.get("/openapi.json").status_code == 200
        with connect(f"ws://127.0.0.1:{served.port}/ws/n") as socket:
            assert socket.recv(REPLY) == "n 7"
            with pytest.raises(Exception, match="4000"):
                socket.recv(REPLY)
