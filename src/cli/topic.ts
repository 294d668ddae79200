/** `millrace topic …` */
import { realSystem } from '../base.ts'
import { type Client, ClientError, type PartitionInfo, type TopicInfo } from '../client.ts'
import { configChanges } from './config-changes.ts'
import { connect } from './connect.ts'
import { changeEach, deleteEach, describeEach } from './each.ts'
import { knownOffsets } from './known-offsets.ts'
import type { ClientFlags } from './options.ts'
import { plural, show, size, table, UsageError } from './output.ts'
import { ProgressLine } from './progress-line.ts'

export async function listTopics(flags: ClientFlags & { all?: boolean; size?: boolean }): Promise<void> {
  await using client = await connect(flags)
  const names = (await client.topicNames()).filter(name => flags.all === true || !name.startsWith('__'))
  if (flags.json !== true && flags.size !== true) return show(false, null, () => names.map(name => `${name}\n`).join(''))
  const sizes = flags.size === true ? await client.topicSizes() : null
  const topics = (await client.topics(names)).map(({ name, id, partitions }) => ({
    name,
    id,
    partitions: partitions.length,
    replicas: partitions[0]?.replicas.length ?? 0,
    ...(sizes === null ? {} : { bytes: sizes.get(name) ?? 0n }),
  }))
  await show(flags.json, topics, () =>
    table(
      ['TOPIC', 'PARTITIONS', 'SIZE'],
      topics.map(({ name, partitions, bytes }) => [name, partitions, size(bytes ?? 0n)]),
    ),
  )
}

export interface CreateFlags extends ClientFlags {
  partitions?: number
  replicas?: number
  set?: Record<string, string>
  ifNotExists?: boolean
}

export async function createTopic(name: string, flags: CreateFlags): Promise<void> {
  await using client = await connect(flags)
  const configs = new Map(Object.entries(flags.set ?? {}))
  try {
    const created = await client.createTopic({ name, partitions: flags.partitions, replicas: flags.replicas, configs })
    await show(flags.json, { name, created: true, ...created }, () => `${name} created with ${plural(created.partitions, 'partition')}\n`)
  } catch (error) {
    const exists = error instanceof ClientError && error.code === 'TOPIC_ALREADY_EXISTS'
    if (!exists || flags.ifNotExists !== true) throw error
    await show(flags.json, { name, created: false }, () => `${name} already exists\n`)
  }
}

export async function describeTopics(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  await describeEach(names, flags.json, async name => describeTopic(client, (await client.topics([name]))[0]!), textOf)
}

function textOf({ name, id, configs, partitions }: Awaited<ReturnType<typeof describeTopic>>): string {
  const set =
    configs === null ? ['  configs: not authorized to see them\n'] : Object.entries(configs).map(([key, value]) => `  ${key}=${value}\n`)
  const rows = partitions.map(p => [p.partition, p.leader, p.replicas.join(','), p.isr.join(','), p.firstOffset, p.endOffset])
  const problems = partitions.filter(({ problem }) => problem !== null)
  return [
    `${name} (${id}), ${plural(partitions.length, 'partition')}\n`,
    ...set,
    table(['PARTITION', 'LEADER', 'REPLICAS', 'ISR', 'FIRST', 'END'], rows),
    ...problems.map(({ partition, problem }) => `partition ${partition}: ${problem}\n`),
  ].join('')
}

async function describeTopic(client: Client, topic: TopicInfo) {
  const { name, id, partitions } = topic
  const [first, end, configs] = await Promise.all([
    knownOffsets(client, topic, 'all', 'earliest'),
    knownOffsets(client, topic, 'all', 'latest'),
    configsOf(client, name),
  ])
  const told = ({ partition }: PartitionInfo) => {
    const [firstOffset, endOffset] = [first.get(partition)!, end.get(partition)!]
    const problem = [firstOffset, endOffset].find(each => typeof each === 'string') ?? null
    return typeof firstOffset === 'bigint' && typeof endOffset === 'bigint'
      ? { firstOffset, endOffset, problem: null }
      : { firstOffset: null, endOffset: null, problem }
  }
  return {
    name,
    id,
    configs,
    partitions: partitions.map(each => ({ ...each, ...told(each) })),
  }
}

