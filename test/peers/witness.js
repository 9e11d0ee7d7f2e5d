'use strict'

/* What a program sees with the WebSocket of the WHATWG. Runs in a browser, and in runtimes with a built-in WebSocket. */

/** In ms: how long to wait for a `close` after an `error`. */
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

/** Opens a connection. Resolves with its events in order, and the code and the reason of its end. */
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
    process.exit() // a connection may still be open
  })
}

module.exports = witness
