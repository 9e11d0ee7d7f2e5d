import { detailsOf, show } from './show'
import type { FastifyBaseLogger } from 'fastify'

/*
 * What the user's code throws can be anything: also what throws in its turn when it is looked at, as a revoked proxy does,
 * or when it is logged, as a frozen error does with pino.
 */

/** Who has a logger; to get it may throw. */
export interface Logging {
  readonly log: FastifyBaseLogger
}

/** What is read of a thrown thing to tell what becomes of the connection. */
const PROPERTIES = ['name', 'message', 'cause', 'closeCode']

/** Calls `run`. What it throws, or what a promise that it returns rejects with, goes to `report`, which must not throw. */
export function guard (run: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = run()
    if (result instanceof Promise) result.catch(report)
  } catch (error) {
    report(error)
  }
}

/** Logs one line, with `thrown` as its `err`. Never throws: of a logger that fails there is nobody to tell. */
export function logSafely (logging: Logging, level: 'debug' | 'info' | 'warn' | 'error', message: string, thrown?: unknown): void {
  try {
    logging.log[level]({ err: thrown }, message)
  } catch {
    try {
      logging.log[level]({ err: detailsOf(thrown) }, message)
    } catch {}
  }
}

/** `thrown`, or an Error in its place where it cannot be looked at. */
export function readable (thrown: any): any {
  try {
    PROPERTIES.forEach((name) => thrown?.[name])
    return thrown
  } catch {
    return new Error(`what was thrown cannot be read: ${show(thrown)}`)
  }
}
