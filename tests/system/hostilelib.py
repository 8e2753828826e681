"""What hostile.test plays with: the good answers of four providers' wires, a scripted upstream that spoils them, and clients of each dialect
that tell whole answers, errors of their dialect and cut streams apart.

The upstream does with a connection whatever a script says, byte by byte; it shares nothing with the simulator, and nothing with the gateway.
"""
import asyncio
import contextlib
import http.client
import json
import re
import socket
import ssl
import struct
import threading

KINDS = ("openai", "anthropic", "gemini", "azure")
TEXT = "Hello, hostile world"


# ---- what good providers say

def usage(kind, inputs=3, outputs=5):
    if kind == "anthropic":
        return {"input_tokens": inputs, "output_tokens": outputs}
    if kind == "gemini":
        return {"promptTokenCount": inputs, "candidatesTokenCount": outputs, "totalTokenCount": inputs + outputs if isinstance(inputs, int) else inputs}
    return {"prompt_tokens": inputs, "completion_tokens": outputs, "total_tokens": inputs + outputs if isinstance(inputs, int) else inputs}


def answer(kind, text=TEXT, used=None):
    """A whole answer, as an object."""
    used = usage(kind) if used is None else used
    if kind == "anthropic":
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn", "stop_sequence": None, "usage": used}
    if kind == "gemini":
        return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}],
                "usageMetadata": used, "modelVersion": "m"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "usage": used,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def event(kind, data):
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data)
    name = f"event: {data['type']}\n" if kind == "anthropic" and isinstance(data, dict) and "type" in data else ""
    return f"{name}data: {text}\n\n".encode()


