'use strict'

/**
 * Builds an app with `build`, and listens on PORT (default 3000) at HOST (default 127.0.0.1). Prints the `urls`, with the
 * address in place of HOST. On SIGINT and SIGTERM, the app closes: its connections end with a closing handshake, and the
 * process exits by itself.
 */
module.exports = async function start (build, ...urls) {
  const { HOST = '127.0.0.1', PORT = '3000' } = process.env
  const app = await build({ logger: { level: 'warn' } })
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
  const { host } = new URL(await app.listen({ host: HOST, port: Number(PORT) }))
  console.log(`Ready: ${urls.map((url) => url.replace('HOST', host)).join(' ')}`)
}
