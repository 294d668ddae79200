/** Confluent's records of `_schemas`: SchemaKey and SchemaValue and their like, as JSON. Byte for byte, because keys are compacted. */
import { createHash } from 'node:crypto'
import { parseLossless, stringifyLossless } from '../base.ts'
import type { Config } from './config.ts'
import { configFrom, printConfig } from './config.ts'
import {
  hashMetadata,
  type Metadata,
  printMetadata,
  printRuleSet,
  type RuleSet,
  readMetadata,
  readRuleSet,
  withoutEmpty,
} from './metadata.ts'
import type { Reference } from './schema.ts'

export const modes = ['READWRITE', 'READONLY', 'READONLY_OVERRIDE', 'IMPORT', 'FORWARD'] as const
export type Mode = (typeof modes)[number]

export interface SchemaContent {
  readonly type: string
  readonly text: string
  readonly references: readonly Reference[]
  readonly metadata: Metadata | null
  readonly ruleSet: RuleSet | null
}

export interface StoredSchema extends SchemaContent {
  readonly subject: string
  readonly version: number
  readonly id: number
  readonly deleted: boolean
}

/** `value` null: a tombstone. */
export type Change =
  | { readonly keytype: 'SCHEMA'; readonly subject: string; readonly version: number; readonly value: StoredSchema | null }
  /** `subject` null: of all subjects. */
  | { readonly keytype: 'CONFIG'; readonly subject: string | null; readonly value: Config | null }
  | { readonly keytype: 'MODE'; readonly subject: string | null; readonly value: Mode | null }
  | { readonly keytype: 'CONTEXT'; readonly context: string; readonly value: true | null }
  /** All versions up to this one are deleted softly. */
  | { readonly keytype: 'DELETE_SUBJECT'; readonly subject: string; readonly value: number | null }
  | { readonly keytype: 'CLEAR_SUBJECT'; readonly subject: string; readonly value: true | null }
  /** `leader`: the URL of the registry that has written it, which Confluent's does not tell. */
  | { readonly keytype: 'NOOP'; readonly value: { readonly leader: string } | null }

const tenant = 'default'

export function encodeChange(change: Change): { key: Buffer; value: Buffer | null } {
  const bytes = (json: object) => Buffer.from(stringifyLossless(json))
  return { key: bytes(keyOf(change)), value: change.value === null ? null : bytes(jsonOf(change)) }
}

function keyOf(change: Change): object {
  switch (change.keytype) {
    case 'SCHEMA':
      return { keytype: 'SCHEMA', subject: change.subject, version: change.version, magic: 1 }
    case 'CONTEXT':
      return { keytype: 'CONTEXT', tenant, context: change.context, magic: 0 }
    case 'NOOP':
      return { keytype: 'NOOP', magic: 0 }
    default:
      return { keytype: change.keytype, ...(change.subject === null ? {} : { subject: change.subject }), magic: 0 }
  }
}

function jsonOf(change: Change): object {
  switch (change.keytype) {
    case 'SCHEMA':
      return printStored(change.value!)
    case 'CONFIG':
      return { ...(change.subject === null ? {} : { subject: change.subject }), ...printConfig(change.value!) }
    case 'MODE':
      return { ...(change.subject === null ? {} : { subject: change.subject }), mode: change.value }
    case 'CONTEXT':
      return { tenant, context: change.context }
    case 'DELETE_SUBJECT':
      return { subject: change.subject, version: change.value }
    case 'CLEAR_SUBJECT':
      return { subject: change.subject }
    case 'NOOP':
      return change.value!
  }
}

function printStored({ subject, version, id, type, references, metadata, ruleSet, text, deleted }: StoredSchema): object {
  return {
    subject,
    version,
    id,
    schemaType: type,
    ...(references.length === 0 ? {} : { references }),
    ...(metadata === null ? {} : { metadata: printMetadata(metadata) }),
    ...(ruleSet === null ? {} : { ruleSet: printRuleSet(ruleSet) }),
    schema: text,
    deleted,
  }
}

/** null: a kind of record that says nothing to us. Throws SyntaxError, TypeError and HttpError. */
export function decodeChange(key: Buffer, value: Buffer | null): Change | null {
  const { keytype, subject, version, context } = (parseLossless(key.toString('utf8')) ?? {}) as Record<string, unknown>
  const json = value === null ? null : (parseLossless(value.toString('utf8')) as Record<string, unknown>)
  const named = typeof subject === 'string' ? subject : null
  switch (keytype) {
    case 'SCHEMA':
      return {
        keytype,
        subject: text(subject),
        version: integer(version),
        value: json === null ? null : readStored(text(subject), integer(version), json),
      }
    case 'CONFIG':
      return { keytype, subject: named, value: json === null ? null : configFrom(json) }
    case 'MODE': {
      const mode = modes.find(each => each === json?.['mode'])
      return { keytype, subject: named, value: mode ?? null }
    }
    case 'CONTEXT':
      return { keytype, context: text(context), value: json === null ? null : true }
    case 'DELETE_SUBJECT':
      return { keytype, subject: text(subject), value: json === null ? null : integer(json['version']) }
    case 'CLEAR_SUBJECT':
      return { keytype, subject: text(subject), value: json === null ? null : true }
    case 'NOOP': {
      const leader = json?.['leader']
      return { keytype, value: typeof leader === 'string' ? { leader } : null }
    }
    default:
      return null
  }
}

function readStored(subject: string, version: number, json: Record<string, unknown>): StoredSchema {
  return {
    subject,
    version,
    id: integer(json['id']),
    type: typeof json['schemaType'] === 'string' ? json['schemaType'] : 'AVRO',
    references: readReferences(json['references']),
    metadata: readMetadata(json['metadata']),
    ruleSet: readRuleSet(json['ruleSet']),
    text: text(json['schema']),
    deleted: json['deleted'] === true,
  }
}

/** Throws TypeError. */
export function readReferences(json: unknown): Reference[] {
  if (json === null || json === undefined) return []
  if (!Array.isArray(json)) throw new TypeError('references is not an array')
  return json.map(each => {
    const { name, subject, version } = (each ?? {}) as Record<string, unknown>
    return { name: text(name), subject: text(subject), version: integer(version) }
  })
}

/** What makes a schema one of its own: the digest of its content, in the form of a UUID. */
export function guidOf({ text: schema, references, metadata, ruleSet }: SchemaContent): string {
  const hash = createHash('md5').update(schema)
  for (const { name, subject, version } of references) {
    const number = Buffer.alloc(4)
    number.writeInt32BE(version)
    hash.update(name).update(subject).update(number)
  }
  hashMetadata(hash, metadata, ruleSet)
  return hash.digest('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** As it is answered. */
export function printContent({ type, references, metadata, ruleSet, text: schema }: SchemaContent): object {
  return withoutEmpty({
    schemaType: type,
    references,
    metadata: metadata === null ? null : printMetadata(metadata),
    ruleSet: ruleSet === null ? null : printRuleSet(ruleSet),
    schema,
  })
}

function text(json: unknown): string {
  if (typeof json !== 'string') throw new TypeError('a text is missing')
  return json
}

function integer(json: unknown): number {
  if (typeof json !== 'number' || !Number.isInteger(json) || json < -1 || json > 2_147_483_647)
    throw new TypeError('a whole number is missing')
  return json
}
