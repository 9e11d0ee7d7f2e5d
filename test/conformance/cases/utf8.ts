import { continuation, fragments, STILL_OPEN, TEXT, text, type Case, type Step } from '../case'

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex')

const greek = hex('ce ba e1 bd b9 cf 83 ce bc ce b5')
const latin = 'Hello-µ@ßöäüàá-UTF-8!!'
const surrogate = Buffer.concat([greek, hex('ed a0 80'), Buffer.from('edited')])
/** Invalid from the second octet after `greek` on: U+110000. */
const beyond = Buffer.concat([greek, hex('f4 90 80 80'), Buffer.from('edited')])
const failed = { receive: [], close: [1007] }

/** The same message in three parts: the first part is valid, and the second makes the text invalid. */
function failFast (id: string, title: string, [sound, unsound, rest]: Step[]): Case {
  return {
    id,
    title,
    send: [sound, STILL_OPEN, unsound, STILL_OPEN, rest],
    receive: [STILL_OPEN],
    close: [1007],
    chop: 'whole',
    nonStrict: {
      why: 'Autobahn allows validating a text when it is complete (RFC 6455, section 8.1, does not say when)',
      outcomes: [{ receive: [STILL_OPEN, STILL_OPEN], close: [1007] }]
    }
  }
}

function asFrames (first: number, second: number): Step[] {
  const open = { fin: false }
  return [text(beyond.subarray(0, first), open), continuation(beyond.subarray(first, second), open), continuation(beyond.subarray(second))]
}

/** The mask of one frame: zeros. */
function asParts (first: number, second: number): Step[] {
  const header = Buffer.from([0x81, 0x80 | beyond.length, 0, 0, 0, 0])
  return [Buffer.concat([header, beyond.subarray(0, first)]), beyond.subarray(first, second), beyond.subarray(second)]
}

const INCOMPLETE = ['c0', 'e0 80', 'f0 80 80', 'f8 80 80 80', 'fc 80 80 80 80', 'df', 'ef bf', 'f7 bf bf', 'fb bf bf bf', 'fd bf bf bf bf']

const LONELY = [[0xc0, 0xdf], [0xe0, 0xef], [0xf0, 0xf7], [0xf8, 0xfb], [0xfc, 0xfd]]
  .map(([from, to]) => Buffer.from(Array.from({ length: to - from }, (_, n) => [from + n, 0x20]).flat()))

const NON_CHARACTERS = [0xfffe, 0xffff, ...Array.from({ length: 16 }, (_, n) => [(n + 1) * 0x10000 + 0xfffe, (n + 1) * 0x10000 + 0xffff]).flat()]
  .map((point) => Buffer.from(String.fromCodePoint(point)))

/**
 * From Markus Kuhn's UTF-8 decoder capability and stress test: the sequences of each section, and which of them are
 * valid: all, none, or those at these places.
 */
