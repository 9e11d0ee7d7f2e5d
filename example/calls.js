'use strict'

// Calls in both directions over one connection. docs/protocols.md shows them with JSON-RPC, OCPP and MCP.

/** At most so many calls of the other side are at work at once. */
const LIMIT = 100

/** The error that the other side gets for its call. For any other error, the other side learns only that the call failed. */
class CallError extends Error {
  constructor (code, message) {
    super(message)
    this.code = code
  }
}

/** The calls of a session, or of a client, whose `valueType` is `'json'`. The other side may call the `methods`. */
class Calls {
  #pending = new Map()
  #count = 0
  #running = 0

  constructor (ws, protocol, methods = {}) {
    Object.assign(this, { ws, protocol, methods })
  }

  /**
   * Calls a method of the other side. Resolves with its result. Rejects with the error of the other side, after
   * `timeout` ms, or at the end of the connection.
   */
  async call (method, params, timeout = 10_000) {
    const id = String(++this.#count)
    let timer
    const answer = new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      timer = setTimeout(reject, timeout, new Error(`${method}: no answer within ${timeout} ms`))
    })
    try {
      const [result] = await Promise.all([answer, this.ws.send(this.protocol.call(id, method, params))])
      return result
    } finally {
      clearTimeout(timer)
      this.#pending.delete(id)
    }
  }

  /** Reads until the connection has ended. The loop awaits no method: a method may itself await a call. */
  async serve () {
    try {
      for await (const message of this.ws) {
        const { id, method, params, result, error } = this.protocol.parse(message)
        if (method !== undefined && this.#running === LIMIT) return await this.ws.close(1008, 'too many calls at once')
        if (method !== undefined) this.#answer(id, method, params)
        else if (error !== undefined) this.#pending.get(id)?.reject(new CallError(error.code, error.message))
        else this.#pending.get(id)?.resolve(result)
      }
    } finally {
      for (const { reject } of this.#pending.values()) reject(new Error('the connection has ended'))
    }
  }

  async #answer (id, method, params) {
    const { ws, protocol, methods } = this
    this.#running++
    let answer
    try {
      if (!Object.hasOwn(methods, method)) throw new CallError(protocol.unknown, `there is no ${method}`)
      answer = protocol.result(id, await methods[method](params))
    } catch (error) {
      if (!(error instanceof CallError)) ws.log?.error(error) // a session has a log, a client has none
      answer = protocol.error(id, error instanceof CallError ? error : { code: protocol.failed, message: 'failed' })
    }
    if (id !== undefined) await ws.send(answer).catch(() => {}) // a peer that is gone needs no answer
    this.#running--
  }
}

/** JSON-RPC 2.0, which MCP uses, too. A call without an id is a notification. */
const jsonRpc = {
  schema: {
    type: 'object',
    required: ['jsonrpc'],
    properties: { jsonrpc: { const: '2.0' }, method: { type: 'string' }, error: { type: 'object', required: ['code'] } }
  },
  unknown: -32601,
  failed: -32603,
  call: (id, method, params) => ({ jsonrpc: '2.0', id, method, params }),
  result: (id, result = null) => ({ jsonrpc: '2.0', id, result }),
  error: (id, { code, message }) => ({ jsonrpc: '2.0', id, error: { code, message } }),
  parse: (message) => message
}

/** OCPP 1.6-J and 2.0.1: each message is an array that begins with the kind of message. */
const ocpp = {
  schema: { type: 'array', minItems: 3, maxItems: 5 },
  unknown: 'NotImplemented',
  failed: 'InternalError',
  call: (id, action, payload = {}) => [2, id, action, payload],
  result: (id, payload = {}) => [3, id, payload],
  error: (id, { code, message }) => [4, id, code, message, {}],
  parse ([kind, id, ...rest]) {
    if (kind === 2) return { id, method: rest[0], params: rest[1] }
    return kind === 3 ? { id, result: rest[0] } : { id, error: { code: rest[0], message: rest[1] } }
  }
}

module.exports = { CallError, Calls, jsonRpc, ocpp }
