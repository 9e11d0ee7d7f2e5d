"""A conversation with the package websockets."""
import asyncio
import json
import sys

import websockets


async def converse(url, text, binary, repeated, count, close):
    large = repeated * count
    socket = await websockets.connect(f"{url}/echo", subprotocols=["other", "echo.v1"])
    echoes = {}
    await socket.send(text)
    echoes["text"] = await socket.recv()
    await socket.send(bytes(binary))
    echoes["binary"] = list(await socket.recv())
    await socket.send(large)
    echoes["large"] = await socket.recv() == large
    await (await socket.ping("are you there?"))
    await socket.close(*close)
    dismissed = await websockets.connect(f"{url}/bye")
    await dismissed.wait_closed()
    return {
        "protocol": socket.subprotocol,
        "echoes": echoes,
        "pong": True,
        "closed": [socket.close_code, socket.close_reason],
        "dismissed": [dismissed.close_code, dismissed.close_reason],
    }


print(json.dumps(asyncio.run(converse(sys.argv[1], **json.loads(sys.argv[2])))))
