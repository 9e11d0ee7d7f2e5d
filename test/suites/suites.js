'use strict'

// The suites, how to run them, and the cases in which this package differs, with the reasons.

const { readdirSync } = require('node:fs')
const { join } = require('node:path')
const { runFiles, runVitest } = require('./runners')

/** The packages to install in the folder, beside the repositories. */
const INSTALL = ['vitest@2', 'graphql@16', 'jsdom@26']

const within = (group, names) => names.map((name) => `${group} > ${name}`)

const fastifyWebsocket = {
  name: '@fastify/websocket',
  repository: 'fastify/fastify-websocket',
  folder: 'fastify-websocket',
  run (folder) {
    const files = readdirSync(join(folder, 'test')).filter((name) => name.endsWith('.test.js'))
    return runFiles(folder, files.map((name) => join('test', name)), 'fastify-websocket.js')
  },
  differences: [
    {
      because: 'errorHandler is for sessions: the plugin logs an error of a raw route, and terminates the socket',
      cases: [
        'Should run custom errorHandler on wildcard route handler error',
        'Should run custom errorHandler on error inside websocket handler',
        'Should run custom errorHandler on error inside async websocket handler',
        'Should run custom errorHandler when the raw socket emits an error'
      ]
    },
    {
      because: 'these options do not exist here: hooks decide about handshakes, the server is Fastify\'s, and `shutdown` sets what app.close() does',
      cases: [
        'Should be able to pass custom options to ws',
        'Should warn if path option is provided to ws',
        'Should be able to pass a custom server option to ws',
        'Should be able to pass clientTracking option in false to ws',
        'Should be able to pass preClose option to override default'
      ]
    },
    {
      because: 'the error has another message',
      cases: [
        'Should fail if custom errorHandler is not a function',
        'Should fail if custom preClose is not a function',
        'Should throw on wrong HTTP method',
        'Should throw on invalid wsHandler'
      ]
    },
    {
      because: 'a handshake without a WebSocket route gets a 404; @fastify/websocket opens and closes a connection',
      cases: [
        'Should close on unregistered path (with no wildcard route websocket handler defined)',
        'Should close the connection if a non-websocket route with path exists'
      ]
    },
    {
      because: 'a plain GET of a WebSocket route gets a 426',
      cases: ['Should return 404 on http request']
    },
    {
      because: 'a handshake without Host gets a 400 (RFC 9112, section 3.2)',
      cases: ['Should invoke the correct handler depending on the headers']
    },
    {
      because: 'a WebSocket route that is declared before the plugin has loaded keeps the app from getting ready',
      cases: ['Should call wildcard route handler on unregistered path']
    },
    {
      because: 'a server that has begun to close drops new connections',
      cases: ['Should gracefully close when clients attempt to connect after calling close']
    }
  ]
}

const ws = {
  name: 'ws, with ws.raw as the sockets of its server',
  repository: 'websockets/ws',
  folder: 'ws',
  run (folder) {
    const files = ['websocket', 'websocket-server', 'create-websocket-stream']
    return runFiles(folder, files.map((name) => join('test', `${name}.test.js`)), 'ws.js')
  },
  differences: [
    {
      because: 'accept refuses a subprotocol that the client has not offered, and a Sec-WebSocket-Protocol header',
      cases: within('WebSocket > Connection establishing', [
        'fails if server sends a subprotocol when none was requested',
        'fails if server sends an invalid subprotocol (1/2)'
      ])
    },
    {
      because: 'a message that compression does not make smaller is sent as it is',
      cases: ['WebSocket > permessage-deflate > consumes all received data when connection is closed (1/2)']
    },
    {
      because: 'the client is asked to take over no context, and for no window of 8 bits, which Firefox and zlib cannot have',
      cases: ['WebSocketServer > permessage-deflate > uses configuration options']
    },
    {
      because: 'these options do not exist here',
      cases: within('WebSocketServer > #ctor > options', [
        'accepts the receiver limit options',
        'honors the `WebSocket` option',
        'honors the `autoPong` option'
      ])
    },
    {
      because: 'the handshake is refused with another status: 404 without a route, 426 for a version other than 13, also if something else is wrong (RFC 6455, section 4.4)',
      cases: [
        'WebSocketServer > #handleUpgrade > closes the connection when path doesn\'t match',
        'WebSocketServer > #handleUpgrade > closes the connection when protocol version is Hixie-76',
        ...within('WebSocketServer > Connection establishing', [
          'fails if the HTTP method is not GET',
          'fails if the Upgrade header field value cannot be read',
          'fails if the Upgrade header field value is not "websocket"',
          'fails if the Sec-WebSocket-Key header is invalid (1/2)',
          'fails if the Sec-WebSocket-Key header is invalid (2/2)',
          'fails if the Sec-WebSocket-Version header is invalid (1/2)',
          'fails if the Sec-WebSocket-Version header is invalid (2/2)',
          '`verifyClient` > can reject client synchronously',
          '`verifyClient` > can reject client asynchronously',
          '`verifyClient` > can reject client asynchronously w/ status code',
          '`verifyClient` > can reject client asynchronously w/ custom headers'
        ])
      ]
    },
    {
      because: 'the handshake is refused with the same status and the body of Fastify',
      cases: within('WebSocketServer > Connection establishing', [
        'fails is the Sec-WebSocket-Protocol header is invalid',
        'fails if the Sec-WebSocket-Extensions header is invalid'
      ])
    },
    {
      because: 'the case is about methods and events of the server of `ws`, which do not run here',
      cases: [
        'WebSocketServer > #completeUpgrade > throws an error if called twice with the same socket',
        ...within('WebSocketServer > Connection establishing', [
          'emits the \'wsClientError\' event',
          'emits the \'headers\' event',
          'fails if the WebSocket server is closing or closed'
        ])
      ]
    }
  ]
}

const graphqlWs = {
  name: 'graphql-ws, on @fastify/websocket and on ws',
  repository: 'enisdenjo/graphql-ws',
  folder: 'graphql-ws',
  run: (folder) => runVitest(folder, /^(uWebSockets\.js|crossws) > /), // the adapters for other servers
  differences: [
    {
      because: 'an error emitted on a raw socket terminates the socket; these cases also fail with @fastify/websocket since 11.3',
      cases: within('@fastify/websocket', [
        'should report socket emitted errors to clients by closing the connection',
        'should limit the socket emitted error message size'
      ])
    }
  ]
}

module.exports = { INSTALL, SUITES: [fastifyWebsocket, ws, graphqlWs] }