def text_event(kind, text):
    if kind == "anthropic":
        return event(kind, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
    if kind == "gemini":
        return event(kind, {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}], "modelVersion": "m"})
    return event(kind, {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                        "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]})


def usage_event(kind, used=None):
    """Usage, and nothing else."""
    used = usage(kind) if used is None else used
    if kind == "anthropic":
        return event(kind, {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": used})
    if kind == "gemini":
        return event(kind, {"usageMetadata": used, "modelVersion": "m"})
    return event(kind, {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": used})


def stream_head(kind):
    """What comes before the first text."""
    if kind != "anthropic":
        return []
    return [event(kind, {"type": "message_start", "message": dict(answer(kind, used=usage(kind, outputs=0)), content=[], stop_reason=None)}),
            event(kind, {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})]


def stream_end(kind, used=None):
    if kind == "anthropic":
        return [event(kind, {"type": "content_block_stop", "index": 0}), usage_event(kind, used), event(kind, {"type": "message_stop"})]
    if kind == "gemini":
        return [event(kind, {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP"}],
                             "usageMetadata": usage(kind) if used is None else used, "modelVersion": "m"})]
    return [event(kind, {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                         "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            usage_event(kind, used), b"data: [DONE]\n\n"]


def events(kind, text=TEXT, used=None):
    """A whole stream, event by event."""
    return stream_head(kind) + [text_event(kind, text[:5]), text_event(kind, text[5:])] + stream_end(kind, used)


def error(kind, status, code="bad", message="No."):
    """An error in a provider's own dialect, as an object."""
    if kind == "anthropic":
        types = {400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
                 413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error"}
        return {"type": "error", "error": {"type": types.get(status, "invalid_request_error" if status < 500 else "api_error"), "message": message}}
    if kind == "gemini":
        names = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
        return {"error": {"code": status, "message": message, "status": names.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")}}
    return {"error": {"message": message, "type": "invalid_request_error" if status < 500 else "server_error", "param": None, "code": code}}


# ---- the upstream

class Peer:
    """One request at the upstream, and its connection. Scripts write what they like."""

    def __init__(self, reader, writer, kind, stream):
        self.reader, self.writer, self.kind, self.stream = reader, writer, kind, stream
        self.type = "text/event-stream" if stream else "application/json"
        self.events = events(kind) if stream else []
        self.body = b"".join(self.events) if stream else json.dumps(answer(kind)).encode()
        self.closed = False

    async def send(self, *parts):
        for part in parts:
            self.writer.write(part.encode() if isinstance(part, str) else part)
        await self.writer.drain()

    async def head(self, *lines, status="200 OK", kind=""):
        """Lines without CRLF. kind: the Content-Type, None = none."""
        kind = self.type if kind == "" else kind
        await self.send(f"HTTP/1.1 {status}\r\n", f"Content-Type: {kind}\r\n" if kind else "", *(line + "\r\n" for line in lines), "\r\n")

    async def whole(self, body=None, *lines, status="200 OK", kind=""):
        """An answer that is well framed."""
        body = self.body if body is None else body
        await self.head(f"Content-Length: {len(body)}", *lines, status=status, kind=kind)
        await self.send(body)

    async def chunk(self, data):
        await self.send(f"{len(data):x}\r\n", data, "\r\n")

    def close(self):
        self.closed = True
        self.writer.close()

    def reset(self):
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.closed = True
        self.writer.transport.abort()

    def hang_up(self):
        """A FIN, over TLS without its close_notify."""
        self.writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self.close()

    async def silence(self):
        """Until the gateway has had enough."""
        while await self.reader.read(65536):
            pass
        self.close()


class Upstream:
    """Providers of all kinds; `scripts` by the model's name. Counts are what really arrived."""

    def __init__(self, scripts):
        self.scripts, self.seen, self.connections, self.faults = scripts, {}, 0, []
        self.loop = asyncio.new_event_loop()
        self.told, self.said = asyncio.Event(), threading.Event()  # by the test to scripts that wait, and by them when they went on
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def listen(self, tls=None, serve=None):
        """A port. tls: an SSLContext. serve: what to do with a connection instead of speaking HTTP."""
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve or self._connection, "127.0.0.1", 0, ssl=tls, limit=1 << 22), self.loop).result()
        return server.sockets[0].getsockname()[1]

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    async def _request(self, reader):
        """Path and body; None: the gateway has closed."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?im)^content-length: (\d+)", head)
            return head.split(" ")[1], await reader.readexactly(int(length.group(1)))
        except (asyncio.IncompleteReadError, OSError):
            return None

    async def _connection(self, reader, writer):
        self.connections += 1
        try:
            while not writer.is_closing():
                got = await self._request(reader)
                if not got:
                    break
                path, body = got
                named = re.search(r"/models/([^/:]+):|/deployments/([^/]+)/", path)
                kind = "gemini" if "/models/" in path else "azure" if "/deployments/" in path else "anthropic" if path.endswith("/messages") else "openai"
                said = json.loads(body)
                name = (named.group(1) or named.group(2)) if named else said["model"]
                self.seen[name] = self.seen.get(name, 0) + 1
                peer = Peer(reader, writer, kind, "streamGenerateContent" in path or bool(said.get("stream")))
                await self.scripts[name](peer)
                if peer.closed:
                    break
        except OSError:
            pass
        except Exception as e:  # a fault of a script is one of the test
            self.faults.append(repr(e))
        finally:
            with contextlib.suppress(Exception):
                writer.close()


# ---- clients

class Answer:
    """whole: the framing's end was seen."""

    def __init__(self):
        self.status, self.headers, self.body, self.whole, self.why = 0, {}, b"", False, ""

    @property
    def id(self):
        return self.headers.get("x-request-id", "")

    def __repr__(self):
        return f"{self.status} {'whole' if self.whole else 'cut'} {self.why[:80]} {self.headers} {self.body[:300]!r}"


CLIENTS = ("openai", "anthropic", "gemini", "azure", "responses")
WIRES = {"openai": "chat", "azure": "chat", "anthropic": "anthropic", "gemini": "gemini", "responses": "responses"}
ANTHROPIC_TYPES = {400: "invalid_request_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 502: "api_error",
                   503: "overloaded_error", 504: "timeout_error"}
GEMINI_STATUSES = {400: "INVALID_ARGUMENT", 413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 502: "INTERNAL", 503: "UNAVAILABLE",
                   504: "DEADLINE_EXCEEDED"}


def request(client, model, key, stream):
    """Path, headers, body."""
    chat = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 64, **({"stream": True} if stream else {})}
    if client == "anthropic":
        return "/v1/messages", {"x-api-key": key, "anthropic-version": "2023-06-01"}, {"model": model, **chat}
    if client == "gemini":
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{method}", {"x-goog-api-key": key}, {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    if client == "azure":
        return f"/openai/deployments/{model}/chat/completions?api-version=2024-10-21", {"api-key": key}, chat
    if client == "responses":
        return "/v1/responses", {"Authorization": f"Bearer {key}"}, {"model": model, "input": "x", "max_output_tokens": 64, "stream": stream}
    return "/v1/chat/completions", {"Authorization": f"Bearer {key}"}, {"model": model, **chat}


def ask(address, client, model, key, stream, timeout=20, connection=None):
    c = connection or http.client.HTTPConnection(*address, timeout=timeout)
    path, headers, body = request(client, model, key, stream)
    a, pieces = Answer(), []
    try:
        c.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
        r = c.getresponse()
        a.status, a.headers = r.status, {k.lower(): v for k, v in r.getheaders()}
        try:
            while piece := r.read1(1 << 20):
                pieces.append(piece)
            a.whole = not r.length
            r.read()  # lets go of the connection
        except (OSError, http.client.HTTPException) as e:
            a.why = repr(e)
        a.body = b"".join(pieces)
    except (OSError, http.client.HTTPException) as e:
        a.body = repr(e).encode()
    finally:
        if not connection:
            c.close()
    return a


def text_of(client, got):
    """The text of a whole answer."""
    if client == "anthropic":
        return "".join(b["text"] for b in got["content"])
    if client == "gemini":
        return "".join(p["text"] for p in got["candidates"][0]["content"]["parts"])
    if client == "responses":
        return "".join(p["text"] for o in got["output"] for p in o["content"])
    return got["choices"][0]["message"]["content"]


class Events:
    """A client's stream, read as its SDK would: `text`, `end` (it would take the answer for complete), `error` (it would throw)."""

    def __init__(self, client, body):
        self.text, self.end, self.error = "", False, None
        for block in body.decode("utf-8", "replace").split("\n\n"):
            for line in block.split("\n"):
                if line.startswith("data:"):
                    self._data(client, line[5:].strip())

    def _data(self, client, data):
        if data == "[DONE]":
            self.end = True
            return
        try:
            e = json.loads(data)
            if not isinstance(e, dict):
                return
            if "error" in e and e["error"]:
                self.error = e
                return
            getattr(self, "_" + WIRES[client])(e)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            pass  # not understood: not text

    def _chat(self, e):
        for choice in e["choices"]:
            self.text += choice["delta"].get("content") or ""

    def _anthropic(self, e):
        self.end |= e["type"] == "message_stop"
        if e["type"] == "content_block_delta":
            self.text += e["delta"]["text"]

    def _gemini(self, e):
        for c in e["candidates"]:
            self.text += "".join(p["text"] for p in c.get("content", {}).get("parts", []))
            self.end |= c.get("finishReason") is not None

    def _responses(self, e):
        self.end |= e["type"] == "response.completed"
        if e["type"] == "response.output_text.delta":
            self.text += e["delta"]


def error_fault(client, got, status, code):
    """What is wrong with an error object of a client's dialect; None = nothing."""
    e = got.get("error")
    if not isinstance(e, dict) or not isinstance(e.get("message"), str) or not e["message"]:
        return "no error with a message"
    if client == "anthropic":
        if (got.get("type"), e.get("type")) != ("error", ANTHROPIC_TYPES.get(status, "invalid_request_error")):
            return f"not Anthropic's error of {status}"
        return None
    if client == "gemini":
        if (e.get("code"), e.get("status")) != (status, GEMINI_STATUSES.get(status, "INVALID_ARGUMENT")):
            return f"not Google's error of {status}"
        reasons = [d.get("reason") for d in e.get("details", [])]
        return None if code is None or reasons == [code.upper()] else f"reasons {reasons}, want {code.upper()}"
    if not isinstance(e.get("type"), str) or "param" not in e or (code is not None and e.get("code") != code):
        return f"not OpenAI's error with code {code}"
    return None


def outcome(client, stream, a, text=TEXT):
    """"good", "cut" (broken off so that the client sees it), a number (a status with a well-made error), or words for what is wrong."""
    if a.status != 200:
        return a.status
    if not stream:
        if not a.whole:
            return "cut"
        try:
            return "good" if text_of(client, json.loads(a.body)) == text else "another text"
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as e:
            return f"looks whole and can't be read: {e!r}"
    got = Events(client, a.body)
    if got.end and got.error is None and a.whole:
        return "good" if got.text == text else f"another text, {got.text[:40]!r}"
    if got.end:
        return "broken, and yet its end was seen"
    if a.whole:
        return "ends without its end"
    if got.error is None:
        return "cut without an error event"
    return f"left to itself by the gateway: {a.why}" if "timed out" in a.why.lower() or "timeout" in a.why.lower() else "cut"
