/** To produce a record, by hand or again, and to send records of a dead-letter topic back to where they came from. */
import { type Static, Type } from 'typebox'
import { parseInTurns, type Turns } from '../../base.ts'
import { type Client, ClientError, type ReceivedRecord, type RecordToSend } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { openSerdes, type RegistryClient, SerdeError } from '../../serde.ts'
import { sourceOf, withoutErrors } from '../messages/redrive.ts'
import { Digits, MaybeDigits, MaybeText, OfTopic, route, TopicName } from '../route.ts'
import { operationsOnTopic } from './rights.ts'

const Bytes = Type.Union([
  Type.Object({ text: Type.String() }),
  Type.Object({ base64: Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' }) }),
  /** JSON, to be encoded; default: with the newest schema of the subject `<topic>-key` or `<topic>-value`. */
  Type.Object({
    json: Type.String(),
    serde: Type.Union([
      Type.Literal('avro'),
      Type.Literal('jsonschema'),
      Type.Literal('protobuf'),
      Type.Literal('json'),
      Type.Literal('msgpack'),
      Type.Literal('cbor'),
    ]),
    id: Type.Optional(Type.Integer({ minimum: 1 })),
    subject: Type.Optional(Type.String({ minLength: 1 })),
    message: Type.Optional(Type.String({ minLength: 1 })),
  }),
  Type.Null(),
])
type Bytes = Static<typeof Bytes>

interface Target {
  readonly topic: string
  readonly registry: RegistryClient | null
  readonly turns: Turns
}

async function bytesOf(given: Bytes, part: 'key' | 'value', { topic, registry, turns }: Target): Promise<Buffer | null> {
  if (given === null) return null
  if ('text' in given) return Buffer.from(given.text, 'utf8')
  if ('base64' in given) return Buffer.from(given.base64, 'base64')
  const { json, serde, ...schema } = given
  try {
    return await openSerdes({ registry }).encode(serde, await parseInTurns(json, turns), { topic, part }, schema)
  } catch (error) {
    if (error instanceof SerdeError || error instanceof SyntaxError) throw new HttpError(400, 400, `The ${part}: ${error.message}`)
    throw error
  }
}

const produce = route({
  method: 'POST',
  path: '/topics/:topic/messages',
  changes: [],
  params: OfTopic,
  body: Type.Object({
    key: Bytes,
    value: Bytes,
    headers: Type.Optional(Type.Array(Type.Object({ key: Type.String(), value: Bytes }), { maxItems: 1_000 })),
    partition: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
  response: Type.Object({ partition: Type.Integer(), offset: Digits() }),
  async handle({ params: { topic }, body, client, registry, shared: { turns } }) {
    // The library would create a topic that is missing.
    await client.topics([topic])
    const target = { topic, registry, turns }
    const headers = await Promise.all(
      (body.headers ?? []).map(async each => ({
        key: Buffer.from(each.key, 'utf8'),
        value: await bytesOf(each.value, 'value', target),
      })),
    )
    const [key, value] = await Promise.all([bytesOf(body.key, 'key', target), bytesOf(body.value, 'value', target)])
    const record: RecordToSend = { key, value, headers, partition: body.partition }
    const [placed] = await client.send(topic, [record], { acks: 'all' })
    return { partition: placed!.partition, offset: String(placed!.offset) }
  },
})

const mostRedriven = 1_000
const Place = Type.Object({ partition: Type.Integer({ minimum: 0 }), offset: Digits() })

const redrive = route({
  method: 'POST',
  path: '/topics/:topic/redrive',
  changes: [],
  params: OfTopic,
  body: Type.Object({
    records: Type.Array(Place, { minItems: 1, maxItems: mostRedriven }),
    /** Instead of the topic that the headers name. */
    to: Type.Optional(TopicName),
    dryRun: Type.Boolean(),
  }),
  response: Type.Object({
    records: Type.Array(
      Type.Object({
        ...Place.properties,
        /** null: it cannot be sent back. */
        topic: MaybeText,
        /** null: by its key. */
        toPartition: Type.Union([Type.Integer(), Type.Null()]),
        /** After it was sent. */
        toOffset: MaybeDigits,
        problem: MaybeText,
      }),
    ),
  }),
  audit: ({ body: { records, to, dryRun } }) => (dryRun ? null : { records: records.length, to: to ?? 'source' }),
  async handle({ params: { topic }, body: { records: places, to, dryRun }, client }) {
    const found = await readPlaces(client, topic, places)
    const plans = places.map(place => planOf(place, found.get(`${place.partition}:${place.offset}`), to))
    await checkTargets(client, plans)
    if (!dryRun) await send(client, plans)
    return { records: plans.map(({ record: _, ...shown }) => shown) }
  },
})

interface Plan extends Static<typeof Place> {
  record: ReceivedRecord | null
  topic: string | null
  toPartition: number | null
  toOffset: string | null
  problem: string | null
}

function planOf(place: Static<typeof Place>, record: ReceivedRecord | undefined, to: string | undefined): Plan {
  const plan = { ...place, record: null, topic: null, toPartition: null, toOffset: null }
  if (record === undefined) return { ...plan, problem: 'there is no record at this offset any more' }
  const source = sourceOf(record)
  if (source === null && to === undefined) return { ...plan, problem: 'no header says where it came from' }
  // The partition is that of the source, which another topic need not have.
  return { ...plan, record, topic: to ?? source!.topic, toPartition: to === undefined ? source!.partition : null, problem: null }
}

/** Reads what lies close together at once. */
async function readPlaces(client: Client, topic: string, places: readonly Static<typeof Place>[]): Promise<Map<string, ReceivedRecord>> {
  const farApart = 1_000n
  const found = new Map<string, ReceivedRecord>()
  for (const [partition, wanted] of Map.groupBy(places, each => each.partition)) {
    const [starts, ends] = await Promise.all([client.offsets(topic, [partition], 'earliest'), client.offsets(topic, [partition], 'latest')])
    const offsets = wanted
      .map(each => BigInt(each.offset))
      .filter(each => each >= starts.get(partition)! && each < ends.get(partition)!)
      .sort((a, b) => (a < b ? -1 : 1))
    const asked = new Set(offsets)
    for (let at = 0; at < offsets.length; ) {
      const low = offsets[at]!
      let high = low
      for (; at < offsets.length && offsets[at]! - high <= farApart; at++) high = offsets[at]!
      const reading = { topic, from: new Map([[partition, low]]), until: new Map([[partition, high + 1n]]) }
      for await (const records of client.read(reading))
        for (const record of records) if (asked.has(record.offset)) found.set(`${partition}:${record.offset}`, record)
    }
  }
  return found
}

/** Before anything is sent: whether the topics are there, have such a partition, and may be written. */
async function checkTargets(client: Client, plans: readonly Plan[]): Promise<void> {
  for (const [topic, of] of Map.groupBy(plans, each => each.topic)) {
    if (topic === null) continue
    const refuse = (problem: string) => {
      for (const plan of of) Object.assign(plan, { record: null, problem })
    }
    try {
      const [info] = await client.topics([topic])
      const { partitions } = info!
      const allowed = await operationsOnTopic(client, topic)
      if (allowed !== null && !allowed.includes('WRITE')) refuse(`you may not write to ${topic}`)
      for (const plan of of) if ((plan.toPartition ?? 0) >= partitions.length) plan.toPartition = null
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      refuse(error.message)
    }
  }
}

async function send(client: Client, plans: readonly Plan[]): Promise<void> {
  for (const [topic, of] of Map.groupBy(plans, each => each.topic)) {
    const sending = of.filter(each => each.record !== null)
    if (topic === null || sending.length === 0) continue
    const records = sending.map(({ record, toPartition }): RecordToSend => {
      const { key, value, headers } = record!
      return { key, value, headers: withoutErrors(headers), partition: toPartition ?? undefined }
    })
    const outcomes = await client.sendEach(topic, records, { acks: 'all' })
    for (const [at, outcome] of outcomes.entries()) {
      const plan = sending[at]!
      if (outcome instanceof Error) plan.problem = outcome.message
      else Object.assign(plan, { toPartition: outcome.partition, toOffset: String(outcome.offset) })
    }
  }
}

export const produceRoutes = [produce, redrive] as const
