'use strict'

// A transpiler for ts-node (its option `transpiler`): TypeScript itself, without types, whose output is kept in a folder.
// Each test file runs in a process of its own, and most of its time would go into transpiling the same files of lib.
const { createHash } = require('node:crypto')
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const ts = require('typescript')

const folder = join(__dirname, '..', '..', 'node_modules', '.cache', 'cached-transpiler')

exports.create = ({ service: { config: { options } } }) => {
  const settings = JSON.stringify([ts.version, options])
  mkdirSync(folder, { recursive: true })
  return {
    transpile (code, { fileName }) {
      const kept = join(folder, createHash('sha1').update(settings).update(fileName).update(code).digest('hex'))
      try {
        return JSON.parse(readFileSync(kept, 'utf8'))
      } catch {
        const { outputText, sourceMapText } = ts.transpileModule(code, { fileName, compilerOptions: options })
        writeFileSync(`${kept}.${process.pid}`, JSON.stringify({ outputText, sourceMapText }))
        renameSync(`${kept}.${process.pid}`, kept) // at once: other processes write the same file
        return { outputText, sourceMapText }
      }
    }
  }
}
