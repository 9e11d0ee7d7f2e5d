'use strict'

/* What a program sees that has the WHATWG's WebSocket: run in a browser, and by runtimes with the one that they have. */

/** Milliseconds that an `error` is given to be followed by a `close`. */
const PATIENCE = 1_000

async function witness (url) {
  const refused = await watch(`${url}/refused`)
  const readable = await watch(`${url}/readable`)
  const closed = await watch(`${url}/closed`)
  const unanswered = await watch(`${url}/unanswered`, ['a', 'b'])
  const redirected = await watch(`${url}/redirect`)
  return {
    refused: refused.events.join(', '),
    status: 'no',
    body: 'no',
    readable: [readable.code, readable.reason],
    closed: [closed.code, closed.reason],
    unanswered: unanswered.events[0] === 'open' ? 'opens' : 'fails',
    redirected: redirected.events[0] === 'open' ? 'yes' : 'no'
  }
}

/** What happens on a connection, in order, and how it ends. */
function watch (url, subprotocols = []) {
  const socket = new globalThis.WebSocket(url, subprotocols)
  const events = []
  return new Promise((resolve) => {
    socket.onopen = () => { events.push('open') }
    socket.onerror = () => {
      events.push('error')
      setTimeout(() => resolve({ events: [...events, 'no close'] }), PATIENCE)
    }
    socket.onclose = ({ code, reason }) => resolve({ events: [...events, `close ${code}`], code, reason })
  })
}

if (require.main === module) {
  witness(process.argv[2]).then((seen) => {
    console.log(JSON.stringify(seen))
    process.exit() // where a connection has not ended
  })
}

module.exports = witness
