import { STATUS_CODES, type IncomingHttpHeaders } from 'node:http'
import { WebSocketUpgradeError } from '../base/errors'

/** Bytes. The client reads at most so much of the body of a refusal, and the rest of the chunk that reaches this limit. */
const MAX_BODY_BYTES = 16 * 1024 * 1024

/**
 * The error of a handshake that `error` has ended, with `error` as its cause. The message names no address, because Fastify may
 * send it to strangers in a response. The cause names the address.
 */
export function failure (error: NodeJS.ErrnoException | undefined): WebSocketUpgradeError {
  if (error instanceof WebSocketUpgradeError) return error // made by `injectWebSocket`
  const code = error?.code
  return new WebSocketUpgradeError(`the handshake failed${code === undefined ? '' : `: ${code}`}`, undefined, { cause: error })
}

/**
 * Reads the bytes of the body of a response that refuses, and resolves with the error that describes the refusal. If the
 * connection breaks within the body, or its stream is destroyed, the body of the error is the part that has come. Never rejects.
 */
export async function refusal (statusCode: number, headers: IncomingHttpHeaders, bytes: AsyncIterable<Buffer>): Promise<WebSocketUpgradeError> {
  const body = await textOf(bytes)
  const status = [statusCode, STATUS_CODES[statusCode] ?? []].flat().join(' ') // the status text of Node, since that of the server may say anything
  return new WebSocketUpgradeError(`the server refused the handshake: ${status}`, { statusCode, headers, body })
}

async function textOf (body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      if ((bytes += chunk.length) >= MAX_BODY_BYTES) break
    }
  } catch {
    // The connection has broken, or the time is up.
  }
  return Buffer.concat(chunks).toString()
}
