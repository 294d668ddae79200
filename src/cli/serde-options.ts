/**
 * Options that translate keys and values: `-s avro`, `-s key=text,value=protobuf`, with a registry. The formats themselves are loaded only by a command
 * that uses one, so their names stand here once more; a test compares them.
 */
import { InvalidArgumentError, Option } from 'commander'
import type { SchemaChoice, SerdeName } from '../serde.ts'

export const serdeNames: readonly SerdeName[] = [
  'avro',
  'jsonschema',
  'protobuf',
  'json',
  'text',
  'hex',
  'base64',
  'msgpack',
  'cbor',
  'kafka',
]

export type SerdeChoice = SerdeName | 'auto'

export interface SerdeFlags extends RegistryFlags {
  serde?: { key: SerdeChoice | null; value: SerdeChoice | null }
}

export interface RegistryFlags {
  registry?: string
  ca?: string
}

export const defaultRegistry = 'http://127.0.0.1:8081'

export function registryOption(): Option {
  return new Option(
    '--registry <url>',
    `schema registry; credentials as user@ in the URL, the password from MILLRACE_REGISTRY_PASSWORD (default: ${defaultRegistry})`,
  ).env('MILLRACE_REGISTRY')
}

export function serdeOption(names: readonly SerdeChoice[]): Option {
  const help = `format of keys and values: ${names.join(', ')}; key=…,value=… for each (default: bytes as they are)`
  return new Option('-s, --serde <format>', help).argParser(text => parseSerde(text, names))
}

/** One name is for both; `key=a,value=b` names each. */
function parseSerde(text: string, names: readonly SerdeChoice[]): NonNullable<SerdeFlags['serde']> {
  const chosen: { key: SerdeChoice | null; value: SerdeChoice | null } = { key: null, value: null }
  for (const part of text.split(',')) {
    const [, which, name] = /^(?:(key|value)=)?(.*)$/s.exec(part.trim())!
    const found = names.find(each => each === name)
    if (found === undefined) throw new InvalidArgumentError(`Unknown format ${name}; the formats are ${names.join(', ')}.`)
    if (which !== 'value') chosen.key = found
    if (which !== 'key') chosen.value = found
  }
  return chosen
}

/** `17`, `subject`, `subject@3`; `#Message` behind it chooses a message of a Protobuf file. */
export function schemaChoice(text: string): SchemaChoice {
  const [, which, message] = /^([^#]*)(?:#(.+))?$/s.exec(text)!
  const named = message === undefined ? {} : { message }
  if (which === '') return named
  if (/^\d{1,10}$/.test(which!)) return { ...named, id: Number(which) }
  const [, subject, version] = /^(.+?)(?:@(\d{1,10}))?$/s.exec(which!)!
  return { ...named, subject, ...(version === undefined ? {} : { version: Number(version) }) }
}
