import { detailsOf, show } from './show'
import type { FastifyBaseLogger } from 'fastify'

/*
 * The user's code can throw any value. The value may throw itself: a revoked proxy throws when it is read, a frozen error
 * throws when pino logs it.
 */

/** An object with a logger. The getter of the logger may throw. */
export interface Logging {
  readonly log: FastifyBaseLogger
}

/** The properties of a thrown value that the plugin reads to decide how the connection ends. */
const PROPERTIES = ['name', 'message', 'cause', 'closeCode']

/** Calls `run`. An error of `run`, or of the promise that `run` returns, goes to `report`. `report` must not throw. */
export function guard (run: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = run()
    if (result instanceof Promise) result.catch(report)
  } catch (error) {
    report(error)
  }
}

/** Logs one line, with `thrown` as its `err`. Never throws, even if the logger does: there is nowhere to report that. */
export function logSafely (logging: Logging, level: 'debug' | 'info' | 'warn' | 'error', message: string, thrown?: unknown): void {
  try {
    logging.log[level]({ err: thrown }, message)
  } catch {
    try {
      logging.log[level]({ err: detailsOf(thrown) }, message)
    } catch {}
  }
}

/** Returns `thrown`, or an Error in its place if reading `thrown` throws. */
export function readable (thrown: any): any {
  try {
    PROPERTIES.forEach((name) => thrown?.[name])
    return thrown
  } catch {
    return new Error(`what was thrown cannot be read: ${show(thrown)}`)
  }
}
