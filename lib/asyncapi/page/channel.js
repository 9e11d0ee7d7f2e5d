import { consoleOf } from './console.js'
import { code, element, json, list, part } from './elements.js'
import { follow, schemaView } from './schema.js'

/** Shows a channel: what its handshake takes, its messages, how it ends, and a console. */
export function channelView (name, channel, api) {
  const { address, summary, description, tags = [], parameters = {}, bindings: { ws: { query, headers } } } = channel
  return element('section', { id: name, 'aria-labelledby': `${name}-title` },
    element('h2', { id: `${name}-title` }, element('code', {}, address), summary === undefined ? '' : ` ${summary}`),
    tags.length === 0 ? '' : element('p', { class: 'tags' }, tags.map(({ name }) => element('span', {}, name))),
    description === undefined ? '' : element('p', {}, description),
    channel['x-fastify-url'] === undefined ? '' : element('p', {}, 'URL of the route: ', element('code', {}, channel['x-fastify-url'])),
    part('Path', properties(parameters, (parameter) => parameter['x-schema'] ?? {}, Object.keys(parameters), api)),
    part('Query', properties(query?.properties ?? {}, (schema) => schema, query?.required, api)),
    part('Headers', properties(headers?.properties ?? {}, (schema) => schema, headers?.required, api)),
    part('Security', security(name, api)),
    ...['receive', 'send'].map((side) => messageView(channel.messages[side], api)),
    part('Refusals', list(Object.entries(channel['x-refusals']).map(([status, { description, payload }]) =>
      [status, description, payload === undefined ? '' : schemaView(payload, api)]))),
    part('Close codes', list(Object.entries(channel['x-close-codes']))),
    consoleOf(name, channel, api))
}

function properties (named, schemaOf, required = [], api) {
  return list(Object.entries(named).map(([name, property]) =>
    [name, required.includes(name) ? element('strong', { class: 'required' }, 'required ') : '', schemaView(schemaOf(property), api)]))
}

/** One of the schemes has to be met. */
function security (name, api) {
  const operation = Object.values(api.operations).find(({ channel }) => channel.$ref === `#/channels/${name}`)
  return list((operation.security ?? []).map((scheme) => {
    const { schema: { type, description, ...rest }, name: schemeName = type } = follow(scheme, api)
    return [schemeName, [type, rest.scheme, rest.in, rest.name, ...rest.scopes ?? []].filter(Boolean).join(', '), description === undefined ? '' : `. ${description}`]
  }))
}

function messageView (reference, api) {
  if (reference === undefined) return undefined
  const { title, contentType, payload, examples = [] } = follow(reference, api).schema
  return part(title,
    contentType === undefined ? undefined : element('p', { class: 'hint' }, contentType),
    payload === undefined ? element('p', {}, 'Anything.') : schemaView(payload, api),
    ...examples.map(({ payload }) => code(json(payload), 'An example')))
}
