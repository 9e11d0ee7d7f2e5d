/** The path of the first program on the PATH that has one of these names. */
export const findProgram: (...names: string[]) => string | undefined = require('./find-program.cjs')
