"""The page side of the WebSocket document's example: a browser's own WebSocket."""

from __future__ import annotations

from selenium import webdriver

from tests.native.conftest import server

CLIENT = """
    const done = arguments[arguments.length - 1], received = [];
    const ws = new WebSocket('ws://localhost:' + arguments[0] + '/websocket');
    ws.onopen = function (event) { ws.send('Hello Server!'); };
    ws.onmessage = function (event) {
        received.push(event.data);
        if (received.length == 2) ws.close();
    };
    ws.onclose = function (event) { done([received, event.code, event.wasClean]); };
    ws.onerror = function (error) { received.push('error'); };
"""


def test_the_document_s_client(browsers: tuple[webdriver.Chrome, webdriver.Chrome]) -> None:
    browser, _ = browsers
    with server("document_echo") as echo:
        browser.get(f"http://localhost:{echo.port}/")
        assert "WebSocket Server" in browser.page_source
        result = browser.execute_async_script(CLIENT, echo.port)
        browser.get("about:blank")
    received, code, clean = result
    assert received == ["Welcome!", "Hello Server!"]
    assert clean, f"the browser saw the close as {code}"
