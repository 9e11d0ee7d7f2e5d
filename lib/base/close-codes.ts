// The codes that a client in a browser uses have names of their own, so that a bundle without `closeCodes` leaves the table out.
export const NORMAL_CLOSURE = 1000
export const GOING_AWAY = 1001
export const PROTOCOL_ERROR = 1002
export const UNSUPPORTED_DATA = 1003
export const NO_STATUS_RECEIVED = 1005
export const ABNORMAL_CLOSURE = 1006
export const INVALID_FRAME_PAYLOAD_DATA = 1007
export const POLICY_VIOLATION = 1008
export const MESSAGE_TOO_BIG = 1009
export const MISSING_EXTENSION = 1010
export const TRY_AGAIN_LATER = 1013

/**
 * Close codes, by the names that the IANA registry and MDN give them.
 * Source: RFC 6455, section 7.4.1, and the IANA "WebSocket Close Code Number Registry".
 */
export const closeCodes = /* @__PURE__ */ Object.freeze({
  NORMAL_CLOSURE,
  GOING_AWAY,
  PROTOCOL_ERROR,
  UNSUPPORTED_DATA,
  NO_STATUS_RECEIVED,
  ABNORMAL_CLOSURE,
  INVALID_FRAME_PAYLOAD_DATA,
  POLICY_VIOLATION,
  MESSAGE_TOO_BIG,
  MISSING_EXTENSION,
  INTERNAL_ERROR: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER,
  BAD_GATEWAY: 1014,
  TLS_HANDSHAKE: 1015,
  UNAUTHORIZED: 3000,
  FORBIDDEN: 3003,
  TIMEOUT: 3008
} as const)

/** Whether iteration ends without an error after a close with `code`. */
export function isNormal (code: number): boolean {
  return [NORMAL_CLOSURE, GOING_AWAY, NO_STATUS_RECEIVED].includes(code)
}
