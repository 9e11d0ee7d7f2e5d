import { join } from 'node:path'
import { build } from 'esbuild'

/** Returns the suites as one module for any platform. */
export async function bundleSuites (): Promise<string> {
  const { outputFiles: [{ text }] } = await build({
    entryPoints: [join(__dirname, 'suites.ts')],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false
  })
  return text
}
