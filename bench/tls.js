'use strict'

const path = require('node:path')

const fixture = (name) => path.join(__dirname, '../test/fixtures', name)

module.exports = { keyFile: fixture('key.pem'), certFile: fixture('cert.pem') }
