import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/*
 * A request that offers another protocol, for example `Upgrade: h2c`, is a plain request for a server that does not accept the
 * offer (RFC 9110, section 7.8). The request may have a body. If there is a listener for upgrades, Node treats each such request
 * as an upgrade.
 */

type UpgradeFilter = (this: Server, request: IncomingMessage) => boolean

interface Server {
  /** In Node 22.21, 24.9 and later, on servers that take HTTP/1.1. */
  shouldUpgradeCallback?: UpgradeFilter
  emit (event: string, ...args: unknown[]): boolean
}

/** Whether `request` asks for a WebSocket connection, with a valid handshake or not. */
export function asksForWebSocket ({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.trim().toLowerCase() === 'websocket'
}

/**
 * Makes `server` upgrade only the requests for which `isUpgrade` holds. Without `shouldUpgradeCallback` this has no effect, and the
 * other requests come as upgrades, too. Returns a function that undoes this.
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

/** Gives the connection of `request` back to `server`, which reads the request again, as a plain request. */
export function handBack (server: Server, request: IncomingMessage, stream: Duplex, head: Buffer): void {
  stream.unshift(Buffer.concat([Buffer.from(plainHead(request), 'latin1'), head]))
  server.emit('setSecureContext' in server ? 'secureConnection' : 'connection', stream)
}

/** Returns the head of `request` as it arrived, without the connection option that makes the request an upgrade. */
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
