/** The two clusters, each with its own login, and the topics that a mirror needs in them. */
import { type Client, ClientError, openClient } from '../../client.ts'
import type { Side } from './keys.ts'
import type { Naming } from './names.ts'

type Config = Readonly<Record<string, unknown>> & {
  readonly 'source.cluster.alias': string
  readonly 'target.cluster.alias': string
  readonly 'replication.policy.class': string
  readonly 'replication.policy.separator': string
  readonly 'admin.timeout.ms': number
}

/** To be closed by the caller. Throws ClientError INVALID for properties that cannot be. */
export function openCluster(side: Side, config: Config, clientId: string): Client {
  const prefix = `${side}.cluster.`
  const properties: Record<string, string> = {}
  for (const [key, value] of Object.entries(config))
    if (key.startsWith(prefix) && typeof value === 'string') properties[key.slice(prefix.length)] = value
  const { 'bootstrap.servers': bootstrap = '', alias: _, ...rest } = properties
  return openClient({ bootstrap, properties: rest, clientId, timeoutMs: config['admin.timeout.ms'] })
}

export function namingOf(config: Config): Naming {
  return {
    source: config['source.cluster.alias'],
    target: config['target.cluster.alias'],
    separator: config['replication.policy.separator'],
    isIdentity: config['replication.policy.class'].endsWith('IdentityReplicationPolicy'),
  }
}

/** A compacted topic of one partition. Makes it if it is missing. */
export async function ensureTopic(client: Client, name: string, replicas: number): Promise<void> {
  if ((await client.topicNames()).includes(name)) return
  const { brokers } = await client.cluster()
  const some = replicas < 1 ? {} : { replicas: Math.min(replicas, brokers.length) }
  try {
    await client.createTopic({ name, partitions: 1, ...some, configs: new Map([['cleanup.policy', 'compact']]) })
  } catch (error) {
    // Another task was faster.
    if (!(error instanceof ClientError) || error.code !== 'TOPIC_ALREADY_EXISTS') throw error
  }
}