/** The configs that were set; null if the user may see the topic but not its configs. */
async function configsOf(client: Client, name: string): Promise<Record<string, string | null> | null> {
  try {
    const entries = await client.configs({ type: 'TOPIC', name })
    return Object.fromEntries(entries.filter(each => each.source === 'DYNAMIC_TOPIC_CONFIG').map(each => [each.name, each.value]))
  } catch (error) {
    if (error instanceof ClientError && error.code === 'TOPIC_AUTHORIZATION_FAILED') return null
    throw error
  }
}

export interface AlterFlags extends ClientFlags {
  partitions?: number
  set?: Record<string, string>
  unset?: string[]
}

export async function alterTopic(name: string, flags: AlterFlags): Promise<void> {
  const changes = configChanges(Object.entries(flags.set ?? {}), flags.unset)
  if (flags.partitions === undefined && changes.size === 0) {
    throw new UsageError('nothing to change; pass --partitions, --set or --unset')
  }
  await using client = await connect(flags)
  if (changes.size > 0) await client.alterConfigs({ type: 'TOPIC', name }, changes)
  if (flags.partitions !== undefined) await client.setPartitions(name, flags.partitions)
  await show(flags.json, { name, altered: true }, () => `${name} altered\n`)
}

export interface EmptyFlags extends ClientFlags {
  partition?: number[]
  dryRun?: boolean
}

/** Deletes the records that are there now; topic, configs and offsets stay, and the next record goes behind them. */
export async function emptyTopics(names: string[], flags: EmptyFlags): Promise<void> {
  await using client = await connect(flags)
  const progress = new ProgressLine(realSystem())
  const emptyOne = async (name: string) => {
    const [info] = await client.topics([name])
    const numbers = info!.partitions.map(each => each.partition)
    const wanted = flags.partition ?? numbers
    const missing = wanted.find(each => !numbers.includes(each))
    if (missing !== undefined)
      throw new ClientError(
        'UNKNOWN_TOPIC_OR_PARTITION',
        `${name} has no partition ${missing}; its partitions are 0 to ${numbers.length - 1}`,
      )
    const [first, end] = await Promise.all([client.offsets(name, wanted, 'earliest'), client.offsets(name, wanted, 'latest')])
    const partitions = wanted.map(partition => ({ partition, firstOffset: first.get(partition)!, endOffset: end.get(partition)! }))
    const filled = partitions.filter(({ firstOffset, endOffset }) => firstOffset < endOffset)
    for (const [done, { partition, endOffset }] of filled.entries()) {
      if (flags.dryRun === true) break
      progress.show(name, () => ({ part: done / filled.length, text: `emptying ${name}, partition ${partition}` }))
      await deleteUpTo(client, name, partition, endOffset)
    }
    return { name, offsets: partitions.reduce((sum, each) => sum + each.endOffset - each.firstOffset, 0n), partitions }
  }
  try {
    const done = flags.dryRun === true ? 'would be emptied' : 'emptied'
    await changeEach(names, flags.json, emptyOne, { dryRun: flags.dryRun === true }, 'emptied', ({ name, offsets, partitions }) => {
      return `${name} ${done}: ${plural(offsets, 'offset')} in ${plural(partitions.length, 'partition')}\n`
    })
  } finally {
    progress.end()
  }
}

async function deleteUpTo(client: Client, topic: string, partition: number, end: bigint): Promise<void> {
  try {
    await client.deleteRecords(topic, new Map([[partition, end]]))
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'POLICY_VIOLATION') throw error
    const way = 'a compacted topic keeps its records; delete and create it, or add delete to its cleanup.policy first'
    throw new ClientError(error.code, `${topic}: ${way}`)
  }
}

export async function deleteTopics(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  await deleteEach(names, flags.json, name => client.deleteTopics([name]))
}
