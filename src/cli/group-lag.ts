/** How far groups are behind: `millrace group lag`, once or again and again, and what `group list` and `group describe` show of it. */
import { realSystem, type System, severalAtOnce } from '../base.ts'
import { type Client, ClientError, type GroupInfo, type GroupListing, type GroupOffset, type PartitionName } from '../client.ts'
import { connect } from './connect.ts'
import { knownOffsets } from './known-offsets.ts'
import type { ClientFlags } from './options.ts'
import { rateText, show, table } from './output.ts'
import { barOnTerminal } from './progress-line.ts'
import { watch } from './watch.ts'

/** Asks for the end of each topic once, however many groups read it. */
export async function lagsOf(client: Client, groups: readonly GroupListing[]): Promise<Map<string, bigint>> {
  const offsets: (GroupOffset & { group: string })[] = []
  const progress = barOnTerminal(realSystem())
  let done = 0
  await severalAtOnce(groups, groupsAtOnce, async ({ group, type }) => {
    progress?.show('groups', () => ({ part: done / groups.length, text: `group ${done} of ${groups.length}` }))
    for (const each of await client.groupOffsets(group, type)) offsets.push({ ...each, group })
    done++
  })
  progress?.end()
  const lags = new Map(groups.map(({ group }) => [group, 0n]))
  for (const [topic, ofTopic] of Map.groupBy(offsets, each => each.topic)) {
    const ends = await endsOf(client, topic, [...new Set(ofTopic.map(each => each.partition))])
    for (const { group, partition, offset, lag } of ofTopic) {
      lags.set(group, lags.get(group)! + (lag ?? lagBehind(ends.get(partition), offset) ?? 0n))
    }
  }
  return lags
}

/** null when the partition is gone. */
function lagBehind(end: bigint | null | undefined, offset: bigint): bigint | null {
  if (end === null || end === undefined) return null
  return end > offset ? end - offset : 0n
}

export interface LagRow {
  topic: string
  partition: number
  /** Of a share group: where the partition begins for it. null: none committed. */
  committedOffset: bigint | null
  /** null: the partition is gone. */
  endOffset: bigint | null
  lag: bigint | null
  member: string | null
  host: string | null
}

export async function lagOf(client: Client, { group, type, members }: GroupInfo): Promise<LagRow[]> {
  const rows = new Map<string, LagRow>()
  const rowOf = (topic: string, partition: number): LagRow => {
    const id = `${topic}-${partition}`
    let row = rows.get(id)
    if (row === undefined)
      rows.set(id, (row = { topic, partition, committedOffset: null, endOffset: null, lag: null, member: null, host: null }))
    return row
  }
  for (const { topic, partition, offset, lag } of await client.groupOffsets(group, type)) {
    Object.assign(rowOf(topic, partition), { committedOffset: offset, lag })
  }
  for (const { id, host, partitions } of members) {
    // Members of a share group read the same partitions.
    for (const { topic, partition } of partitions) {
      const row = rowOf(topic, partition)
      const others = type === 'share' && row.member !== null
      Object.assign(row, { member: others ? `${row.member},${id}` : id, host: others ? `${row.host},${host}` : host })
    }
  }
  for (const [topic, ofTopic] of Map.groupBy(rows.values(), row => row.topic)) {
    const ends = await endsOf(
      client,
      topic,
      ofTopic.map(row => row.partition),
    )
    for (const row of ofTopic) {
      row.endOffset = ends.get(row.partition) ?? null
      if (row.lag === null && row.committedOffset !== null) row.lag = lagBehind(row.endOffset, row.committedOffset)
    }
  }
  return [...rows.values()].sort(byPlace)
}

/** Of partitions that exist and are online; none of a topic that was deleted while the group still has offsets in it. */
async function endsOf(client: Client, topic: string, partitions: readonly number[]): Promise<Map<number, bigint>> {
  const ends = new Map<number, bigint>()
  try {
    const [info] = await client.topics([topic])
    const known = await knownOffsets(client, info!, new Set(partitions), 'latest')
    for (const [partition, end] of known) if (typeof end === 'bigint') ends.set(partition, end)
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
  }
  return ends
}

export function byPlace(a: PartitionName, b: PartitionName): number {
  return a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1
}

export interface LagFlags extends ClientFlags {
  watch?: number | true
}

const defaultIntervalMs = 2_000
/** There may be thousands. */
const groupsAtOnce = 8

