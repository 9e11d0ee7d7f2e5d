import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where there are programs that not everybody has on the PATH. */
const MORE = ['/usr/sbin', '/usr/local/sbin']

/** The first program with one of the names, in the order of the PATH. */
export function findProgram (...names: string[]): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...MORE]
  return directories.flatMap((directory) => names.map((name) => join(directory, name))).find(existsSync)
}
