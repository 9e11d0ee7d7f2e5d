'use strict'

const buildCompiler = require('@fastify/ajv-compiler')
const { schema } = require('../json')

/** For the peers that validate by hand: compiled as Fastify compiles it for a route. */
const validate = buildCompiler()({}, { customOptions: {} })({ schema })

module.exports = { validate }
