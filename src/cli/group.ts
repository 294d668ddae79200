/** `millrace group …` */

import { realSystem } from '../base.ts'
import { type Client, ClientError, type GroupInfo, type GroupListing, type GroupOffset, type PartitionOffset } from '../client.ts'
import { connect } from './connect.ts'
import { deleteEach, describeEach } from './each.ts'
import { knownOffsets } from './known-offsets.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, plural, show, table } from './output.ts'
import { parsePosition, resolvePosition } from './position.ts'

export interface ListFlags extends ClientFlags {
  type?: string
  state?: string
  lag?: boolean
}

export async function listGroups(flags: ListFlags): Promise<void> {
  await using client = await connect(flags)
  const { type, state } = flags
  const groups = (await client.groups()).filter(
    group => (type === undefined || group.type === type) && (state === undefined || sameWord(group.state, state)),
  )
  const lags = flags.lag === true ? await lagsOf(client, groups) : null
  const shown = groups.map(group => (lags === null ? group : { ...group, lag: lags.get(group.group)! }))
  await show(flags.json, shown, () =>
    table(
      ['GROUP', 'STATE', 'TYPE', 'PROTOCOL', ...(lags === null ? [] : ['LAG'])],
      groups.map(g => [g.group, g.state, g.type, g.protocolType, ...(lags === null ? [] : [lags.get(g.group)])]),
    ),
  )
}

/** Asks for the end of each topic once, however many groups read it. */
async function lagsOf(client: Client, groups: readonly GroupListing[]): Promise<Map<string, bigint>> {
  const offsets: (GroupOffset & { group: string })[] = []
  for (const { group, type } of groups) offsets.push(...(await client.groupOffsets(group, type)).map(each => ({ ...each, group })))
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

/** Kafka writes `PreparingRebalance`; people may write `preparing-rebalance`. */
function sameWord(a: string, b: string): boolean {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z]/g, '')
  return plain(a) === plain(b)
}

interface LagRow {
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

export async function describeGroups(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  await describeEach(names, flags.json, name => describeGroup(client, name), textOf)
}

function textOf({ group, type, state, protocol, members, lag, partitions }: Awaited<ReturnType<typeof describeGroup>>): string {
  const about = [`${group}: ${state}`, `${type} group`, ...(protocol === '' ? [] : [protocol]), `members ${members.length}`, `lag ${lag}`]
  const rows = partitions.map(p => [p.topic, p.partition, p.committedOffset, p.endOffset, p.lag, p.member, p.host])
  const offset = type === 'share' ? 'START' : 'COMMITTED'
  const tasks = members.flatMap(({ id, tasks }) => tasks.map(task => [task.subtopology, task.partition, task.role, id]))
  return [
    `${about.join(', ')}\n`,
    rows.length === 0 ? '' : table(['TOPIC', 'PARTITION', offset, 'END', 'LAG', 'MEMBER', 'HOST'], rows),
    tasks.length === 0 ? '' : `\n${table(['SUBTOPOLOGY', 'PARTITION', 'TASK', 'MEMBER'], tasks)}`,
  ].join('')
}

async function describeGroup(client: Client, name: string) {
  const info = await client.group(name)
  const partitions = await lagOf(client, info)
  return { ...info, lag: partitions.reduce((sum, row) => sum + (row.lag ?? 0n), 0n), partitions }
}

async function lagOf(client: Client, { group, type, members }: GroupInfo): Promise<LagRow[]> {
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
  return [...rows.values()].sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
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

export interface ResetFlags extends ClientFlags {
  to: string
  topic?: string[]
  partition?: number[]
  dryRun?: boolean
}

export async function resetGroup(name: string, flags: ResetFlags): Promise<void> {
  const position = parsePosition(flags.to, realSystem().clock.now())
  await using client = await connect(flags)
  const type = await typeWithoutMembers(client, name)
  const before = await client.groupOffsets(name, type)
  const topics = flags.topic ?? [...new Set(before.map(each => each.topic))]
  if (topics.length === 0) throw new CommandFailed(`${name} has no committed offsets; specify the topic with --topic`)
  const after: PartitionOffset[] = []
  for (const { name: topic, partitions } of await client.topics(topics)) {
    const numbers = partitions.map(each => each.partition).filter(each => flags.partition?.includes(each) ?? true)
    for (const [partition, offset] of await resolvePosition(client, topic, numbers, position)) after.push({ topic, partition, offset })
  }
  if (after.length === 0) throw new CommandFailed('no partition matches')
  if (flags.dryRun !== true) await (type === 'share' ? client.setShareGroupOffsets(name, after) : client.setGroupOffsets(name, after))
  const was = new Map(before.map(each => [`${each.topic}-${each.partition}`, each.offset]))
  const rows = after
    .map(each => ({ ...each, before: was.get(`${each.topic}-${each.partition}`) ?? null }))
    .sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
  await show(flags.json, { group: name, dryRun: flags.dryRun === true, offsets: rows }, () => {
    const note = flags.dryRun === true ? 'Nothing was changed (--dry-run).\n' : ''
    return (
      table(
        ['TOPIC', 'PARTITION', 'BEFORE', 'AFTER'],
        rows.map(row => [row.topic, row.partition, row.before, row.offset]),
      ) + note
    )
  })
}

/** Members would overwrite the new offsets with their own. Brokers refuse the change, but their message does not help. */
async function typeWithoutMembers(client: Client, name: string): Promise<string> {
  try {
    const { type, state, members } = await client.group(name)
    if (members.length === 0) return type
    throw new CommandFailed(`${name} is ${state} with ${plural(members.length, 'member')}; stop them before resetting offsets`)
  } catch (error) {
    // Offsets can be set for a group that does not exist yet.
    if (!(error instanceof ClientError) || error.code !== 'GROUP_ID_NOT_FOUND') throw error
    return 'classic'
  }
}

export async function deleteGroups(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  await deleteEach(names, flags.json, name => client.deleteGroup(name))
}
