import type { FastifyServerOptions } from 'fastify'

/** One line of a log, as pino writes it. */
export interface LogLine {
  level: number
  msg?: string
  reqId?: string
  err?: any
  [name: string]: any
}

export const DEBUG = 20
export const INFO = 30
export const WARN = 40
export const ERROR = 50

/** Collects the log of an app. Pass `serverOptions` to Fastify; `lines` then has the lines. */
export function collectLogs (level = 'debug'): { lines: LogLine[], serverOptions: FastifyServerOptions } {
  const lines: LogLine[] = []
  const stream = { write (line: string) { lines.push(JSON.parse(line)) } }
  return { lines, serverOptions: { logger: { level, stream } } }
}
