import { installed } from './installed'

/** The part of the package `yaml` that the document needs. */
export interface Yaml {
  stringify (value: unknown, options: object): string
}

/** Returns `document` as YAML. Without the package `yaml` that is JSON, since YAML 1.2 takes JSON as it is. */
export function toYaml (document: object, yaml: Yaml | null = installed('yaml')): string {
  return yaml?.stringify(document, { aliasDuplicateObjects: false }) ?? `${JSON.stringify(document, null, 2)}\n`
}
