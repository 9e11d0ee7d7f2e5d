'use strict'

const globals = require('globals')
const neostandard = require('neostandard')

module.exports = [
  ...neostandard({ ts: true, filesTs: ['**/*.mts', '**/*.cts'], ignores: ['dist', '.tap', 'bench/node_modules'] }),
  {
    files: ['example/**/public/**/*.js', 'lib/asyncapi/page/*.js'],
    languageOptions: { globals: globals.browser }
  },
  {
    files: ['lib/**/*.ts', 'types/**/*.ts'],
    rules: {
      'max-lines': ['error', 300],
      'max-lines-per-function': ['error', 40]
    }
  },
  {
    files: ['**/*.ts', '**/*.mts'],
    rules: {
      // TypeScript itself tells what may be declared twice: a value, and the namespace of its types.
      '@typescript-eslint/no-redeclare': 'off'
    }
  }
]
