import { Connection } from './connection.js'
import { element, json } from './elements.js'
import { exampleOf } from './example.js'
import { follow } from './schema.js'

/** The document's folder: the page's scripts are below it, wherever a proxy puts it. */
const BASE = new URL('..', import.meta.url)

/** The path of the server before the addresses of channels: empty, unless a proxy adds something. */
const ROOT = BASE.pathname.slice(0, -document.documentElement.dataset.prefix.length - 1)

/** The newest entries that the log keeps. */
const KEPT = 200

/** A form that connects to a channel, sends, and shows what comes. */
export function consoleOf (name, channel, api) {
  return new Console(name, channel, api).element
}

class Console {
  #name
  #channel
  #api
  #fields = []
  #connection = new Connection({
    onStatus: (state, text, code) => this.#show(state, text, code),
    onMessage: (message) => this.#add('received', typeof message === 'string' ? message : hex(message))
  })

  #state = 'closed'
  #isChecking = false
  #status = element('p', { class: 'status', role: 'status' }, 'Not connected.')
  #problem
  #text
  #send
  #toggle
  #entries = element('ol')
  #log = element('div', { class: 'log', role: 'log', 'aria-label': 'What was sent and received', tabindex: '0' }, this.#entries)

  constructor (name, channel, api) {
    this.#name = name
    this.#channel = channel
    this.#api = api
    this.#toggle = element('button', { type: 'submit' }, 'Connect')
    this.#send = element('button', { type: 'submit', disabled: true }, 'Send')
    this.#problem = element('p', { class: 'problem', id: `${name}-problem`, role: 'alert', hidden: true })
    this.#text = element('textarea', { id: `${name}-message`, rows: '5', spellcheck: 'false', autocomplete: 'off', on: { keydown: (event) => this.#onKey(event) } })
    this.#text.value = this.#firstMessage()
    this.element = element('details', { class: 'console' },
      element('summary', {}, 'Console'),
      element('form', { on: { submit: (event) => this.#connectOrClose(event) } }, this.#inputs(), this.#toggle, this.#status),
      element('form', { on: { submit: (event) => this.#sendMessage(event) } },
        element('label', { for: this.#text.id }, 'Message'), this.#text, this.#problem, this.#send,
        element('span', { class: 'hint' }, ' or Ctrl+Enter. The server checks the message before it is sent.')),
      this.#log)
  }

  /** The fields of the path, the query and the subprotocol. */
  #inputs () {
    const { parameters = {}, bindings: { ws: { query = {} } } } = this.#channel
    const subprotocols = this.#channel['x-subprotocols']
    return [
      ...Object.entries(parameters).map(([name, { 'x-schema': schema = {}, ...parameter }]) => this.#field('path', name, { ...follow(schema, this.#api).schema, ...parameter }, true)),
      ...Object.entries(query.properties ?? {}).map(([name, schema]) => this.#field('query', name, follow(schema, this.#api).schema, (query.required ?? []).includes(name))),
      ...(subprotocols === undefined ? [] : [this.#field('subprotocol', 'subprotocol', { enum: ['', ...subprotocols], default: subprotocols[0] }, false)])
    ]
  }

  #field (kind, name, schema, isRequired) {
    const id = `${this.#name}-${kind}-${name}`
    const initial = String(schema.default ?? schema.examples?.[0] ?? '')
    const input = schema.enum === undefined
      ? element('input', { id, required: isRequired, autocomplete: 'off', spellcheck: 'false' })
      : element('select', { id, required: isRequired }, schema.enum.map((value) => element('option', { value: String(value) }, String(value) || '(none)')))
    if (schema.enum === undefined || initial !== '') input.value = initial
    this.#fields.push({ kind, name, input })
    return element('div', { class: 'field' }, element('label', { for: id }, name, kind === 'query' ? element('span', { class: 'hint' }, ' query') : ''), input)
  }

  #values (kind) {
    return this.#fields.filter((field) => field.kind === kind).map(({ name, input }) => [name, input.value])
  }

  /** The URL of the handshake. A field of the query that is empty is left out. */
  #url () {
    const path = this.#values('path').reduce((address, [name, value]) => address.replace(`{${name}}`, () => encode(name, value)), this.#channel.address)
    const url = new URL(ROOT + path, BASE)
    for (const [name, value] of this.#values('query')) if (value !== '') url.searchParams.append(name, value)
    return url
  }

  #connectOrClose (event) {
    event.preventDefault()
    if (this.#state !== 'closed') return this.#connection.close()
    const [[, subprotocol] = []] = this.#values('subprotocol')
    this.#connection.open(this.#url(), subprotocol ? [subprotocol] : [])
  }

  #show (state, text, code) {
    this.#state = state
    this.#status.dataset.state = state
    const meaning = this.#channel['x-close-codes'][code]
    this.#status.textContent = meaning === undefined ? text : `${text} (${meaning})`
    this.#toggle.textContent = state === 'closed' ? 'Connect' : 'Disconnect'
    this.#send.disabled = state !== 'open'
    this.#add('status', this.#status.textContent)
  }

  #onKey (event) {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
    event.preventDefault()
    if (!this.#send.disabled) this.#text.form.requestSubmit()
  }

  async #sendMessage (event) {
    event.preventDefault()
    if (this.#isChecking) return
    this.#isChecking = true
    const text = this.#text.value
    try {
      const problem = await this.#check(text)
      this.#complain(problem)
      if (problem !== undefined) return
      await this.#connection.send(text)
      this.#add('sent', text)
    } catch (error) {
      this.#complain(`Not sent: ${error.message}`)
    } finally {
      this.#isChecking = false
    }
  }

  /** Asks the server whether the message fits the schema of the channel. Resolves with what is wrong with it. */
  async #check (text) {
    if (this.#channel.messages.receive === undefined) return undefined // a library reads the messages of this channel
    const response = await fetch(new URL(`check/${encodeURIComponent(this.#name)}`, BASE), { method: 'POST', body: text, headers: { 'content-type': 'text/plain' } })
    if (!response.ok) throw new Error(`the check was answered with ${response.status}`)
    const { error } = await response.json()
    return error && `Not sent: ${error}`
  }

  #complain (problem) {
    this.#problem.textContent = problem ?? ''
    this.#problem.hidden = problem === undefined
    if (problem === undefined) this.#text.removeAttribute('aria-invalid')
    else this.#text.setAttribute('aria-invalid', 'true')
    if (problem === undefined) this.#text.removeAttribute('aria-describedby')
    else this.#text.setAttribute('aria-describedby', this.#problem.id)
  }

  #add (kind, text) {
    const time = new Date().toLocaleTimeString()
    const isAtEnd = this.#log.scrollTop + this.#log.clientHeight >= this.#log.scrollHeight - 4
    this.#entries.append(element('li', { class: kind }, element('span', { class: 'when' }, `${time} ${kind}`), element('pre', {}, pretty(text))))
    while (this.#entries.children.length > KEPT) this.#entries.firstChild.remove()
    if (isAtEnd) this.#log.scrollTop = this.#log.scrollHeight
  }

  /** What the message begins with: the first example, or something that has the shape of the schema. */
  #firstMessage () {
    const { receive } = this.#channel.messages
    if (receive === undefined) return ''
    const { payload, contentType, examples } = follow(receive, this.#api).schema
    const value = examples?.[0].payload ?? (payload === undefined ? undefined : exampleOf(payload, this.#api))
    if (value === undefined || contentType === 'application/octet-stream') return ''
    return contentType === 'application/json' ? json(value) : String(value)
  }
}

/** A value for the path. That of a wildcard keeps its slashes. */
function encode (name, value) {
  return name === 'wildcard' ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value)
}

/** JSON with line breaks; any other text as it is. */
function pretty (text) {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' ? json(value) : text
  } catch {
    return text
  }
}

function hex (bytes) {
  const shown = [...bytes.subarray(0, 64)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return `${bytes.length} bytes: ${shown}${bytes.length > 64 ? ' …' : ''}`
}
