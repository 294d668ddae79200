/** Debezium's outbox EventRouter: rows that are inserted into an outbox table are events; each goes to the topic of its aggregate. */
import { boolean, choice, list, string } from '../../base.ts'
import { type ConnectValue, DataError, type Field, isStruct, type Schema, type Struct, struct } from '../../connector.ts'
import { cachedBySchema } from '../values/schemas.ts'
import { openRouting } from './routing.ts'
import { defineTransform } from './transform.ts'

const placements = ['header', 'envelope', 'partition'] as const

interface Placement {
  readonly field: string
  readonly where: (typeof placements)[number]
  readonly alias: string
}

/** Of one table: more are made anew. */
const mostTopics = 1_000
/** Of a timestamp, by the name of its schema: how many of its units a millisecond has. */
const unitsPerMs: Readonly<Record<string, bigint>> = {
  'io.debezium.time.Timestamp': 1n,
  'io.debezium.time.MicroTimestamp': 1_000n,
  'io.debezium.time.NanoTimestamp': 1_000_000n,
}

export const eventRouter = defineTransform({
  name: 'EventRouter',
  package: 'io.debezium.transforms.outbox.',
  sides: false,
  summary: 'makes events of the rows of an outbox table, and routes each by its kind',
  keys: {
    'table.field.event.id': string({ default: 'id', doc: 'The column of the id of the event, which becomes the header `id`.' }),
    'table.field.event.key': string({ default: 'aggregateid', doc: 'The column that becomes the key.' }),
    'table.field.event.type': string({ default: 'type', doc: 'Accepted; changes nothing, as with Debezium.' }),
    'table.field.event.timestamp': string({
      default: null,
      doc: 'The column of the time of the event. Default: when the change was read.',
    }),
    'table.field.event.payload': string({ default: 'payload', doc: 'The column that becomes the value.' }),
    'table.fields.additional.placement': list({
      default: '',
      doc: 'Other columns: `type:header,source:envelope:from,part:partition`, the last word, if there are three, being their name.',
    }),
    'table.field.additional.missing': choice(['error', 'ignore'], {
      default: 'error',
      ignoreCase: true,
      doc: 'Whether one that is missing is an error.',
    }),
    'table.field.event.schema.version': string({ default: null, doc: 'The column of the version of the schema of the value.' }),
    'table.expand.json.payload': boolean({
      default: false,
      doc: 'Only `false`: a payload of JSON stays the text that it is, which StringConverter writes as it is.',
    }),
    'route.by.field': string({ default: 'aggregatetype', doc: 'The column of the kind of the event.' }),
    'route.topic.regex': string({ default: '(?<routedByValue>.*)', doc: 'A Java regular expression that matches the kind.' }),
    'route.topic.replacement': string({ default: `outbox.event.\${routedByValue}`, doc: 'The topic.' }),
    'route.tombstone.on.empty.payload': boolean({ default: false, doc: 'Whether an event without payload is a tombstone.' }),
    'debezium.op.invalid.behavior': choice(['warn', 'error', 'fatal'], {
      default: 'warn',
      ignoreCase: true,
      doc: 'Updates of the outbox are left out, or fail the task (`fatal`). Deletions are left out.',
    }),
  },
  open(values, { refuse }) {
    if (values['table.expand.json.payload'])
      throw refuse('table.expand.json.payload', 'true', 'a payload of JSON stays the text that it is: only false is there')
    const added = values['table.fields.additional.placement'].map(text => {
      const placement = placementOf(text)
      if (placement === null)
        throw refuse('table.fields.additional.placement', text, `must be a column and one of ${placements.join(', ')}`)
      return placement
    })
    const inEnvelope = added.filter(({ where }) => where === 'envelope')
    const [regex, replacement] = [values['route.topic.regex'], values['route.topic.replacement']]
    const route = openRouting({ keys: ['route.topic.regex', 'route.topic.replacement'], regex, replacement }, refuse)
    const [idName, keyName, payloadName, kindName] = [
      values['table.field.event.id'],
      values['table.field.event.key'],
      values['table.field.event.payload'],
      values['route.by.field'],
    ]
    const isMissingIgnored = values['table.field.additional.missing'] === 'ignore'
    const isThere = (schema: Schema, name: string) => !isMissingIgnored || schema.fields?.some(field => field.name === name) === true

    const envelopeOf = envelopeSchemas(payloadName, inEnvelope, isThere)
    return {
      apply(record) {
        const { valueSchema, value: event } = record
        if (event === null) return null
        if (valueSchema?.name?.endsWith('.Envelope') !== true || !isStruct(event)) return record
        if (event['op'] === 'd') return null
        if (event['op'] === 'u') {
          if (values['debezium.op.invalid.behavior'] === 'fatal') throw new DataError('Unexpected update message received, fail.')
          return null
        }
        const schema = fieldOf(valueSchema, 'after', 'field')
        const row = event['after']
        if (!isStruct(row)) throw new DataError('Only Struct objects supported for [Read Outbox Event], found: null')
        const payload = row[payloadName] ?? null
        const payloadSchema = fieldOf(schema, payloadName, 'payload field')
        const kind = row[kindName]
        if (typeof kind !== 'string') throw new DataError(`Field '${kindName}' is not of type STRING`)
        const headers = [...record.headers, { name: 'id', schema: fieldOf(schema, idName, 'event-id field'), value: row[idName] ?? null }]
        let { partition } = record
        for (const { field, where, alias } of added) {
          if (!isThere(schema, field)) continue
          const own = fieldOf(schema, field, 'field')
          if (where === 'header') headers.push({ name: alias, schema: own, value: row[field] ?? null })
          if (where === 'partition') partition = partitionOf(row, field)
        }
        const isEmpty = payload === null || (typeof payload === 'string' && payload.trim() === '')
        const made = ((): { valueSchema: Schema | null; value: ConnectValue } => {
          if (isEmpty && values['route.tombstone.on.empty.payload']) return { valueSchema: null, value: null }
          if (inEnvelope.length === 0) return { valueSchema: payloadSchema, value: payload }
          const others = inEnvelope.filter(({ field }) => isThere(schema, field))
          const whole = struct([['payload', payload], ...others.map(({ field, alias }) => [alias, row[field] ?? null] as const)])
          return { valueSchema: envelopeOf(schema, kind, versionOf(row, values['table.field.event.schema.version'])), value: whole }
        })()
        const time = values['table.field.event.timestamp']
        const timestampMs = (time === null ? null : timeOf(schema, row, time)) ?? wholeOf(event['ts_ms']) ?? record.timestampMs
        return {
          ...record,
          ...{ topic: route(kind) ?? kind, partition, timestampMs, headers },
          ...{ keySchema: fieldOf(schema, keyName, 'event-key field'), key: row[keyName] ?? null },
          ...made,
        }
      },
    }
  },
})

