import type { JsonMode, ValueType } from '../../types/value'

/** The types of `receive`, `send` and the options of routes. */
export const VALUE_TYPES: readonly ValueType[] = ['text', 'bytes', 'json', 'integer', 'number', 'boolean', 'any']

/** The modes of `receiveJson` and `sendJson`. */
export const JSON_MODES: readonly JsonMode[] = ['text', 'bytes']

/** A type with its encoding: `jsonText` is JSON in text frames only, `jsonBytes` is JSON in binary frames only. */
export type EncodedType = ValueType | 'jsonText' | 'jsonBytes'
