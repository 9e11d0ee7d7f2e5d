// @ts-check
// The script of the chat page: the URL says who enters which room. Without both, the page asks.

import { ask, tidy } from './door.js'
import { enter } from './room.js'

const room = location.pathname.match(/^\/room\/([\w-]{1,32})$/)?.[1]
const name = tidy(new URLSearchParams(location.search).get('name') ?? '')

if (room !== undefined && name !== '' && name.length <= 32) enter(room, name)
else ask(room, name)