/** Of the rows of a table, by their kind: the payload with other columns beside it. */
function envelopeSchemas(payload: string, others: readonly Placement[], isThere: (schema: Schema, name: string) => boolean) {
  const known = cachedBySchema(() => new Map<string, Schema>())
  return (schema: Schema, kind: string, version: number | null): Schema => {
    const ofTable = known(schema)
    const key = `${version} ${kind}`
    let made = ofTable.get(key)
    if (made === undefined) {
      if (ofTable.size >= mostTopics) ofTable.clear()
      const more = others.filter(({ field }) => isThere(schema, field))
      const fields: Field[] = [
        { name: 'payload', schema: fieldOf(schema, payload, 'payload field') },
        ...more.map(({ field, alias }) => ({ name: alias, schema: fieldOf(schema, field, 'field') })),
      ]
      made = { type: 'struct', name: nameFor(schema, kind), ...(version !== null && { version }), fields }
      ofTable.set(key, made)
    }
    return made
  }
}

/** null: it is none. */
function placementOf(text: string): Placement | null {
  const [field = '', where = '', alias = field, ...more] = text.split(':').map(part => part.trim())
  const known = placements.find(each => each === where.toLowerCase())
  return field === '' || alias === '' || known === undefined || more.length > 0 ? null : { field, where: known, alias }
}

function fieldOf(schema: Schema, name: string, what: string): Schema {
  const found = schema.fields?.find(field => field.name === name)
  if (found === undefined) throw new DataError(`Unable to find ${what} ${name} in event`)
  return found.schema
}

/** `shop.public.outbox.Value` of the kind `order` is `shop.public.outbox.order.Value`. */
function nameFor({ name }: Schema, kind: string): string {
  if (name === undefined) return kind
  const point = name.lastIndexOf('.')
  return `${name.slice(0, point + 1)}${kind}.${name.slice(point + 1)}`
}

function wholeOf(value: ConnectValue | undefined): bigint | null {
  return typeof value === 'bigint' ? value : typeof value === 'number' ? BigInt(Math.trunc(value)) : null
}

function partitionOf(row: Struct, field: string): number | null {
  const value = row[field] ?? null
  if (value !== null && typeof value !== 'number') throw new DataError(`Field '${field}' is not of type INT32`)
  return value
}

function versionOf(row: Struct, field: string | null): number | null {
  const value = field === null ? null : (row[field] ?? null)
  if (value !== null && typeof value !== 'number') throw new DataError(`Field '${field}' is not of type INT32`)
  return value
}

/** null: the row has none. */
function timeOf(schema: Schema, row: Struct, name: string): bigint | null {
  const { name: of, type } = fieldOf(schema, name, 'timestamp field')
  const value = wholeOf(row[name])
  if (value === null) return null
  const units = of === undefined ? undefined : unitsPerMs[of]
  if (units === undefined) throw new DataError(`Unsupported field type ${of ?? type} for event timestamp`)
  return value / units
}
