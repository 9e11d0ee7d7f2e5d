// graphql-ws's tests, with what stands for @fastify/websocket and `ws` here in their place. Its adapters for other
// servers, of which nothing is run, get anything.

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export default {
  resolve: {
    alias: [
      { find: '@fastify/websocket', replacement: require.resolve('./fastify-websocket.js') },
      { find: 'ws', replacement: require.resolve('./ws.js') },
      { find: 'fastify', replacement: require.resolve('fastify') },
      { find: /^(crossws|uWebSockets\.js)\b.*/, replacement: 'node:http' }
    ]
  },
  esbuild: { tsconfigRaw: '{}' }, // theirs extends that of a package
  server: { fs: { strict: false } }, // its files are not below this one
  test: {
    retry: 2, // it gives some 10 ms to happen
    reporters: 'json',
    server: { deps: { external: [/test\/suites\//] } } // CommonJS, which Node is to load
  }
}
