/** The part of the platform's `WebSocket` that a client uses (WebSockets Standard). */
export interface PlatformSocket {
  readonly readyState: number
  readonly protocol: string
  readonly bufferedAmount: number
  binaryType: string
  onopen: (() => void) | null
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null
  onerror: ((event: FailureEvent) => void) | null
  onclose: ((event: FailureEvent & { code: number, reason: string, wasClean: boolean }) => void) | null
  send (data: string | Uint8Array): void
  close (code?: number, reason?: string): void
}

/** `readyState` of an open socket. */
export const OPEN = 1

/** Some platforms tell in the event `error` why a connection has not opened. */
export interface FailureEvent {
  error?: unknown
  message?: string
}

/** The globals of a page. Other platforms have some of them. */
export const platform = globalThis as unknown as {
  WebSocket: new (url: string, subprotocols?: readonly string[]) => PlatformSocket
  document?: { baseURI: string, visibilityState: string }
  location?: { href: string }
  addEventListener?: EventTarget['addEventListener']
  removeEventListener?: EventTarget['removeEventListener']
}
