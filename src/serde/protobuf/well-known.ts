/** Messages of google.protobuf that have a form of their own in JSON: times, durations, wrappers, free JSON, masks, and Any. */
import { put } from '../budget.ts'
import { type Display, SerdeError } from '../types.ts'
import type { Decoder, Raw, RawValue } from './decode.ts'
import type { Encoder } from './encode.ts'
import type { Message } from './schema.ts'

interface WellKnown {
  show(raw: Raw, decoder: Decoder): Display
  /** The value as the message itself, with names of fields, for the encoder. */
  unfold(value: unknown, encoder: Encoder, message: Message): Record<string, unknown>
}

const wrapper: WellKnown = {
  show(raw, decoder) {
    const field = fieldOf(raw, 1)
    return decoder.showValue(field, single(raw, 1) ?? (field.default as RawValue))
  },
  unfold: value => ({ value }),
}

const timestamp: WellKnown = {
  show(raw) {
    const [seconds, nanos] = parts(raw)
    if (seconds < -62_135_596_800n || seconds > 253_402_300_799n || nanos < 0)
      throw new SerdeError(`the time of ${seconds} s and ${nanos} ns is out of range`)
    return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}${fraction(nanos)}Z`
  },
  unfold(value) {
    const match = typeof value === 'string' ? /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/.exec(value) : null
    const ms = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`.toUpperCase())
    if (Number.isNaN(ms)) throw new SerdeError(`${JSON.stringify(value)} is not a time such as 2026-01-31T12:00:00Z`)
    return { seconds: ms / 1000, nanos: Number((match![2] ?? '').padEnd(9, '0')) }
  },
}

const duration: WellKnown = {
  show(raw) {
    const [seconds, nanos] = parts(raw)
    const negative = seconds < 0n || nanos < 0
    return `${negative ? '-' : ''}${seconds < 0n ? -seconds : seconds}${fraction(Math.abs(nanos))}s`
  },
  unfold(value) {
    const match = typeof value === 'string' ? /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(value) : null
    if (match === null) throw new SerdeError(`${JSON.stringify(value)} is not a duration such as 1.5s`)
    const sign = match[1] === '-' ? -1 : 1
    // Not -0.
    return { seconds: sign * Number(match[2]) || 0, nanos: sign * Number((match[3] ?? '').padEnd(9, '0')) || 0 }
  },
}

const mask: WellKnown = {
  show: raw =>
    list(raw, 1)
      .map(path => String(path).replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()))
      .join(','),
  unfold(value) {
    if (typeof value !== 'string') throw new SerdeError('a field mask must be a string')
    return { paths: value === '' ? [] : value.split(',').map(path => path.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)) }
  },
}

const struct: WellKnown = {
  show(raw, decoder) {
    const shown: Record<string, Display> = {}
    for (const entry of list(raw, 1) as Raw[]) {
      const value = single(entry, 2)
      put(shown, String(single(entry, 1) ?? ''), value === undefined ? null : decoder.show(asMessage(value)))
    }
    return shown
  },
  unfold(value) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new SerdeError('a Struct must be an object')
    return { fields: value }
  },
}

const listValue: WellKnown = {
  show: (raw, decoder) => list(raw, 1).map(each => decoder.show(asMessage(each))),
  unfold(value) {
    if (!Array.isArray(value)) throw new SerdeError('a ListValue must be an array')
    return { values: value }
  },
}

const anyValue: WellKnown = {
  show(raw, decoder) {
    for (const { field, value } of raw.values.values()) return field.id === 1 ? null : decoder.showValue(field, value as RawValue)
    return null
  },
  unfold(value) {
    if (value === null) return { nullValue: 0 }
    if (typeof value === 'bigint') return { numberValue: value }
    if (typeof value === 'object') return Array.isArray(value) ? { listValue: value } : { structValue: value }
    return { [{ number: 'numberValue', string: 'stringValue', boolean: 'boolValue' }[typeof value as 'number']]: value }
  },
}

/** Of a type that the schema does not have, the bytes are shown. */
const any: WellKnown = {
  show(raw, decoder) {
    const url = String(single(raw, 1) ?? '')
    const bytes = single(raw, 2) ?? Buffer.alloc(0)
    const shown: Record<string, Display> = {}
    if (url === '') return shown
    shown['@type'] = url
    const message = decoder.file.lookup(typeIn(url))
    if (message === null || !Buffer.isBuffer(bytes)) shown.value = String((bytes as Buffer).toString('base64'))
    else {
      const inner = decoder.nested(message, bytes)
      if (wellKnown.has(message.name)) shown.value = inner
      else for (const [name, value] of Object.entries(inner as Record<string, Display>)) put(shown, name, value)
    }
    return shown
  },
  unfold(value, encoder) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new SerdeError('an Any must be an object')
    const { '@type': url, ...rest } = value as Record<string, unknown>
    if (url === undefined) return {}
    const message = encoder.file.lookup(typeIn(String(url)))
    if (message === null) return { typeUrl: url, value: rest.value }
    return { typeUrl: url, value: encoder.bytesOf(message, wellKnown.has(message.name) ? rest.value : rest).toString('base64') }
  },
}

const wrappers = ['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes']

export const wellKnown: ReadonlyMap<string, WellKnown> = new Map<string, WellKnown>([
  ...wrappers.map((name): [string, WellKnown] => [`google.protobuf.${name}Value`, wrapper]),
  ['google.protobuf.Timestamp', timestamp],
  ['google.protobuf.Duration', duration],
  ['google.protobuf.FieldMask', mask],
  ['google.protobuf.Struct', struct],
  ['google.protobuf.ListValue', listValue],
  ['google.protobuf.Value', anyValue],
  ['google.protobuf.Any', any],
])

function fieldOf(raw: Raw, id: number) {
  const field = raw.message.fields.get(id)
  if (field === undefined) throw unusual(raw.message)
  return field
}

function single(raw: Raw, id: number): RawValue | undefined {
  const found = raw.values.get(id)?.value
  if (Array.isArray(found)) throw unusual(raw.message)
  return found
}

function list(raw: Raw, id: number): RawValue[] {
  const found = raw.values.get(id)?.value ?? []
  if (!Array.isArray(found)) throw unusual(raw.message)
  return found
}

function asMessage(value: RawValue): Raw {
  if (typeof value !== 'object' || Buffer.isBuffer(value)) throw new SerdeError('a message of google.protobuf is not as it should be')
  return value
}

function parts(raw: Raw): [seconds: bigint, nanos: number] {
  const seconds = single(raw, 1) ?? 0
  const nanos = single(raw, 2) ?? 0
  if ((typeof seconds !== 'bigint' && !Number.isInteger(seconds)) || typeof nanos !== 'number' || !(Math.abs(nanos) < 1e9))
    throw unusual(raw.message)
  return [BigInt(seconds as number), nanos]
}

function unusual({ name }: Message): SerdeError {
  return new SerdeError(`a ${name} is not as it should be`)
}

/** None, or three, six or nine digits. */
function fraction(nanos: number): string {
  if (nanos === 0) return ''
  const digits = String(nanos).padStart(9, '0')
  return `.${digits.replace(/(?:000){1,2}$/, '')}`
}

function typeIn(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1)
}
