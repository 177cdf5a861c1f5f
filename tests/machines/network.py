# SPDX-License-Identifier: GPL-2.0
"""A forward proxy on the loopback, with sites of its own: network.py PORT FOLDER.

FOLDER has a folder for each site. What is asked of another site ending in .test fails;
all else goes to the network.
"""

import http.server
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path


class Proxy(http.server.BaseHTTPRequestHandler):
    """Answers what apt asks of a proxy."""

    protocol_version = "HTTP/1.1"
    sites = Path()

    def do_GET(self) -> None:
        """Answers with a file of a site, or with what the network answers."""
        url = urllib.parse.urlsplit(self.path)
        site = url.hostname or self.headers["Host"].partition(":")[0]
        if not site.endswith(".test"):
            self.forward()
            return
        path = self.sites / site / url.path.lstrip("/")
        if not path.is_file():
            self.send_error(404 if (self.sites / site).exists() else 502)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        with path.open("rb") as file:
            shutil.copyfileobj(file, self.wfile)

    def forward(self) -> None:
        """Asks the network."""
        try:
            with urllib.request.urlopen(self.path, timeout=60) as answer:
                self.send_response(200)
                self.send_header("Content-Length", answer.headers["Content-Length"])
                self.end_headers()
                shutil.copyfileobj(answer, self.wfile)
        except urllib.error.HTTPError as error:
            self.send_error(error.code)
        except OSError:
            self.send_error(502)


if __name__ == "__main__":
    Proxy.sites = Path(sys.argv[2])
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Proxy).serve_forever()
