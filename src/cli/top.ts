/**
 * `millrace top`: live throughput by topic and by client, of any Kafka cluster.
 *
 * Brokers do not tell who sends how much, so it is derived from what they do tell: ends of partitions, sequence numbers of producers, committed offsets of groups and
 * their members. What comes from producers without an id (acks other than all, or idempotence switched off) is told together.
 */
import { pause, realSystem, type System, severalAtOnce } from '../base.ts'
import { type Client, ClientError, everyPartition, type GroupInfo, type PartitionName } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { plural, rateText, size, table, time } from './output.ts'
import { type ClientRate, type Reading, rates, type TopicRate, type Written } from './top-rates.ts'
import { watch } from './watch.ts'

export interface TopFlags extends ClientFlags {
  interval: number
  rows: number
  samples?: number
  topic?: string[]
}

/** The first rates come soon. */
const firstIntervalMs = 1_000
/** Partitions whose producers are looked at, and groups, those that are busy first. */
const mostPartitions = 500
const mostGroups = 200
const groupsAtOnce = 8

export async function top(flags: TopFlags): Promise<void> {
  const system = realSystem()
  await using client = await connect(flags)
  const looker = new Looker(client, system, flags.topic)
  const options = { intervalMs: flags.interval, json: flags.json, samples: flags.samples }
  await watch(system, options, async (isFirst, signal) => {
    if (isFirst) {
      await looker.look()
      await pause(system, Math.min(flags.interval, firstIntervalMs), signal)
    }
    await looker.look()
    const found = looker.rates()
    const value = { time: system.clock.now(), ...found }
    return { value, text: textOf(time(system.clock.now())!, found.topics, found.clients, flags.rows) }
  })
}

class Looker {
  readonly #client: Client
  readonly #system: System
  readonly #topics: readonly string[] | undefined
  #before: Reading | null = null
  #now: Reading | null = null

  constructor(client: Client, system: System, topics: readonly string[] | undefined) {
    this.#client = client
    this.#system = system
    this.#topics = topics
  }

  async look(): Promise<void> {
    const places = await this.#places()
    const ends = await this.#client.manyOffsets(places, 'latest')
    const atMs = this.#system.clock.monotonic()
    const busy = places.filter(({ topic, partition }) => {
      const before = this.#now?.ends.get(topic)?.get(partition)
      return before === undefined || before !== ends.get(topic)?.get(partition)
    })
    const names = [...new Set(busy.map(each => each.topic))]
    const [bytes, written, groups, transactionalIds] = await Promise.all([
      this.#bytes(names),
      this.#client.manyProducers(busy.slice(0, mostPartitions)),
      this.#groups(),
      this.#transactionalIds(),
    ])
    this.#before = this.#now
    this.#now = { atMs, ends, bytes, written: merged(this.#before, written), ...groups, transactionalIds }
  }

  rates(): { topics: TopicRate[]; clients: ClientRate[] } {
    return this.#before === null || this.#now === null ? { topics: [], clients: [] } : rates(this.#before, this.#now)
  }

  async #places(): Promise<PartitionName[]> {
    const states = await this.#client.topicStates()
    return everyPartition(states.filter(({ name }) => this.#topics?.includes(name) ?? !name.startsWith('__')))
  }

  /** On the disks; null if nobody tells. */
  async #bytes(topics: readonly string[]): Promise<ReadonlyMap<string, bigint> | null> {
    return topics.length === 0 ? new Map() : allowed(() => this.#client.topicSizes())
  }

  async #transactionalIds(): Promise<ReadonlyMap<string, string>> {
    const listed = (await allowed(() => this.#client.transactions())) ?? []
    return new Map(listed.map(({ producerId, transactionalId }) => [String(producerId), transactionalId]))
  }

  async #groups(): Promise<Pick<Reading, 'committed' | 'owners'>> {
    const committed = new Map<string, bigint>()
    const owners = new Map<string, string>()
    const groups = (await this.#client.groups()).filter(each => each.state !== 'Empty' && each.state !== 'Dead').slice(0, mostGroups)
    await severalAtOnce(groups, groupsAtOnce, async ({ group, type }) => {
      const info: GroupInfo | null = await allowed(() => this.#client.group(group))
      for (const { topic, partition, offset } of (await allowed(() => this.#client.groupOffsets(group, type))) ?? [])
        committed.set(JSON.stringify([group, topic, partition]), offset)
      for (const { clientId, partitions } of info?.members ?? [])
        for (const { topic, partition } of partitions) owners.set(JSON.stringify([group, topic, partition]), clientId)
    })
    return { committed, owners }
  }
}

/** What is not moving is not looked at again. */
function merged(before: Reading | null, written: readonly Written[]): Map<string, Written> {
  const all = new Map(before?.written)
  for (const each of written) all.set(JSON.stringify([each.topic, each.partition, String(each.producerId)]), each)
  return all
}

/** null if it is not allowed, not supported, or gone: the rest is shown. */
async function allowed<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof ClientError && /AUTHORIZATION_FAILED$|^UNSUPPORTED_VERSION$|^GROUP_ID_NOT_FOUND$/.test(error.code)) return null
    throw error
  }
}

function textOf(now: string, topics: readonly TopicRate[], clients: readonly ClientRate[], rows: number): string {
  const sum = topics.reduce((all, each) => all + each.recordsPerSecond, 0)
  const moving = topics.filter(each => each.recordsPerSecond > 0 || (each.readPerSecond ?? 0) > 0)
  const head = `${now}  ${plural(topics.length, 'topic')}, ${moving.length} busy, ${rateText(sum)} records/s\n`
  if (moving.length === 0) return `${head}\nNothing is written or read.\n`
  const bytes = (perSecond: number | null) => (perSecond === null ? null : size(BigInt(Math.max(0, Math.round(perSecond)))))
  return [
    head,
    '\n',
    table(
      ['TOPIC', 'RECORDS/S', 'BYTES/S', 'READ/S', 'END'],
      moving
        .slice(0, rows)
        .map(each => [
          each.topic,
          rateText(each.recordsPerSecond),
          bytes(each.bytesPerSecond),
          rateText(each.readPerSecond),
          each.endOffset,
        ]),
    ),
    '\n',
    table(
      ['CLIENT', 'DOES', 'TOPIC', 'RECORDS/S'],
      clients.slice(0, rows).map(each => [each.client, each.does, each.topic, rateText(each.recordsPerSecond)]),
    ),
  ].join('')
}
