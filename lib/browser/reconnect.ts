import { ABNORMAL_CLOSURE, NORMAL_CLOSURE } from '../base/close-codes'
import { afterTurn, now } from '../base/clock'
import { quiet } from '../base/deferred'
import { WebSocketDisconnect, WebSocketOptionError, WebSocketTimeoutError } from '../base/errors'
import { forgetSignal, listenTo, reasonOf } from '../base/signal'
import { delayAfter, isBusy, mayPass } from './backoff'
import { PlatformClient } from './client'
import { absolute, checkOption, CLIENT_CHECKS, CLIENT_DEFAULTS, milliseconds, settingsOf, type Check, type Checks, type ClientSettings } from './client-options'
import { open } from './connect'
import { Positions } from './positions'
import { wait } from './wake'
import type { ConnectionEnd } from '../base/connection-end'
import type { ReceiveOptions } from '../base/verb-options'
import type { Iteration } from '../connection/iteration'
import type { CloseInfo, ValueType } from '../../types/message'
import type { ReconnectDetails, ReconnectStatus, ReconnectUrl } from '../../types/browser'

/** The options of `reconnect`, with the defaults. Times are in milliseconds. */
interface ReconnectSettings extends Omit<ClientSettings, 'subprotocols'> {
  subprotocols: ClientSettings['subprotocols'] | (() => ClientSettings['subprotocols'] | Promise<ClientSettings['subprotocols']>)
  baseDelay: number
  maxDelay: number
  stableAfter: number
  attempts: number
  retry (info: CloseInfo): boolean
  onStatus (status: ReconnectStatus, details?: ReconnectDetails): void
  resume: boolean
  /** Where the page stands, over all connections. No option of users. */
  positions: Positions
}

const func: Check = [(value) => typeof value === 'function', 'a function']

/** The options of `reconnect` with the defaults. Throws `WebSocketOptionError` for an unknown option and for an invalid value. */
function reconnectSettings (url: ReconnectUrl, options: object | undefined): ReconnectSettings {
  const checks: Checks = {
    ...CLIENT_CHECKS,
    subprotocols: [(value) => typeof value === 'function' || Array.isArray(value), 'a list of subprotocols, or a function that returns one'],
    baseDelay: milliseconds,
    maxDelay: milliseconds,
    stableAfter: milliseconds,
    attempts: [(value) => value >= 1, 'a number from 1 up'],
    retry: func,
    onStatus: func,
    resume: [
      (value) => value === false || (value === true && typeof url === 'function'),
      'false, or true with a URL that is a function: ({ positions }) => …'
    ]
  }
  return settingsOf('reconnect', options, checks, {
    ...CLIENT_DEFAULTS,
    baseDelay: 500,
    maxDelay: 30_000,
    stableAfter: 5_000,
    attempts: Infinity,
    retry: ({ code }: CloseInfo) => mayPass(code),
    onStatus: () => {},
    resume: false,
    positions: new Positions()
  })
}

/** A handshake that fails looks like a connection without a close frame (WebSockets Standard). */
const NOT_OPENED: CloseInfo = { code: ABNORMAL_CLOSURE, reason: '', wasClean: false }

const DONE: IteratorResult<any> = { done: true, value: undefined }

/** An iteration, and whether its caller has given it a timeout of its own. */
interface ReconnectingIteration extends Iteration {
  hasTimeout: boolean
}

/** A client of `reconnect`: its iteration ends without an error at every end, since the next client follows. */
class ReconnectingClient extends PlatformClient {
  override iteration (options: ValueType | ReceiveOptions | undefined): ReconnectingIteration {
    return { ...super.iteration(options), hasTimeout: (options as ReceiveOptions | undefined)?.timeout !== undefined }
  }

  override atEnd (_end: ConnectionEnd): IteratorResult<any> {
    return DONE
  }

  /** `receiveTimeout` without a message means that the server is gone. */
  override async receiveResult (iteration: ReconnectingIteration): Promise<IteratorResult<any>> {
    try {
      return await super.receiveResult(iteration)
    } catch (error) {
      if (!(error instanceof WebSocketTimeoutError) || iteration.hasTimeout) throw error
      this.connection.abandon(4408, error.message)
      return DONE
    }
  }
}

