import WebSocket from 'ws'

/* Node 20 has no WebSocket of its own. The client for browsers gets that of `ws` there. */

globalThis.WebSocket ??= WebSocket as any
