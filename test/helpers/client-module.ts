import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Connect } from '../../types/browser'

/** The module of the client for browsers, as far as the tests use it. */
export interface ClientModule {
  connect: Connect
  WebSocketDisconnect: Function
  WebSocketError: Function
  WebSocketOptionError: Function
  WebSocketTimeoutError: Function
  WebSocketUpgradeError: Function
}

/** The URL of the client for browsers, as `npm run build` has made it. */
export const CLIENT_MODULE = pathToFileURL(join(__dirname, '..', '..', 'dist', 'lib', 'client.mjs'))

/** Loads the built client for browsers, without its source map: coverage would count the sources as run. */
export async function loadClient (): Promise<ClientModule> {
  const source = readFileSync(CLIENT_MODULE, 'utf8').replace(/^\/\/# sourceMappingURL=.*/m, '')
  return await import(`data:text/javascript,${encodeURIComponent(source)}`)
}
