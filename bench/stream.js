'use strict'

/** The message of the streaming workloads: 1 MiB. */
const CHUNK = Buffer.alloc(1024 * 1024, 'The quick brown fox jumps over the lazy dog. ')

module.exports = { CHUNK }
