import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import ts from 'typescript'
import { root, type Block } from './docs'

/**
 * Runs a program of a page with the built package. A program that listens on port 3000 gets another port, and one that connects to
 * port 3000 connects to `address`.
 */
export function runBlock ({ language, code }: Pick<Block, 'language' | 'code'>, address = ''): { child: ChildProcess, ended: Promise<{ code: number | null, stdout: string, stderr: string }> } {
  const type = /require\(|module\.exports/.test(code) ? 'commonjs' : 'module'
  const js = language === 'js' ? code : ts.transpileModule(code, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true } }).outputText
  const child = spawn(process.execPath, [`--input-type=${type}`, '-'], { cwd: root, env: { PATH: process.env.PATH } })
  child.stdin.end(js.replace('port: 3000', "port: 0, host: '127.0.0.1'").replace('localhost:3000', address).replace(/'\.\/(calls|bridge)\.js'/, "'./example/$1.js'"))
  const ended = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
    .then(([[code], stdout, stderr]) => ({ code, stdout, stderr }))
  return { child, ended }
}
