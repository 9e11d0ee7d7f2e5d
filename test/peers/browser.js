'use strict'

/* A conversation with the WebSocket of the WHATWG. Runs in a browser, and in Node with its built-in WebSocket. */

async function converse (url, { text, binary, repeated, count, close }) {
  const [code, reason] = close
  const large = repeated.repeat(count)
  const socket = new globalThis.WebSocket(`${url}/echo`, ['other', 'echo.v1'])
  socket.binaryType = 'arraybuffer'
  await event(socket, 'open')
  const { protocol } = socket
  const echoes = []
  for (const message of [text, new Uint8Array(binary), large]) {
    socket.send(message)
    const { data } = await event(socket, 'message')
    echoes.push(typeof data === 'string' ? data : [...new Uint8Array(data)])
  }
  socket.close(code, reason)
  const closed = await event(socket, 'close')
  const dismissed = await event(new globalThis.WebSocket(`${url}/bye`), 'close')
  return {
    protocol,
    echoes: { text: echoes[0], binary: echoes[1], large: echoes[2] === large },
    closed: [closed.code, closed.reason],
    dismissed: [dismissed.code, dismissed.reason]
  }

  function event (target, name) {
    return new Promise((resolve, reject) => {
      target.addEventListener(name, resolve, { once: true })
      target.addEventListener('error', () => reject(new Error(`an error instead of ${name}`)), { once: true })
    })
  }
}

if (require.main === module) {
  const [url, message] = process.argv.slice(2)
  converse(url, JSON.parse(message)).then((result) => console.log(JSON.stringify(result)))
}

module.exports = converse
