/**
 * Groups as in kafka_exporter: members, committed offsets, lag; in addition the lag in seconds, and the lag of share groups.
 * As in kafka_exporter, a topic in which a group has committed any offset is shown with all its partitions: without a commit the
 * offset is -1, and the lag counts from the start of the partition.
 *
 * The ends of partitions that other brokers lead are asked for, all at once, and so is what other brokers keep of share groups. Those of a broker that
 * does not answer in time are left out: a gap in a graph is better than a wrong number.
 *
 * A single commit therefore makes a group as long as its topic is wide. Groups that would exceed the limit on the partitions of all groups
 * are omitted and counted.
 */
import { joinedKey, type System } from '../../../base.ts'
import { type SharePartitionKey, type SharePosition, sharePartitionName } from '../../../coordinator.ts'
import type { Broker } from '../../dispatch/context.ts'
import type { PartitionEnds } from '../../peers.ts'
import { standingAt } from '../../share/share-lag.ts'
import type { LagAges } from './lag-age.ts'
import { labelText, type Page } from './text.ts'

interface PartitionRow {
  topic: string
  partition: number
  /** -1 without a commit; of a share group its start offset. */
  offset: number
  /** -1 when it is not known. */
  lag: number
  /** null when it is not known, or nothing is behind. */
  ageSeconds: number | null
}

interface GroupRow {
  group: string
  members: number
  partitions: PartitionRow[]
  /** Of which other brokers know something. */
  elsewhere: Elsewhere[]
  isShare: boolean
}

interface Elsewhere {
  topic: string
  partition: number
  /** -1 without a commit. */
  offset: number
  /** null: another broker leads it. */
  ends: Pick<PartitionEnds, 'highWatermark' | 'logStartOffset'> | null
  /** Of a share group; its position is `unknown` where another broker keeps it. */
  share: { key: SharePartitionKey; position: SharePosition | null | 'unknown' } | null
}

interface GroupRows {
  rows: GroupRow[]
  omitted: number
}

/** Of all groups together: some 500 bytes of the page each. */
const mostPartitions = 100_000
/** A page does not wait longer for other brokers. */
const answerWithinMs = 2_000

/** Groups whose coordinator is still loading are omitted: a gap in a graph is better than a wrong zero. */
export async function readGroups(broker: Broker, ages: LagAges): Promise<GroupRows> {
  ages.begin()
  const listed = await broker.groups.listGroups(new Set(), new Set()).catch(() => [])
  const rows: GroupRow[] = []
  let omitted = 0
  let left = mostPartitions
  for (const { groupId, groupType } of listed) {
    const row = await (groupType === 'share' ? readShareGroup(broker, groupId, left) : readGroup(broker, groupId, ages, left)).catch(
      () => null,
    )
    if (row === 'too many') omitted++
    else if (row !== null) {
      rows.push(row)
      left -= row.partitions.length + row.elsewhere.length
    }
    if (broker.turns.over) await broker.turns.next()
  }
  await addElsewhere(broker, rows)
  return { rows, omitted }
}

async function addElsewhere({ peers, shares, system, turns }: Broker, rows: readonly GroupRow[]): Promise<void> {
  const all = rows.flatMap(({ elsewhere }) => elsewhere)
  if (peers === null || all.length === 0) return
  const led = new Map(all.flatMap(each => (each.ends === null ? [[joinedKey(each.topic, String(each.partition)), each] as const] : [])))
  const kept = all.flatMap(({ share }) => (share?.position === 'unknown' ? share.key : []))
  const [ends, positions] = await Promise.all([
    inTime(system, peers.partitions.endsOfMany([...led.values()])),
    inTime(system, peers.sharePositions(shares, kept)),
  ])
  for (const { elsewhere, partitions } of rows) {
    for (const each of elsewhere) {
      if (turns.over) await turns.next()
      const found = each.ends ?? ends.get(joinedKey(each.topic, String(each.partition)))
      const row = found === undefined ? null : rowOf(each, found, positions)
      if (row !== null) partitions.push(row)
    }
  }
}

/** null: not known. */
function rowOf(
  { topic, partition, offset, share }: Elsewhere,
  ends: NonNullable<Elsewhere['ends']>,
  positions: Map<string, SharePosition>,
) {
  if (share === null) {
    const lag = Math.max(0, ends.highWatermark - (offset < 0 ? ends.logStartOffset : offset))
    return { topic, partition, offset, lag, ageSeconds: lag === 0 ? 0 : null }
  }
  const position = share.position === 'unknown' ? positions.get(sharePartitionName(share.key)) : share.position
  return position === undefined ? null : shareRow(topic, partition, position, ends)
}

function shareRow(topic: string, partition: number, position: SharePosition | null, ends: NonNullable<Elsewhere['ends']>): PartitionRow {
  const { startOffset, lag } = standingAt(position, 0, ends)
  return { topic, partition, offset: Number(startOffset), lag, ageSeconds: null }
}

/** Nothing, if it takes too long. */
async function inTime<V>(system: Pick<System, 'timers'>, asked: Promise<Map<string, V>>): Promise<Map<string, V>> {
  const late = Promise.withResolvers<Map<string, V>>()
  const timer = system.timers.after(answerWithinMs, () => late.resolve(new Map()))
  const found = await Promise.race([asked, late.promise])
  timer.cancel()
  return found
}

