import { createDeflateRaw, createInflateRaw } from 'node:zlib'
import { fail, flag, members, optional, orFalse, wholeNumber, type Check } from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { messageOf } from '../base/show'

/** Tries options of `node:zlib` at registration. Otherwise zlib would refuse them only when the first message is compressed. */
const zlib = (create: (options: object) => { close (): void }): Check => (name, value) => {
  if (typeof value !== 'object' || value === null) fail(name, value, 'an object of options of node:zlib')
  try {
    create(value).close()
  } catch (error) {
    throw new WebSocketOptionError(`option ${name}: ${messageOf(error)}`, { cause: error })
  }
}

/** RFC 7692, section 7.1.2: window bits are the base-2 logarithm of the window's size. */
const windowBits = wholeNumber('bits', 8, 15)

/** The options of `ws` for permessage-deflate. */
const compression = members({
  serverNoContextTakeover: optional(flag),
  clientNoContextTakeover: optional(flag),
  serverMaxWindowBits: optional(orFalse(windowBits)),
  clientMaxWindowBits: optional((name, value) => { if (value !== true) orFalse(windowBits)(name, value) }),
  zlibDeflateOptions: optional(zlib(createDeflateRaw)),
  zlibInflateOptions: optional(zlib(createInflateRaw)),
  threshold: optional(wholeNumber('bytes', 0)),
  concurrencyLimit: optional(wholeNumber('calls'))
}, ', true or false')

export const perMessageDeflate: Check = (name, value) => { if (typeof value !== 'boolean') compression(name, value) }