/** `Reconnect` of types/browser.ts. */
export function reconnect (url: ReconnectUrl, options?: object): AsyncGenerator<PlatformClient, void, undefined> {
  if (typeof url !== 'function') absolute(url)
  return connections(url, reconnectSettings(url, options))
}

async function * connections (url: ReconnectUrl, settings: ReconnectSettings): AsyncGenerator<PlatformClient, void, undefined> {
  const { signal, attempts, onStatus } = settings
  const leaving = new AbortController()
  const leave = (): void => leaving.abort()
  if (signal !== undefined) listenTo(signal, leave)
  try {
    for (let failures = 0, waits = 0; ; waits++) {
      throwIfAborted(signal)
      onStatus('connecting')
      const { why, isStable, isRetried } = yield * connection(url, settings, leaving.signal)
      throwIfAborted(signal)
      if (isDone(why)) break
      if (isStable) failures = waits = 0
      else failures++
      if (!(isRetried ?? shouldRetry(why, settings)) || failures >= attempts) throw why
      await pause(why, waits, settings)
    }
  } finally {
    if (signal !== undefined) forgetSignal(signal, leave)
    leave()
    onStatus('ended')
  }
}

/** How a connection ended. */
interface Outcome {
  why: unknown
  /** Whether the connection lasted for `stableAfter`. */
  isStable: boolean
  /** The answer of `retry`, if `retry` has been asked. */
  isRetried?: boolean
}

/** Yields one client, unless its connection does not open or has been closed for good. Returns when the connection has ended. */
async function * connection (url: ReconnectUrl, settings: ReconnectSettings, leaving: AbortSignal): AsyncGenerator<PlatformClient, Outcome, undefined> {
  let client
  try {
    client = await next(url, settings)
  } catch (why) {
    return { why, isStable: false }
  }
  const { connection } = client
  const close = (): void => { client.close() }
  if (leaving.aborted) close()
  else listenTo(leaving, close)
  const opened = now()
  const ended = client.closed.then(now)
  await afterTurn() // a server that refuses by a close frame has sent it together with the handshake
  if (client.state !== 'open') await ended
  throwIfAborted(settings.signal)
  const isRetried = connection.end === null || isDone(connection.end.error) ? undefined : shouldRetry(connection.end.error, settings)
  if (isRetried !== false) {
    settings.onStatus('open')
    yield client
  }
  const isStable = await ended - opened >= settings.stableAfter
  forgetSignal(leaving, close)
  return { why: connection.end!.error, isStable, isRetried }
}

/** Waits before the next attempt, or until the signal aborts. `waits` is how often `reconnect` has waited since a stable connection. */
async function pause (why: unknown, waits: number, settings: ReconnectSettings): Promise<void> {
  const delay = delayAfter(waits, settings)
  settings.onStatus('waiting', { delay, why })
  await wait(delay, isBusy(why) ? undefined : Math.random() * settings.baseDelay, settings.signal)
}

/** Opens the next connection. */
async function next (url: ReconnectUrl, settings: ReconnectSettings): Promise<PlatformClient> {
  const { subprotocols, signal, resume, positions } = settings
  const validate = resume ? positions.watch() : undefined
  const [address, offered] = await unlessAborted(Promise.all([read(url, { positions: positions.all }), read(subprotocols)]), signal)
  checkOption('subprotocols', offered, CLIENT_CHECKS)
  return await open(absolute(address), { ...settings, subprotocols: offered, validate }, ReconnectingClient)
}

async function read<T> (value: T | ((...args: any[]) => T | Promise<T>), ...args: unknown[]): Promise<T> {
  return typeof value === 'function' ? await (value as (...args: unknown[]) => T | Promise<T>)(...args) : value
}

function unlessAborted<T> (promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(reasonOf(signal))
    listenTo(signal, onAbort)
    if (signal.aborted) onAbort()
    quiet(promise.then(resolve, reject).finally(() => forgetSignal(signal, onAbort)))
  })
}

function throwIfAborted (signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw reasonOf(signal)
}

function isDone (why: unknown): boolean {
  return why instanceof WebSocketDisconnect && why.closeCode === NORMAL_CLOSURE
}

function shouldRetry (why: unknown, { retry }: ReconnectSettings): boolean {
  if (why instanceof WebSocketOptionError) return false
  return retry(why instanceof WebSocketDisconnect ? { code: why.closeCode, reason: why.reason, wasClean: why.wasClean } : NOT_OPENED)
}