/** Of the named groups by partition, otherwise of all groups by topic. */
export async function showLag(names: string[], flags: LagFlags): Promise<void> {
  await using client = await connect(flags)
  const system = realSystem()
  const look = () => sample(client, names, system)
  const first = await look()
  if (flags.watch === undefined) return show(flags.json, rowsOf(first, null), () => textOf(first, null))
  const intervalMs = flags.watch === true ? defaultIntervalMs : flags.watch
  let before = first
  await watch(system, { intervalMs, json: flags.json }, async isFirst => {
    const now = isFirst ? first : await look()
    const earlier = isFirst ? null : before
    before = now
    return { value: { time: now.time, lag: rowsOf(now, earlier) }, text: textOf(now, earlier) }
  })
}

interface Sample {
  readonly time: number
  readonly atMs: number
  readonly isByPartition: boolean
  /** By group, topic and partition. */
  readonly rows: ReadonlyMap<string, LagLine>
}

interface LagLine {
  group: string
  topic: string
  /** null: all partitions of the topic. */
  partition: number | null
  committedOffset: bigint | null
  endOffset: bigint | null
  lag: bigint | null
  member: string | null
}

async function sample(client: Client, names: readonly string[], { clock }: System): Promise<Sample> {
  const rows = new Map<string, LagLine>()
  const isByPartition = names.length > 0
  const infos = isByPartition ? await Promise.all(names.map(name => client.group(name))) : (await client.groups()).map(withoutMembers)
  const found = new Map<string, LagRow[]>()
  await severalAtOnce(infos, groupsAtOnce, async info => void found.set(info.group, await lagOf(client, info)))
  for (const info of infos) {
    for (const { topic, partition, committedOffset, endOffset, lag, member } of found.get(info.group)!) {
      const line = { group: info.group, topic, committedOffset, endOffset, lag }
      if (isByPartition) rows.set(`${info.group} ${topic} ${partition}`, { ...line, partition, member })
      else addTo(rows, `${info.group} ${topic}`, { ...line, partition: null, member: null })
    }
  }
  return { time: clock.now(), atMs: clock.monotonic(), isByPartition, rows }
}

function withoutMembers({ group, type, state, protocolType }: GroupListing): GroupInfo {
  return { group, type, state, protocolType, protocol: '', epoch: null, members: [] }
}

function addTo(rows: Map<string, LagLine>, key: string, line: LagLine): void {
  const sum = rows.get(key)
  if (sum === undefined) return void rows.set(key, line)
  sum.committedOffset = added(sum.committedOffset, line.committedOffset)
  sum.endOffset = added(sum.endOffset, line.endOffset)
  sum.lag = added(sum.lag, line.lag)
}

function added(a: bigint | null, b: bigint | null): bigint | null {
  return a === null ? b : b === null ? a : a + b
}

/** With records per second that arrived and that were read, if there is an earlier sample. */
function rowsOf(now: Sample, before: Sample | null) {
  const seconds = before === null ? 0 : (now.atMs - before.atMs) / 1000
  return Array.from(now.rows, ([key, line]) => {
    const earlier = before?.rows.get(key)
    const rate = (a: bigint | null, b: bigint | null | undefined) =>
      a === null || b === null || b === undefined || seconds <= 0 ? null : Math.round(Number(a - b) / seconds)
    const rates =
      before === null
        ? {}
        : { inPerSecond: rate(line.endOffset, earlier?.endOffset), readPerSecond: rate(line.committedOffset, earlier?.committedOffset) }
    return { ...line, ...rates }
  })
}

function textOf(now: Sample, before: Sample | null): string {
  const rows = rowsOf(now, before)
  if (rows.length === 0) return 'No group has committed offsets.\n'
  const places = now.isByPartition ? ['PARTITION'] : []
  const rates = before === null ? [] : ['IN/S', 'READ/S']
  const members = now.isByPartition ? ['MEMBER'] : []
  return table(
    ['GROUP', 'TOPIC', ...places, 'COMMITTED', 'END', 'LAG', ...rates, ...members],
    rows.map(row => [
      ...[row.group, row.topic, ...(now.isByPartition ? [row.partition] : []), row.committedOffset, row.endOffset, row.lag],
      ...(before === null ? [] : [rateText(row.inPerSecond ?? null), rateText(row.readPerSecond ?? null)]),
      ...(now.isByPartition ? [row.member] : []),
    ]),
  )
}
