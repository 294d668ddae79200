"""ClickHouse's engine, as chDB has it, behind as much of ClickHouse's HTTP interface as a client for inserts needs: server.py PORT DIRECTORY."""
import gzip
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

port, directory = int(sys.argv[1]), sys.argv[2]
engine = session.Session(directory)
turn = threading.Lock()
# Of the interface itself; the others are settings of the query.
own = {"query", "database", "query_id", "session_id", "default_format", "wait_end_of_query", "enable_http_compression", "role"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, b"Ok.\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])) if "Content-Length" in self.headers else self.chunks()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        sql = given.get("query", "") + "\n" + body.decode()
        settings = ", ".join(f"{name} = '{value}'" for name, value in given.items() if name not in own)
        try:
            with turn:
                if settings:
                    engine.query(f"SET {settings}")
                result = engine.query(sql, given.get("default_format", "JSONCompactEachRow"))
                answer = result.bytes() if result is not None else b""
            self.answer(200, answer)
        except Exception as error:
            code = re.search(r"Code: (\d+)", str(error))
            self.answer(500, str(error).encode(), code.group(1) if code else "0")

    def chunks(self):
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, status, body, code=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Server-Display-Name", "chdb")
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
