import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import ts from 'typescript'

export const root = join(__dirname, '..', '..')

/** A fenced block of code in a page. */
export interface Block {
  page: string
  /** The number of the first line of code in the page. */
  line: number
  language: string
  code: string
}

export type Row = Record<string, string>

/** All pages: paths from the root. */
export const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)
]

export function readPage (page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

export const blocks: Block[] = pages.flatMap((page) => {
  const text = readPage(page)
  return [...text.matchAll(/^```(\S*)\n([^]*?)^```$/gm)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length + 1,
    language: match[1],
    code: match[2]
  }))
})

/** Whether `block` is a whole program, which can run. */
export function isProgram ({ language, code }: Block): boolean {
  return language === 'js' || (language === 'ts' && /^import Fastify\b/m.test(code))
}

/** Whether `block` is TypeScript of a page, which uses the client for browsers. */
export function isOfPage ({ language, code }: Block): boolean {
  return language === 'ts' && code.includes("from 'fastify-async-websocket/client'")
}

/** The blocks of `language` below `heading`, up to the next heading of level 2. */
export function codeBelow (page: string, heading: string, language: string): string[] {
  const section = readPage(page).split(/^(?=## )/m).find((text) => text.startsWith(`${heading}\n`))!
  return [...section.matchAll(/^```(\S*)\n([^]*?)^```$/gm)].filter((match) => match[1] === language).map((match) => match[2])
}

/** The rows of the first table below `heading` whose first column is called `column`. */
export function readTable (page: string, heading: string, column: string): Row[] {
  const section = readPage(page).split(/^(?=#)/m).find((text) => text.startsWith(`${heading}\n`))
  const lines = section?.split('\n') ?? []
  const start = lines.findIndex((line) => line.startsWith(`| ${column} |`))
  if (start === -1) throw new Error(`${page} has no table of '${column}' below '${heading}'`)
  const [head, , ...rows] = lines.slice(start, lines.findIndex((line, at) => at > start && line === '')).map(cells)
  return rows.map((row) => Object.fromEntries(head.map((name, at) => [name, row[at]])))
}

function cells (line: string): string[] {
  return line.split('|').slice(1, -1).map((cell) => cell.trim())
}

/** The text between the first backticks of a cell. */
export function codeIn (cell: string): string {
  return codesIn(cell)[0] ?? ''
}

/** All texts between backticks in a cell. */
export function codesIn (cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1])
}

/** The anchors that GitHub gives the headings of a page. */
export function anchorsOf (page: string): string[] {
  return [...readPage(page).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))
}

/** The relative links of a page. `target` is the path of the linked file from the root. */
export function linksOf (page: string): { link: string, target: string, anchor?: string }[] {
  const text = readPage(page).replace(/^```[^]*?^```$/gm, '')
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1]).filter((link) => !/^[a-z]+:/.test(link))
  return links.map((link) => {
    const [path, anchor] = link.split('#')
    return { link, target: path === '' ? page : relative(root, join(root, dirname(page), path)), anchor }
  })
}

/** The relative links of a page that lead nowhere. */
export function brokenLinks (page: string): string[] {
  return linksOf(page)
    .filter(({ target, anchor }) => !existsSync(join(root, target)) || (anchor !== undefined && !anchorsOf(target).includes(anchor)))
    .map(({ link }) => link)
}

