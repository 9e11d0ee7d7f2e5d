#!/usr/bin/env bash
# Servers of websockets 10.4 and Tornado 6.2 (Debian 12) answer a handshake with 500 if it offers `permessage-deflate;
# server_max_window_bits=8`. RFC 7692, section 7.1.2.1, allows 8 to 15 bits, and has a server decline what it does not
# support. Both servers take the 8 and pass it to `zlib.compressobj`, which raises a ValueError: raw deflate takes 9 to 15.
# A server of aiohttp 3.8.4 declines the extension and opens. So a client with little memory, such as the client of
# websockets with the parameter set to 8, gets no connection at all, where it could have one without compression.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status python3-aiohttp python3-tornado python3-websockets > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq python3-aiohttp python3-tornado python3-websockets > /dev/null
fi

cat > windows.py <<'PY'
import asyncio, logging
import websockets
from aiohttp import web
from tornado.netutil import bind_sockets
from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketHandler
from websockets.exceptions import InvalidStatusCode
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

class FirstErrors(logging.Handler):
    """Keeps the first exception of each chain that a server logs."""
    def __init__(self):
        super().__init__(logging.ERROR)
        self.errors = []
    def emit(self, record):
        if record.exc_info:
            error = record.exc_info[1]
            while error.__context__:
                error = error.__context__
            self.errors.append(f'{type(error).__name__}: {error}')

async def websockets_server():
    server = await websockets.serve(lambda ws, path: ws.wait_closed(), '127.0.0.1', 0)
    return server.sockets[0].getsockname()[1]

async def tornado_server():
    class Handler(WebSocketHandler):
        def get_compression_options(self):
            return {}
    sockets = bind_sockets(0, '127.0.0.1')
    HTTPServer(Application([('/', Handler)])).add_sockets(sockets)
    return sockets[0].getsockname()[1]

async def aiohttp_server():
    async def handle(request):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive()
        return ws
    app = web.Application()
    app.router.add_get('/', handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, '127.0.0.1', 0).start()
    return runner.addresses[0][1]

async def open_with(bits, port):
    offer = ClientPerMessageDeflateFactory(server_max_window_bits=bits)
    try:
        async with websockets.connect(f'ws://127.0.0.1:{port}/', compression=None, extensions=[offer]) as ws:
            return 'open, compressed' if ws.extensions else 'open, not compressed'
    except InvalidStatusCode as error:
        return error.status_code

async def main():
    log = FirstErrors()
    logging.getLogger().addHandler(log)
    for name, start in {'websockets': websockets_server, 'tornado': tornado_server, 'aiohttp': aiohttp_server}.items():
        port = await start()
        for bits in [9, 8]:
            log.errors.clear()
            print(f'{name}, {bits} bits:', await open_with(bits, port), *log.errors)

asyncio.run(asyncio.wait_for(main(), 20))
PY

dpkg-query --show python3-aiohttp python3-tornado python3-websockets
/usr/bin/python3 --version
seen=$(timeout 30 /usr/bin/python3 windows.py)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
websockets, 9 bits: open, compressed
websockets, 8 bits: 500 ValueError: Invalid initialization option
tornado, 9 bits: open, compressed
tornado, 8 bits: 500 ValueError: Invalid initialization option
aiohttp, 9 bits: open, compressed
aiohttp, 8 bits: open, not compressed
SEEN