const SECTIONS: [title: string, sound: boolean | number[], sequences: Buffer[]][] = [
  ['valid text', true, [...['hello$world', 'hello¢world', 'hello€world', 'hello𤭢world'].map((s) => Buffer.from(s)), greek]],
  ['a prefix of valid text', [1, 4, 6, 8, 10], Array.from(greek, (_, n) => greek.subarray(0, n + 1))],
  ['the first sequence of a length', true, ['00', 'c2 80', 'e0 a0 80', 'f0 90 80 80'].map(hex)],
  ['the first sequence of 5 or 6 octets', false, ['f8 88 80 80 80', 'fc 84 80 80 80 80'].map(hex)],
  ['the last sequence of a length', true, ['7f', 'df bf', 'ef bf bf', 'f4 8f bf bf'].map(hex)],
  ['the last sequence of 4, 5 or 6 octets', false, ['f7 bf bf bf', 'fb bf bf bf bf', 'fd bf bf bf bf bf'].map(hex)],
  ['another boundary', [0, 1, 2, 3], ['ed 9f bf', 'ee 80 80', 'ef bf bd', 'f4 8f bf bf', 'f4 90 80 80'].map(hex)],
  ['unexpected continuations', false, [
    ...['80', 'bf', '80 bf', '80 bf 80', '80 bf 80 bf', '80 bf 80 bf 80', '80 bf 80 bf 80 bf'].map(hex),
    Buffer.from(Array.from({ length: 0x3f }, (_, n) => 0x80 + n))
  ]],
  ['lonely starts', false, LONELY],
  ['a sequence without its last octet', false, INCOMPLETE.map(hex)],
  ['incomplete sequences together', false, [hex(INCOMPLETE.join(''))]],
  ['impossible octets', false, ['fe', 'ff', 'fe fe ff ff'].map(hex)],
  ['an overlong slash', false, ['c0 af', 'e0 80 af', 'f0 80 80 af', 'f8 80 80 80 af', 'fc 80 80 80 80 af'].map(hex)],
  ['a longest overlong sequence', false, ['c1 bf', 'e0 9f bf', 'f0 8f bf bf', 'f8 87 bf bf bf', 'fc 83 bf bf bf bf'].map(hex)],
  ['an overlong NUL', false, ['c0 80', 'e0 80 80', 'f0 80 80 80', 'f8 80 80 80 80', 'fc 80 80 80 80 80'].map(hex)],
  ['a single surrogate', false, ['ed a0 80', 'ed ad bf', 'ed ae 80', 'ed af bf', 'ed b0 80', 'ed be 80', 'ed bf bf'].map(hex)],
  ['paired surrogates', false, ['ed a0 80', 'ed ad bf', 'ed ae 80', 'ed af bf'].flatMap((high) => [hex(`${high} ed b0 80`), hex(`${high} ed bf bf`)])],
  ['a non-character', true, NON_CHARACTERS],
  ['a special', true, ['ef bf b9', 'ef bf ba', 'ef bf bb', 'ef bf bc', 'ef bf bd', 'ef bf be', 'ef bf bf'].map(hex)]
]

function sections (): Case[] {
  return SECTIONS.flatMap(([title, sound, sequences], section) => sequences.map((sequence, n): Case => {
    const isSound = typeof sound === 'boolean' ? sound : sound.includes(n)
    const message = text(sequence)
    return {
      id: `6.${section + 5}.${n + 1}`,
      title: `${title}: ${sequence.toString('hex')}`,
      send: [message],
      ...(isSound ? { receive: [message] } : failed)
    }
  }))
}

export const utf8 = {
  id: '6',
  title: 'UTF-8',
  cases: [
    { id: '6.1.1', title: 'an empty text', send: [text()], receive: [text()] },
    { id: '6.1.2', title: 'a text of 3 empty fragments', send: [text('', { fin: false }), continuation('', { fin: false }), continuation()], receive: [text()] },
    { id: '6.1.3', title: 'a text of 3 fragments of which only the middle one is not empty', send: [text('', { fin: false }), continuation('middle frame payload', { fin: false }), continuation()], receive: [text('middle frame payload')] },
    { id: '6.2.1', title: 'a text that is not ASCII', send: [text(latin)], receive: [text(latin)] },
    { id: '6.2.2', title: 'the same in 2 fragments, cut between characters', send: [text(latin.slice(0, 11), { fin: false }), continuation(latin.slice(11))], receive: [text(latin)] },
    { id: '6.2.3', title: 'the same in fragments of 1 octet', send: fragments(TEXT, latin, 1), receive: [text(latin)] },
    { id: '6.2.4', title: 'a Greek text in fragments of 1 octet', send: fragments(TEXT, greek, 1), receive: [text(greek)] },
    { id: '6.3.1', title: 'a text with a surrogate', send: [text(surrogate)], ...failed },
    { id: '6.3.2', title: 'the same in fragments of 1 octet', send: fragments(TEXT, surrogate, 1), ...failed },
    failFast('6.4.1', 'a code point beyond Unicode, in the second of 3 frames', asFrames(greek.length, greek.length + 4)),
    failFast('6.4.2', 'the same, the second frame being the octet that makes it unsound', asFrames(greek.length + 1, greek.length + 2)),
    failFast('6.4.3', 'a code point beyond Unicode, in the second of 3 parts of a frame', asParts(greek.length, greek.length + 4)),
    failFast('6.4.4', 'the same, the second part being the octet that makes it unsound', asParts(greek.length + 1, greek.length + 2)),
    ...sections()
  ] satisfies Case[]
}
