'use strict'

/**
 * Builds an app and listens on PORT (3000) at HOST (127.0.0.1), prints where to look, and closes the app on SIGINT
 * and SIGTERM: its connections end with a closing handshake, then the process exits by itself.
 */
module.exports = async function start (build, ...urls) {
  const { HOST = '127.0.0.1', PORT = '3000' } = process.env
  const app = await build({ logger: { level: 'warn' } })
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
  const { host } = new URL(await app.listen({ host: HOST, port: Number(PORT) }))
  console.log(`Ready: ${urls.map((url) => url.replace('HOST', host)).join(' ')}`)
}
