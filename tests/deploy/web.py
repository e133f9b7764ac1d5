"""The public side: requests to the issuer, through the proxy or straight, and a browser without scripts."""

import http.client
import json
import socket
import ssl
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.text[:600]}"


class Proxy:
    """Sends every request by a connection of its own, to `host` as the certificate must name it, at `port` of this machine."""

    def __init__(self, host, port, authority):
        self.host, self.port, self.origin = host, port, f"https://{host}"
        self.trust = ssl.create_default_context(cafile=str(authority))

    def ask(self, method, path, body=None, headers=None, source="127.0.0.1"):
        """`body`: a dict is sent as a form, a tuple of one as JSON."""
        headers = {"Host": self.host, **(headers or {})}
        if isinstance(body, tuple):
            headers["Content-Type"], body = "application/json", json.dumps(body[0])
        elif isinstance(body, dict):
            headers["Content-Type"], body = "application/x-www-form-urlencoded", urlencode(body)
        connection = self.connection(source)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def connection(self, source):
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=60)
        plain = socket.create_connection(("127.0.0.1", self.port), 60, (source, 0))
        connection.sock = self.trust.wrap_socket(plain, server_hostname=self.host)
        return connection


class Direct(Proxy):
    """A server that listens at `port` of this machine itself, without TLS."""

    def __init__(self, port):
        self.host, self.port, self.origin = f"127.0.0.1:{port}", port, f"http://127.0.0.1:{port}"

    def connection(self, source):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(source, 0))


class Page(HTMLParser):
    """The links of a page, and its forms: where each goes, and what its inputs and buttons send."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.links, self.forms, self.goes_on_at = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "meta" and attributes.get("http-equiv") == "refresh":
            self.goes_on_at = attributes["content"].split("url=", 1)[1]
        elif tag == "a":
            self.links.append(attributes.get("href", ""))
        elif tag == "form":
            self.forms.append({"action": attributes["action"], "fields": {}, "buttons": []})
        elif tag == "input" and "name" in attributes and self.forms:
            if attributes.get("type") not in ("checkbox", "radio") or "checked" in attributes:
                self.forms[-1]["fields"][attributes["name"]] = attributes.get("value", "")
        elif tag == "button" and "name" in attributes and self.forms:
            self.forms[-1]["buttons"].append((attributes["name"], attributes["value"]))

    def form_with(self, field):
        """The form that has an input or a button of this name."""
        found = [one for one in self.forms if field in one["fields"] or field in dict(one["buttons"])]
        assert len(found) == 1, f"{len(found)} forms with {field} in {self.text}"
        return found[0]


class Browser:
    """Somebody with cookies. Goes on where a page or an answer leads, as long as that is with the issuer."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.cookies = {}

    def open(self, url):
        return self.follow("GET", url)

    def submit(self, form, **fields):
        return self.follow("POST", form["action"], {**form["fields"], **fields})

    def follow(self, method, url, body=None):
        """The page that it ends at, or the URL at which it left the issuer."""
        base = self.proxy.origin
        headers = {"Origin": base} if method == "POST" else {}
        while urljoin(base, url).startswith(f"{base}/"):
            parts = urlsplit(urljoin(base, url))
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            if self.cookies:
                headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            answer = self.proxy.ask(method, path, body, headers)
            for cookie in answer.headers.get_all("Set-Cookie", []):
                name, value = cookie.split(";", 1)[0].split("=", 1)
                self.cookies[name] = value
            if answer.status in (302, 303):
                leads_to = answer.headers["Location"]
            else:
                assert answer.status == 200, f"{method} {path}: {answer}"
                page = Page(answer.text)
                if page.goes_on_at is None:
                    return page
                leads_to = page.goes_on_at
            method, url, body, headers = "GET", urljoin(urljoin(base, path), leads_to), None, {}
        return url
