import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { examples } from '../helpers/example'

/* The scripts of the chat are JavaScript, which the compiler checks (`npm run typecheck`). Here it finds faults. */

const folder = join(examples, 'chat')
const { options, fileNames } = ts.parseJsonConfigFileContent(ts.readConfigFile(join(folder, 'tsconfig.json'), ts.sys.readFile).config, ts.sys, folder)
const host = ts.createCompilerHost(options)
const { getSourceFile } = host
const parsed = new Map<string, ts.SourceFile | undefined>()

/** The compiler's errors in `file` of the chat, whose text is `code`. The other files are read once. */
function complaints (file: string, code: string): string[] {
  const path = join(folder, file)
  host.getSourceFile = (name, version) => {
    if (name === path) return ts.createSourceFile(path, code, version)
    if (!parsed.has(name)) parsed.set(name, getSourceFile(name, version))
    return parsed.get(name)
  }
  const program = ts.createProgram(fileNames, options, host)
  return ts.getPreEmitDiagnostics(program, program.getSourceFile(path)).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}

for (const [fault, file, right, wrong, complaint] of [
  ['a message that the server does not take', 'public/room.js', "type: 'typing', typing }", "type: 'shout', typing }", /"shout".* is not assignable/],
  ['a message without its text', 'public/room.js', "type: 'message', id, text })", "type: 'message', id })", /is not assignable/],
  ['a field that no message to the page has', 'public/room.js', 'message.people', 'message.persons', /'persons' does not exist/],
  ['a message that the page does not know', 'public/connection.js', "=== 'welcome'", "=== 'hello'", /no overlap/],
  ['a message that the server may not send', 'chat-route.js', "type: 'welcome', people", "type: 'hello', people", /"hello".* is not assignable/]
] as const) {
  t.test(`the compiler finds ${fault}`, async (t) => {
    const code = readFileSync(join(folder, file), 'utf8')
    t.ok(code.includes(right), `${file} has ${right}`)
    t.same(complaints(file, code), [], 'there is none')
    t.match(complaints(file, code.replace(right, wrong)).join('\n'), complaint)
  })
}
