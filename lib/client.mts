import { closeCodes } from './base/close-codes.js'
import { connect as open } from './browser/connect.js'
import { reconnect as openAgain } from './browser/reconnect.js'
import type { Connect, Reconnect } from '../types/browser.js'

// The client for browsers, bundled by itself: `npm run build` writes the bundle in place of this module.

export { closeCodes }
export {
  WebSocketDecodeError, WebSocketDisconnect, WebSocketEncodeError, WebSocketError, WebSocketExpectError, WebSocketOptionError, WebSocketTimeoutError,
  WebSocketUpgradeError
} from './base/errors.browser.js'

export const connect = open as unknown as Connect
export const reconnect = openAgain as unknown as Reconnect

export type { ConnectOptions, Reconnect, ReconnectDetails, ReconnectOptions, ReconnectStatus, ReconnectUrl, Resumption, WebSocketClient } from '../types/browser.js'
export type { TypedRoute } from '../types/typed-route.js'
export type { Bytes, CloseInfo, JsonMode, ValueType } from '../types/value.js'
