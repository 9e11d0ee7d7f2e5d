/** The first program with one of the names, in the order of the PATH. */
export const findProgram: (...names: string[]) => string | undefined = require('./find-program.cjs')
