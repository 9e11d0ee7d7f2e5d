'use strict'

// The accounts: what the counters of the server say, beside what the clients have seen, by the form of a connection.
//
// A connection that is killed loses messages on their way, and a client that closes first may not wait for messages. Such
// connections have no part in the columns of messages. Both processes know them from the plan.

const { subscribe } = require('node:diagnostics_channel')
const { planOf } = require('./plan')

/** In these forms, the client leaves before the response. What the server says to it is not seen. */
const UNSEEN = ['leaves', 'half-request']

/** In these forms, both sides send all their messages only where the side that closes waits for the other one. */
const CONVERSATIONS = ['iterate', 'receive', 'handlers']

/** Whether the client has received all that the server has sent. */
function seesAll ({ form, isKilled, closer, isPatient }) {
  return !isKilled && (!CONVERSATIONS.includes(form) || closer === 'server' || isPatient)
}

/** Whether the server has received all that the client has sent. */
function isHeard ({ isKilled, throws }) {
  return !isKilled && !throws
}

/** The sums of one side, by form and column. */
class Accounts {
  rows = {}

  add (form, column, count = 1) {
    if (UNSEEN.includes(form)) return
    this.rows[form] ??= {}
    this.rows[form][column] = (this.rows[form][column] ?? 0) + count
  }

  /** A connection has ended with `code`; `sent` and `received` are messages from the view of the server. */
  end (plan, code, sent, received) {
    if (!plan.isKilled) this.add(plan.form, `closed ${code}`)
    if (seesAll(plan)) this.add(plan.form, 'down', sent)
    if (isHeard(plan)) this.add(plan.form, 'up', received)
  }
}

/**
 * The accounts of the server. The rows come from `app.websockets.stats()` and, where connections with different plans have to be told
 * apart, from the channel `closed`.
 */
class ServerAccounts {
  #app
  #byPlan = new Accounts()
  #sums = { sent: 0, received: 0, closes: 0 }

  constructor (app, seed) {
    this.#app = app
    subscribe('fastify-async-websocket:closed', ({ request, code, sent, received }) => {
      this.#byPlan.end(planOf(seed, Number(request.params.id)), code, sent.messages, received.messages)
      this.#sums.sent += sent.messages
      this.#sums.received += received.messages
      this.#sums.closes++
    })
  }

  get rows () {
    const { routes } = this.#app.websockets.stats()
    const accounts = new Accounts()
    for (const [url, { connections, refusals }] of Object.entries(routes)) {
      const form = url.split('/')[1]
      if (connections.accepted > 0) accounts.add(form, 'accepted', connections.accepted)
      for (const [status, count] of Object.entries(refusals)) accounts.add(form, `refused ${status}`, count)
    }
    for (const [form, row] of Object.entries(this.#byPlan.rows)) {
      for (const [column, count] of Object.entries(row)) accounts.add(form, column, count)
    }
    return accounts.rows
  }

  /** What does not add up within the server, when no connection is open. */
  get problems () {
    const { connections: { open, accepted }, closes, messages, slowCloses, heartbeatLosses } = this.#app.websockets.stats()
    const closed = Object.values(closes).reduce((sum, count) => sum + count, 0)
    const { sent, received, closes: told } = this.#sums
    return [
      ...open !== 0 ? [`${open} connections are open`] : [],
      ...accepted !== closed || told !== closed ? [`${accepted} connections accepted, ${closed} counted as closed, ${told} told as closed`] : [],
      ...messages.sent !== sent || messages.received !== received ? [`${messages.sent} and ${messages.received} messages counted, ${sent} and ${received} told`] : [],
      ...slowCloses !== (closes[1013] ?? 0) ? [`${slowCloses} closes of slow subscribers, ${closes[1013]} closes with 1013`] : [],
      ...heartbeatLosses !== 0 ? [`${heartbeatLosses} connections were dropped by the heartbeat`] : []
    ].map((text) => `accounts of the server: ${text}`)
  }
}

/** Compares the rows of both sides. Returns the differences, as text. */
function differences (server, clients) {
  return cells(server, clients).filter(({ counted, seen }) => counted !== seen)
    .map(({ form, column, counted, seen }) => `accounts: ${form}, ${column}: the server counts ${counted}, the clients have seen ${seen}`)
}

function cells (server, clients) {
  const forms = [...new Set([...Object.keys(server), ...Object.keys(clients)])].sort()
  return forms.flatMap((form) => {
    const columns = [...new Set([...Object.keys(server[form] ?? {}), ...Object.keys(clients[form] ?? {})])].sort()
    return columns.map((column) => ({ form, column, counted: server[form]?.[column] ?? 0, seen: clients[form]?.[column] ?? 0 }))
  })
}

/** How many rows of close codes that handlers make up are shown. */
const MOST_CODES = 3

/** The table, as lines: what the server counts, and what the clients have seen. */
function table (server, clients) {
  const all = cells(server, clients)
  const own = (column) => /^closed 4/.test(column)
  const shown = all.filter(({ form, column }, i) => !own(column) || all.filter((cell, j) => j < i && cell.form === form && own(cell.column)).length < MOST_CODES)
  const line = (form, column, counted, seen) => `  ${form.padEnd(14)} ${column.padEnd(14)} ${String(counted).padStart(12)} ${String(seen).padStart(12)}`
  return [
    'accounts:',
    line('form', '', 'counted', 'seen'),
    ...shown.map(({ form, column, counted, seen }) => line(form, column, counted.toLocaleString('en'), seen.toLocaleString('en'))),
    `  and ${all.length - shown.length} more close codes; ${all.filter(({ counted, seen }) => counted !== seen).length} of ${all.length} differ`
  ]
}

module.exports = { Accounts, ServerAccounts, differences, table }