/** Declarations that all blocks can use. A block may declare the same names itself. */
const PRELUDE = `
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type fastifyWebsocket from 'fastify-async-websocket'
import type { Broker, ObservedEvents, WebSocketClient, WebSocketPluginOptions, WebSocketSession, WebSocketSessions, WebSocketStats } from 'fastify-async-websocket'
import type * as client from 'fastify-async-websocket/client'

declare global {
  const app: FastifyInstance
  const ws: WebSocketSession
  const request: FastifyRequest
  const websocket: typeof fastifyWebsocket
  const { WebSocketDecodeError }: typeof fastifyWebsocket
  class MemoryServer { start (): void; stop (): void }
  const MemoryBroker: new (server: MemoryServer) => Broker
  function authenticate (request: FastifyRequest): Promise<void>
  function findUser (authorization: string | undefined): Promise<{ name: string } | null>
  function isOpen (room: string): Promise<boolean>
  function join (id: string): Promise<void>
  function leave (id: string): Promise<void>
  function originsOf (tenant: string): Promise<Set<string>>
  function rows (): AsyncIterable<object>
  function save (message: unknown): Promise<void>
  function stateOf (topic: string): Promise<object>
  type Public = {
    session: WebSocketSession
    client: WebSocketClient
    sessions: WebSocketSessions
    options: WebSocketPluginOptions
    connect: NonNullable<Parameters<typeof fastifyWebsocket.connect>[1]>
    inject: NonNullable<Parameters<FastifyInstance['injectWebSocket']>[1]>
    stats: WebSocketStats
    accepted: ObservedEvents['fastify-async-websocket:accepted']
    refused: ObservedEvents['fastify-async-websocket:refused']
    closed: ObservedEvents['fastify-async-websocket:closed']
    'message.received': ObservedEvents['fastify-async-websocket:message.received']
    'message.sent': ObservedEvents['fastify-async-websocket:message.sent']
    published: ObservedEvents['fastify-async-websocket:published']
    slow: ObservedEvents['fastify-async-websocket:slow']
    broker: ObservedEvents['fastify-async-websocket:broker']
    pageClient: client.WebSocketClient
    pageConnect: client.ConnectOptions
    pageReconnect: client.ReconnectOptions
  }
}
`

const preludePath = join(root, 'docs', 'prelude.d.mts')

/** The compiler's options for code of Node. With `outDir`, TypeScript resolves the package's own name to its sources. */
function nodeOptions (): ts.CompilerOptions {
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config, ts.sys, root)
  return { ...options, outDir: join(root, 'dist'), noUnusedLocals: false, noUnusedParameters: false, skipLibCheck: true }
}

/** The compiler's options for code of a page, which goes through a bundler. */
function pageOptions (): ts.CompilerOptions {
  const options = nodeOptions()
  return { ...options, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, lib: [...options.lib!, 'lib.dom.d.ts'] }
}

/** The path of `block` as a module of a program. */
function pathOf ({ page, line }: Block): string {
  return join(root, 'docs', `${page.replace(/\W/g, '-')}-${line}.mts`)
}

/** The code of `block`. In a page, `./server` is the block of the same page that exports the route `chat`. */
function moduleOf (block: Block): string {
  const server = blocks.find(({ page, code }) => page === block.page && code.includes('export const chat = '))
  return `${block.code.replace("'./server'", () => `'./${basename(pathOf(server!), '.mts')}.mjs'`)}export {}\n`
}

/** TypeScript of the pages as one program, for Node or for a page in a browser. Each block is a module. */
export class DocsProgram {
  readonly #program: ts.Program

  constructor (checked: Block[], platform: 'node' | 'page' = 'node') {
    const files = new Map([[preludePath, PRELUDE], ...blocks.filter(({ language }) => language === 'ts').map((block) => [pathOf(block), moduleOf(block)] as const)])
    const options = platform === 'page' ? pageOptions() : nodeOptions()
    const host = ts.createCompilerHost(options)
    const { readFile, fileExists } = host
    host.readFile = (path) => files.get(path) ?? readFile(path)
    host.fileExists = (path) => files.has(path) || fileExists(path)
    this.#program = ts.createProgram([preludePath, ...checked.map(pathOf)], options, host)
  }

  /** The compiler's errors in `block`, or in the prelude for null: lines of text. */
  complaints (block: Block | null): string[] {
    const path = block === null ? preludePath : pathOf(block)
    return ts.getPreEmitDiagnostics(this.#program, this.#program.getSourceFile(path)).map(({ file, start, messageText }) => {
      const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start!).line
      return `${block?.page}:${(block?.line ?? 0) + line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
  }

  /** The members that this package declares for one of its `Public` types. A well-known symbol is `[Symbol.…]`. */
  membersOf (name: string): string[] {
    const checker = this.#program.getTypeChecker()
    const source = this.#program.getSourceFile(preludePath)!
    const symbol = checker.getSymbolsInScope(source, ts.SymbolFlags.TypeAlias).find((candidate) => candidate.name === 'Public')!
    const type = checker.getTypeOfSymbol(checker.getPropertyOfType(checker.getDeclaredTypeOfSymbol(symbol), name)!)
    return checker.getPropertiesOfType(type)
      .filter(({ declarations }) => declarations?.some((node) => !/EventEmitter|events\.d\.ts/.test(node.getSourceFile().fileName)))
      .map(({ escapedName }) => String(escapedName).replace(/^___?@(\w+)@\d+$/, '[Symbol.$1]'))
  }
}
