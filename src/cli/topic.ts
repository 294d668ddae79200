/** `millrace topic …` */
import { type Client, ClientError, type TopicInfo } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, plural, show, table } from './output.ts'

export async function listTopics(flags: ClientFlags & { all?: boolean }): Promise<void> {
  await using client = await connect(flags)
  const names = (await client.topicNames()).filter(name => flags.all === true || !name.startsWith('__'))
  if (flags.json !== true) return show(false, null, () => names.map(name => `${name}\n`).join(''))
  const topics = await client.topics(names)
  await show(
    true,
    topics.map(({ name, id, partitions }) => ({ name, id, partitions: partitions.length, replicas: partitions[0]?.replicas.length ?? 0 })),
    () => '',
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
    await show(flags.json, { name, created: false }, () => `${name} exists\n`)
  }
}

export async function describeTopics(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  const described = await Promise.all((await client.topics(names)).map(topic => describeTopic(client, topic)))
  await show(flags.json, described, () =>
    described
      .map(({ name, id, configs, partitions }) => {
        const set = Object.entries(configs).map(([key, value]) => `  ${key}=${value}\n`)
        const rows = partitions.map(p => [p.partition, p.leader, p.replicas.join(','), p.isr.join(','), p.firstOffset, p.endOffset])
        return `${name} (${id}), ${plural(partitions.length, 'partition')}\n${set.join('')}${table(['PARTITION', 'LEADER', 'REPLICAS', 'ISR', 'FIRST', 'END'], rows)}`
      })
      .join('\n'),
  )
}

async function describeTopic(client: Client, { name, id, partitions }: TopicInfo) {
  const numbers = partitions.map(each => each.partition)
  const [first, end, configs] = await Promise.all([
    client.offsets(name, numbers, 'earliest'),
    client.offsets(name, numbers, 'latest'),
    client.configs({ type: 'TOPIC', name }),
  ])
  return {
    name,
    id,
    configs: Object.fromEntries(configs.filter(each => each.source === 'DYNAMIC_TOPIC_CONFIG').map(each => [each.name, each.value])),
    partitions: partitions.map(each => ({ ...each, firstOffset: first.get(each.partition)!, endOffset: end.get(each.partition)! })),
  }
}

export interface AlterFlags extends ClientFlags {
  partitions?: number
  set?: Record<string, string>
  unset?: string[]
}

export async function alterTopic(name: string, flags: AlterFlags): Promise<void> {
  await using client = await connect(flags)
  const changes = new Map<string, string | null>([
    ...Object.entries(flags.set ?? {}),
    ...(flags.unset ?? []).map((key): [string, null] => [key, null]),
  ])
  if (flags.partitions === undefined && changes.size === 0) {
    throw new CommandFailed('nothing to change: give --partitions, --set or --unset')
  }
  if (changes.size > 0) await client.alterConfigs({ type: 'TOPIC', name }, changes)
  if (flags.partitions !== undefined) await client.setPartitions(name, flags.partitions)
  await show(flags.json, { name, altered: true }, () => `${name} altered\n`)
}

export async function deleteTopics(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  await client.deleteTopics(names)
  await show(flags.json, { deleted: names }, () => names.map(name => `${name} deleted\n`).join(''))
}
