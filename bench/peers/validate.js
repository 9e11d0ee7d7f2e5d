'use strict'

const buildCompiler = require('@fastify/ajv-compiler')
const { schema } = require('../json')

/** The validator for peers that validate by hand, compiled as Fastify compiles a route's schema. */
const validate = buildCompiler()({}, { customOptions: {} })({ schema })

module.exports = { validate }
