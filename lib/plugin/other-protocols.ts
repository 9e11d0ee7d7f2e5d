import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/*
 * A request that offers another protocol, `Upgrade: h2c` for one, is a plain request to who does not take that up
 * (RFC 9110, section 7.8), and may have a body. Node takes each for an upgrade where there is a listener for upgrades.
 */

type UpgradeFilter = (this: Server, request: IncomingMessage) => boolean

interface Server {
  /** Of Node 22.21, 24.9 and later, where the server takes HTTP/1.1. */
  shouldUpgradeCallback?: UpgradeFilter
  emit (event: string, ...args: unknown[]): boolean
}

/** Whether `request` asks for a WebSocket connection, soundly or not. */
export function asksForWebSocket ({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.trim().toLowerCase() === 'websocket'
}

/**
 * Has `server` upgrade no requests but those for which `isUpgrade` holds, in so far as it can be told so; others come
 * with their upgrade event where it cannot. Returns a function that undoes it.
 */
export function upgradeOnly (server: Server, isUpgrade: (request: IncomingMessage) => boolean): () => void {
  const { shouldUpgradeCallback } = server
  if (shouldUpgradeCallback === undefined) return () => {}
  const filter: UpgradeFilter = function (request) {
    return shouldUpgradeCallback.call(this, request) && isUpgrade(request)
  }
  server.shouldUpgradeCallback = filter
  return () => { if (server.shouldUpgradeCallback === filter) server.shouldUpgradeCallback = shouldUpgradeCallback }
}

/** Hands the connection of `request`, which is not to be upgraded, back to `server`: it reads the request once more, as a plain one. */
export function handBack (server: Server, request: IncomingMessage, stream: Duplex, head: Buffer): void {
  stream.unshift(Buffer.concat([Buffer.from(plainHead(request), 'latin1'), head]))
  server.emit('setSecureContext' in server ? 'secureConnection' : 'connection', stream)
}

/** The head of `request` as it came, but for what makes it an upgrade. */
function plainHead ({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    const value = name.toLowerCase() === 'connection' ? withoutUpgrade(rawHeaders[i + 1]) : rawHeaders[i + 1]
    head += `${name}: ${value}\r\n`
  }
  return head + '\r\n'
}

function withoutUpgrade (connection: string): string {
  return connection.split(',').filter((option) => option.trim().toLowerCase() !== 'upgrade').join()
}
