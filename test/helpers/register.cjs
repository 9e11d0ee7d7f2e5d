'use strict'

// Compiles tests and the code without a look at types, in a third of the time that TypeScript takes for that. Required by
// `npm test`. `npm run typecheck` checks the types, and `npm run test:full` compiles with TypeScript, for coverage.
const { addHook } = require('sucrase/dist/register')

addHook('.ts', { transforms: ['typescript', 'imports'], preserveDynamicImport: true, disableESTransforms: true })
