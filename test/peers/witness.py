"""What a program sees with a library of Python. Arguments: the name of the library, and the URL."""
import asyncio
import json
import sys

LIBRARY, URL = sys.argv[1:3]
seen = {}


async def with_websockets():
    import websockets

    seen["version"] = websockets.__version__

    async def attempt(path, **options):
        connection = await websockets.connect(URL + path, **options)
        await connection.wait_closed()
        return [connection.close_code, connection.close_reason]

    def refusal(error):
        response = getattr(error, "response", None)
        status = error.status_code if response is None else response.status_code
        return status, getattr(response, "body", b"") or b""

    await tell(attempt, {"subprotocols": ["a", "b"]}, refusal)


async def with_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def attempt(path, **options):
            connection = await session.ws_connect(URL + path, **options)
            message = await connection.receive()
            return [message.data, message.extra]

        await tell(attempt, {"protocols": ["a", "b"]}, lambda error: (error.status, b""))


async def with_tornado():
    from tornado.websocket import websocket_connect

    async def attempt(path, **options):
        connection = await websocket_connect(URL + path, **options)
        await connection.read_message()
        return [connection.close_code, connection.close_reason]

    await tell(attempt, {"subprotocols": ["a", "b"]}, lambda error: (error.code, error.response.body or b""))


async def with_websocket_client():
    import websocket

    seen["version"] = websocket.__version__

    async def attempt(path, **options):
        connection = websocket.create_connection(URL + path, **options)
        _, frame = connection.recv_data_frame()
        connection.close()
        return [int.from_bytes(frame.data[:2], "big"), frame.data[2:].decode()]

    await tell(attempt, {"subprotocols": ["a", "b"]}, lambda error: (error.status_code, getattr(error, "resp_body", b"") or b""))


async def tell(attempt, offering, refusal):
    try:
        await attempt("/refused")
    except Exception as error:
        status, body = refusal(error)
        seen["refused"] = type(error).__name__
        seen["status"] = "yes" if status == 403 else "no"
        seen["body"] = "yes" if b"no entry" in body else "no"
    seen["readable"] = await attempt("/readable")
    seen["closed"] = await attempt("/closed")
    seen["unanswered"] = await outcome(attempt("/unanswered", **offering), "opens", "fails")
    seen["redirected"] = await outcome(attempt("/redirect"), "yes", "no")
    print(json.dumps(seen))


async def outcome(attempt, success, failure):
    try:
        await attempt
        return success
    except Exception:
        return failure


asyncio.run(globals()["with_" + LIBRARY.replace("-", "_")]())
