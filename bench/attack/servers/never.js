'use strict'

/** What a handler waits for in vain. */
module.exports = new Promise(() => {})
