import { ABNORMAL_CLOSURE, NORMAL_CLOSURE } from '../base/close-codes'
import { afterTurn, now } from '../base/clock'
import { WebSocketOptionError, WebSocketTimeoutError } from '../base/errors'
import { forgetSignal, listenTo } from '../base/signal'
import { abortable } from './abortable'
import { delayAfter, isBusy, mayPass } from './backoff'
import { PlatformClient } from './client'
import { absolute, callable, checked, CLIENT_CHECKS, positive } from './client-options'
import { open } from './connect'
import { copyOf, keeper, type Positions } from './positions'
import { wait } from './wake'
import type { ReceiveOptions } from '../base/verb-options'
import type { Iteration } from '../connection/iteration'
import type { CloseInfo, ValueType } from '../../types/message'
import type { ReconnectOptions, ReconnectUrl } from '../../types/browser'

/** Throws `WebSocketOptionError` for an unknown option and for an invalid value. */
function checkedOptions (url: ReconnectUrl, options: object | undefined): ReconnectOptions {
  return checked(options, {
    ...CLIENT_CHECKS,
    baseDelay: positive,
    maxDelay: positive,
    stableAfter: positive,
    attempts: positive,
    retry: callable,
    onStatus: callable,
    resume: [(value) => value === false || typeof url === 'function', 'a function as the URL: ({ positions }) => …']
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

  override async atEnd (): Promise<IteratorResult<any>> {
    return DONE
  }

  /** `receiveTimeout` without a message means that the server is gone. */
  override async receiveResult (iteration: ReconnectingIteration): Promise<IteratorResult<any>> {
    try {
      return await super.receiveResult(iteration)
    } catch (error) {
      if (!(error instanceof WebSocketTimeoutError) || iteration.hasTimeout) throw error
      this.connection.close(4408, error.message)
      this.connection.finish()
      return DONE
    }
  }
}

/** `Reconnect` of types/browser.ts. */
export function reconnect (url: ReconnectUrl, options?: object): AsyncGenerator<PlatformClient, void, undefined> {
  if (typeof url !== 'function') absolute(url)
  return connections(url, checkedOptions(url, options))
}

/** How a connection ended, or why it did not open. */
interface End {
  error: unknown
  info: CloseInfo
}

async function * connections (url: ReconnectUrl, options: ReconnectOptions): AsyncGenerator<PlatformClient, void, undefined> {
  const { signal, attempts = Infinity, stableAfter = 5_000, onStatus = () => {} } = options
  let positions = copyOf({})
  let client: PlatformClient | undefined
  const leave = (): void => { client?.close() }
  listenTo(signal, leave)
  try {
    for (let failures = 1, waits = 0; ; failures++, waits++) {
      signal?.throwIfAborted()
      onStatus('connecting')
      positions = copyOf(positions) // messages that are still taken from the client before come again, and do not count
      let end!: End
      let isRetried: boolean | undefined
      client = await next(url, options, positions).catch((error) => { end = { error, info: NOT_OPENED } }) as PlatformClient | undefined
      if (client !== undefined) {
        const opened = now()
        const closed = client.closed.then(now)
        await afterTurn() // a server that refuses by a close frame has sent it together with the handshake
        if (client.state !== 'open') await closed
        signal?.throwIfAborted()
        if (client.connection.end !== null) isRetried = mayRetry(client.connection.end, options)
        if (isRetried !== false) {
          onStatus('open')
          yield client
        }
        if (await closed - opened >= stableAfter) failures = waits = 0
        end = client.connection.end!
      }
      signal?.throwIfAborted()
      if (end.info.code === NORMAL_CLOSURE) return
      if (!(isRetried ?? mayRetry(end, options)) || failures >= attempts) throw end.error
      await pause(end, waits, options)
    }
  } finally {
    forgetSignal(signal, leave)
    leave()
    onStatus('ended')
  }
}

/** Whether another attempt follows `end`. After 1000, `retry` is not asked. */
function mayRetry ({ error, info }: End, { retry = mayPass }: ReconnectOptions): boolean {
  return !(error instanceof WebSocketOptionError) && (info.code === NORMAL_CLOSURE || retry(info))
}

/** Waits before the next attempt. `waits` is how often `reconnect` has waited since a stable connection. */
async function pause ({ error, info }: End, waits: number, { baseDelay = 500, maxDelay = 30_000, onStatus, signal }: ReconnectOptions): Promise<void> {
  const delay = delayAfter(waits, baseDelay, maxDelay)
  onStatus?.('waiting', { delay, why: error })
  await wait(delay, isBusy(info) ? undefined : Math.random() * baseDelay, signal)
}

/** Opens the next connection. */
async function next (url: ReconnectUrl, options: ReconnectOptions, positions: Positions): Promise<PlatformClient> {
  const { signal, resume } = options
  const [address, subprotocols] = await abortable<[string | URL, readonly string[] | undefined]>(signal, (resolve, reject) => {
    Promise.all([read(url, { positions: copyOf(positions) }), read(options.subprotocols)]).then(resolve, reject)
    return () => {}
  })
  return await open(absolute(address), { ...options, subprotocols, validate: resume === true ? keeper(positions) : undefined }, ReconnectingClient)
}

async function read<T> (value: T | ((argument: any) => T | Promise<T>), argument?: unknown): Promise<T> {
  return typeof value === 'function' ? await (value as (argument: unknown) => T | Promise<T>)(argument) : value
}
