'use strict'

/** A promise that never settles. */
module.exports = new Promise(() => {})
