'use strict'

// Reports each case of a file as a line of JSON: the path of its names, whether it passed or was skipped, and its error.

module.exports = async function * report (events) {
  const path = []
  for await (const { type, data } of events) {
    if (type === 'test:start') path.splice(data.nesting, Infinity, data.name)
    if ((type === 'test:pass' || type === 'test:fail') && data.details.type !== 'suite') {
      const error = data.details.error?.cause ?? data.details.error
      yield JSON.stringify({
        name: path.slice(0, data.nesting + 1).join(' > '),
        passed: type === 'test:pass',
        skipped: data.skip !== undefined,
        error: error && String(error.stack ?? error)
      }) + '\n'
    }
  }
}
