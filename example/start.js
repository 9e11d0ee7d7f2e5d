'use strict'

const { readFileSync } = require('node:fs')

/**
 * Builds an app with `build`, and listens on PORT (default 3000) at HOST (default 127.0.0.1). Prints the `urls`, with the
 * address in place of HOST. On SIGINT and SIGTERM, the app closes: its connections end with a closing handshake, and the
 * process exits by itself.
 *
 * With `--http2` on the command line, the server speaks HTTP/2 and HTTP/1.1 over TLS, with the key and the certificate in the
 * files TLS_KEY and TLS_CERT. A browser then opens the WebSockets of a page on the connection of the page.
 */
module.exports = async function start (build, ...urls) {
  const { HOST = '127.0.0.1', PORT = '3000' } = process.env
  const app = await build({ logger: { level: 'warn' }, ...process.argv.includes('--http2') && http2Options() })
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
  const { host } = new URL(await app.listen({ host: HOST, port: Number(PORT) }))
  console.log(`Ready: ${urls.map((url) => url.replace('HOST', host).replace('http:', app.initialConfig.http2 ? 'https:' : 'http:')).join(' ')}`)
}

function http2Options () {
  const { TLS_KEY, TLS_CERT } = process.env
  if (!TLS_KEY || !TLS_CERT) {
    throw new Error('--http2 needs a key and a certificate, whose files TLS_KEY and TLS_CERT name: ' +
      'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem')
  }
  return { http2: true, https: { key: readFileSync(TLS_KEY), cert: readFileSync(TLS_CERT), allowHTTP1: true } }
}
