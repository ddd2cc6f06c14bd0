"""A page of another site that tries everything a browser lets it send to a webserver of this
machine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from storeavail_testing.http_server import QuietHandler, http_server

PAGE = b"<!doctype html><title>Elsewhere</title><p>Look at these cats."
TRIES = """async ([target, mutation]) => {
  const asked = target + '/graphql?query=' + encodeURIComponent(mutation);
  const body = JSON.stringify({query: mutation});
  const text = {'Content-Type': 'text/plain'}, json = {'Content-Type': 'application/json'};
  const report = kind => target + '/report_asset_' + kind + '/stores?passed=true&check_name=complete';
  const send = (url, options) => fetch(url, options).then(a => a.type, e => 'error');
  const loaded = (element, make) => new Promise(done => {
    element.onload = () => done('loaded');
    element.onerror = () => done('error');
    make(element);
  });
  const form = enctype => loaded(document.createElement('iframe'), frame => {
    frame.name = 'frame-' + enctype;
    document.body.append(frame);
    const form = document.createElement('form');
    Object.assign(form, {action: asked, method: 'post', enctype, target: frame.name});
    form.innerHTML = '<input name=query value="x">';
    document.body.append(form);
    form.submit();
  });
  const websocket = new Promise(done => {
    const socket = new WebSocket(target.replace('http', 'ws') + '/graphql', 'graphql-ws');
    socket.onopen = () => done('open');
    socket.onerror = () => done('error');
  });
  const tries = {
    img: loaded(new Image(), image => { image.src = asked; }),
    script: loaded(document.createElement('script'), script => {
      script.src = asked;
      document.head.append(script);
    }),
    frame: loaded(document.createElement('iframe'), frame => {
      frame.src = asked;
      document.body.append(frame);
    }),
    form: form('application/x-www-form-urlencoded'),
    text_form: form('text/plain'),
    get: send(asked, {}),
    no_cors_get: send(asked, {mode: 'no-cors'}),
    no_cors_query: send(asked, {method: 'POST', mode: 'no-cors'}),
    no_cors_text: send(target + '/graphql', {method: 'POST', mode: 'no-cors', headers: text, body}),
    json: send(target + '/graphql', {method: 'POST', headers: json, body}),
    materialization: send(report('materialization'), {method: 'POST', mode: 'no-cors'}),
    check: send(report('check'), {method: 'POST', mode: 'no-cors'}),
    observation: send(report('observation'), {method: 'POST', mode: 'no-cors'}),
    beacon: Promise.resolve(navigator.sendBeacon(asked) ? 'sent' : 'error'),
    websocket,
  };
  const found = {};
  for (const [name, outcome] of Object.entries(tries)) found[name] = await outcome;
  return found;
}"""
"""Gives what became of each try; `opaque`: sent, and the answer is hidden from the page."""
SUBMIT = """([target, mutation]) => {
  const form = document.createElement('form');
  Object.assign(form, {
    action: target + '/graphql?query=' + encodeURIComponent(mutation), method: 'post',
  });
  document.body.append(form);
  form.submit();
}"""
"""A form that is sent as the page opens, in place of the page."""


class Elsewhere(QuietHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE)


@contextlib.contextmanager
def elsewhere() -> Iterator[int]:
    """The port of another site's server."""
    with http_server(Elsewhere) as server:
        yield server.server_port
