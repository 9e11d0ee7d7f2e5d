import specs from '@asyncapi/specs'
import Ajv, { type ValidateFunction } from 'ajv'
import type { Test } from 'tap'
import type { AsyncApiDocument } from '../../types/asyncapi'

let validate: ValidateFunction | undefined

/** Returns what is wrong with a document: by the schema of AsyncAPI 3.0.0, and by the rules that this schema does not see. */
export function faultsOf (document: AsyncApiDocument): string[] {
  validate ??= new Ajv({ strict: false, validateFormats: false }).compile(specs.schemasWithoutId['3.0.0'] as object)
  const isValid = validate(document)
  const faults = isValid ? [] : validate.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`)
  return [...faults, ...referencesIn(document).filter((ref) => !leads(document, ref)), ...parameterFaults(document), ...messageFaults(document)]
}

export function checkDocument (t: Test, document: AsyncApiDocument): void {
  t.same(faultsOf(document), [], 'the document is valid')
}

/** All `$ref` in a value. */
export function referencesIn (value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => key === '$ref' && typeof inner === 'string' ? [inner] : referencesIn(inner))
}

/** Whether a reference begins with `#/` and leads to a place in the document. */
function leads (document: object, ref: string): boolean {
  if (!ref.startsWith('#/')) return false
  const tokens = ref.slice(2).split('/').map((token) => decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~'))
  return tokens.reduce((node: any, token) => node?.[token], document) !== undefined
}

function parameterFaults ({ channels }: AsyncApiDocument): string[] {
  return Object.entries(channels).filter(([, { address, parameters = {} }]) => {
    const inAddress = [...address.matchAll(/\{([^}]*)\}/g)].map((match) => match[1])
    return inAddress.sort().join() !== Object.keys(parameters).sort().join()
  }).map(([name]) => `the parameters of ${name} are not those of its address`)
}

function messageFaults ({ operations }: AsyncApiDocument): string[] {
  return Object.entries(operations)
    .filter(([, { channel, messages = [] }]) => !messages.every(({ $ref }) => $ref.startsWith(`${channel.$ref}/messages/`)))
    .map(([name]) => `a message of ${name} is not one of its channel`)
}