async function readGroup(broker: Broker, group: string, ages: LagAges, most: number): Promise<GroupRow | 'too many'> {
  const [members, topics] = await Promise.all([broker.groups.memberCount(group), broker.groups.fetchOffsets(group, null, false)])
  const partitionsOf = (topic: string) => broker.metadata.topic(topic)?.partitions ?? []
  // Counted first, so that a group that is omitted costs no more than this.
  if (topics.reduce((count, { name }) => count + partitionsOf(name).length, 0) > most) return 'too many'
  const nowMs = broker.system.clock.now()
  const partitions: PartitionRow[] = []
  const elsewhere: GroupRow['elsewhere'] = []
  for (const { name, partitions: fetched } of topics) {
    const committed = new Map(fetched.map(({ partitionIndex, committedOffset }) => [partitionIndex, Number(committedOffset)]))
    for (const { index, log } of partitionsOf(name)) {
      if (broker.turns.over) await broker.turns.next()
      const offset = committed.get(index) ?? -1
      if (log === null) {
        elsewhere.push({ topic: name, partition: index, offset, ends: null, share: null })
        continue
      }
      const from = offset < 0 ? log.logStartOffset : offset
      const lag = Math.max(0, log.highWatermark - from)
      const key = joinedKey(group, name, String(index))
      const ageSeconds = lag === 0 ? 0 : await ages.seconds(key, log, from, nowMs).catch(() => null)
      partitions.push({ topic: name, partition: index, offset, lag, ageSeconds })
    }
  }
  return { group, members, partitions, elsewhere, isShare: false }
}

async function readShareGroup(broker: Broker, group: string, most: number): Promise<GroupRow | 'too many'> {
  const [members, topics] = await Promise.all([broker.groups.memberCount(group), broker.groups.shareGroupTopics(group)])
  if ([...topics.values()].reduce((count, { partitions: indexes }) => count + indexes.size, 0) > most) return 'too many'
  const partitions: PartitionRow[] = []
  const elsewhere: GroupRow['elsewhere'] = []
  for (const [topicId, { name, partitions: indexes }] of topics) {
    for (const index of indexes) {
      if (broker.turns.over) await broker.turns.next()
      const partition = broker.metadata.topic(name)?.partitions[index]
      if (partition === undefined) continue
      const key = { groupId: group, topicId, partition: index }
      const position = await ownPosition(broker, key)
      if (partition.log !== null && position !== 'unknown') partitions.push(shareRow(name, index, position, partition.log))
      else elsewhere.push({ topic: name, partition: index, offset: -1, ends: partition.log, share: { key, position } })
    }
  }
  return { group, members, partitions, elsewhere, isShare: true }
}

/** `unknown`: another broker keeps it. */
async function ownPosition({ shares, peers }: Broker, key: SharePartitionKey): Promise<SharePosition | null | 'unknown'> {
  try {
    return await shares.position(key)
  } catch (error) {
    if (peers === null) throw error
    return 'unknown'
  }
}

interface Family {
  name: string
  help: string
  of(row: PartitionRow): number | null
  /** Also the sum over the partitions of a topic, of what is not negative. */
  summed: boolean
}

const consumerFamilies: readonly Family[] = [
  {
    name: 'kafka_consumergroup_current_offset',
    help: 'Current Offset of a ConsumerGroup at Topic/Partition.',
    of: row => row.offset,
    summed: true,
  },
  {
    name: 'kafka_consumergroup_lag',
    help: 'Current Approximate Lag of a ConsumerGroup at Topic/Partition.',
    of: row => row.lag,
    summed: true,
  },
  {
    name: 'kafka_consumergroup_lag_seconds',
    help: 'Age of the next record that a ConsumerGroup has to read at Topic/Partition.',
    of: row => row.ageSeconds,
    summed: false,
  },
]

const shareFamilies: readonly Family[] = [
  { name: 'millrace_sharegroup_start_offset', help: 'First record in delivery of a share group.', of: row => row.offset, summed: false },
  { name: 'millrace_sharegroup_lag', help: 'Records before a share group; -1 when not known.', of: row => row.lag, summed: true },
]

/** A step for each line. */
export function* writeGroups(page: Page, { rows, omitted }: GroupRows): Generator<void> {
  const known = rows.length + omitted
  page.single('kafka_coordinator_group_groupmetadatamanager_numgroups', 'gauge', 'Groups known to this coordinator.', known)
  const help = `Groups without metrics, because all groups together have more than ${mostPartitions} partitions.`
  page.single('millrace_groups_omitted', 'gauge', help, omitted)
  const consumer = rows.filter(row => !row.isShare)
  const share = rows.filter(row => row.isShare)
  yield* writeMembers(page, consumer, 'kafka_consumergroup_members', 'Amount of members in a consumer group.', 'consumergroup')
  yield* writeMembers(page, share, 'millrace_sharegroup_members', 'Members of a share group.', 'group')
  for (const family of consumerFamilies) yield* writePerPartition(page, consumer, family, 'consumergroup')
  for (const family of shareFamilies) yield* writePerPartition(page, share, family, 'group')
}

function* writeMembers(page: Page, rows: readonly GroupRow[], name: string, help: string, label: string): Generator<void> {
  page.family(name, 'gauge', help)
  for (const { group, members } of rows) {
    page.sample(members, { [label]: group })
    yield
  }
}

function* writePerPartition(page: Page, rows: readonly GroupRow[], { name, help, of, summed }: Family, label: string): Generator<void> {
  const sums = new Map<string, number>()
  page.family(name, 'gauge', help)
  for (const { group, partitions } of rows) {
    for (const row of partitions) {
      const value = of(row)
      yield
      if (value === null) continue
      page.sample(value, { [label]: group, topic: row.topic, partition: row.partition })
      if (!summed) continue
      const labels = labelText({ [label]: group, topic: row.topic })
      sums.set(labels, (sums.get(labels) ?? 0) + Math.max(0, value))
    }
  }
  if (!summed) return
  page.family(`${name}_sum`, 'gauge', `${help} Summed over the partitions.`)
  for (const [labels, sum] of sums) {
    page.labelled(labels, sum)
    yield
  }
}
