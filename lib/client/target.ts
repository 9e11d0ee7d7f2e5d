import net from 'node:net'
import querystring from 'node:querystring'
import tls from 'node:tls'
import { WebSocketOptionError } from '../base/errors'
import { tlsOptions } from './client-options'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'

/** What a URL says, by the names that `http.request` has. */
export interface Target {
  isSecure: boolean
  host: string
  port: number | string
  defaultPort: number
  path: string
  socketPath: string | undefined
  auth: string | undefined
}

const SCHEMES = ['ws:', 'wss:', 'http:', 'https:', 'ws+unix:']
const SECURE_SCHEMES = ['wss:', 'https:']

/** Throws `WebSocketOptionError` unless `text` is the URL of a WebSocket (RFC 6455, section 3) or has one of the other `SCHEMES`. */
export function targetIn (text: string): Target {
  if (!URL.canParse(text)) throw new WebSocketOptionError(`connect: Invalid URL: ${text}`)
  const url = new URL(text)
  if (!SCHEMES.includes(url.protocol)) throw new WebSocketOptionError('connect: The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"')
  if (url.protocol === 'ws+unix:' && url.pathname === '') throw new WebSocketOptionError('connect: The URL\'s pathname is empty')
  if (url.hash !== '') throw new WebSocketOptionError('connect: The URL contains a fragment identifier')
  return targetOf(url)
}

/** The path of a `ws+unix:` URL is that of a socket, and behind a colon that of the request. */
function targetOf ({ protocol, hostname, port, pathname, search, username, password }: URL): Target {
  const whole = pathname + search
  const [, socketPath, path] = protocol === 'ws+unix:' ? /^([^:]*):?(.*)$/.exec(whole)! : [whole, undefined, whole]
  const hasCredentials = username !== '' || password !== ''
  const isSecure = SECURE_SCHEMES.includes(protocol)
  const defaultPort = isSecure ? 443 : 80
  return {
    isSecure,
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? defaultPort : port,
    defaultPort, // the header Host leaves this port out
    path,
    socketPath,
    auth: hasCredentials ? [username, password].map(querystring.unescape).join(':') : undefined // `unescape` leaves a wrong escape as it is
  }
}

/** Opens a network connection to `target`. `settings` has the TLS options; `protocols` are the protocols to offer within TLS (ALPN). */
export function connectTo ({ isSecure, host, port, socketPath }: Target, settings: object, protocols?: Pick<ConnectionOptions, 'ALPNProtocols'>): Duplex {
  if (isSecure) {
    const servername = net.isIP(host) === 0 ? host : '' // RFC 6066, section 3: an address is no server name
    return tls.connect({ servername, ...tlsOptions(settings), ...protocols, host, port: Number(port) })
  }
  return socketPath === undefined ? net.connect({ host, port: Number(port) }) : net.connect({ path: socketPath })
}
