/** `millrace group …` */

import { realSystem } from '../base.ts'
import { type Client, ClientError, type PartitionOffset } from '../client.ts'
import { connect } from './connect.ts'
import { deleteEach, describeEach } from './each.ts'
import { byPlace, lagOf, lagsOf } from './group-lag.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, plural, show, table, UsageError } from './output.ts'
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

/** Kafka writes `PreparingRebalance`; people may write `preparing-rebalance`. */
function sameWord(a: string, b: string): boolean {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z]/g, '')
  return plain(a) === plain(b)
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
  const rows = after.map(each => ({ ...each, before: was.get(`${each.topic}-${each.partition}`) ?? null })).sort(byPlace)
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
    throw new CommandFailed(`${name} is ${state} with ${plural(members.length, 'member')}; stop them first`)
  } catch (error) {
    // Offsets can be set for a group that does not exist yet.
    if (!(error instanceof ClientError) || error.code !== 'GROUP_ID_NOT_FOUND') throw error
    return 'classic'
  }
}

export interface DeleteOffsetsFlags extends ClientFlags {
  topic: string[]
  partition?: number[]
  dryRun?: boolean
}

/** The group forgets these positions: its members begin where `auto.offset.reset` says. */
export async function deleteOffsets(name: string, flags: DeleteOffsetsFlags): Promise<void> {
  await using client = await connect(flags)
  const { type } = await client.group(name)
  if (type === 'share' && flags.partition !== undefined) throw new UsageError('a share group forgets whole topics: leave --partition out')
  const wanted = new Set(flags.topic)
  const committed = (await client.groupOffsets(name, type))
    .filter(({ topic, partition }) => wanted.has(topic) && (flags.partition?.includes(partition) ?? true))
    .sort(byPlace)
  for (const topic of wanted)
    if (!committed.some(each => each.topic === topic)) throw new CommandFailed(`${name} has no committed offsets of ${topic} that match`)
  if (flags.dryRun !== true)
    await (type === 'share' ? client.deleteShareGroupOffsets(name, [...wanted]) : deleteKnown(client, name, committed))
  const rows = committed.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
  await show(flags.json, { group: name, dryRun: flags.dryRun === true, deleted: rows }, () => {
    const note = flags.dryRun === true ? 'Nothing was changed (--dry-run).\n' : `${plural(rows.length, 'offset')} of ${name} deleted\n`
    return (
      table(
        ['TOPIC', 'PARTITION', 'OFFSET'],
        rows.map(row => [row.topic, row.partition, row.offset]),
      ) + note
    )
  })
}

async function deleteKnown(client: Client, name: string, offsets: readonly PartitionOffset[]): Promise<void> {
  try {
    await client.deleteGroupOffsets(name, offsets)
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'GROUP_SUBSCRIBED_TO_TOPIC') throw error
    throw new CommandFailed(`${error.code}: members of ${name} read this topic; stop them first`)
  }
}

export async function deleteGroups(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  await deleteEach(names, flags.json, name => client.deleteGroup(name))
}
