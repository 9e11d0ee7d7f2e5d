import { closeCodes } from './close'
import { connect } from './client'
import { defineWebSocket } from './define'
import * as errors from './errors'
import { websocket } from './plugin'

export = Object.assign(websocket, { default: websocket, websocket, closeCodes, connect, defineWebSocket, ...errors })
