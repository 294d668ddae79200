/** The two clusters, each with its own login, and the topics that a mirror needs in them. */
import { type Client, ClientError, mayPass, openClient } from '../../client.ts'
import { RetriableError, type SourceTask } from '../../connector.ts'
import type { Side } from './keys.ts'
import type { Naming } from './names.ts'
import { securityProperties } from './security.ts'

type Config = Readonly<Record<string, unknown>> & {
  readonly 'source.cluster.alias': string
  readonly 'source.cluster.bootstrap.servers'?: string
  readonly 'target.cluster.alias': string
  readonly 'target.cluster.bootstrap.servers': string
  readonly 'replication.policy.class': string
  readonly 'replication.policy.separator': string
  readonly 'admin.timeout.ms': number
}

/** To be closed by the caller. Throws ClientError INVALID for properties that cannot be. */
export function openCluster(side: Side, config: Config): Client {
  return openClient({
    bootstrap: config[`${side}.cluster.bootstrap.servers` as const] ?? '',
    properties: securityProperties(`${side}.cluster.`, config),
    clientId: 'millrace-mirror',
    timeoutMs: config['admin.timeout.ms'],
  })
}

/** Of a task that uses both clusters. It closes them, also when it could not begin. */
export async function begun<T extends SourceTask & { begin(): Promise<void> }>(
  config: Config,
  make: (source: Client, target: Client) => T,
): Promise<T> {
  const task = make(openCluster('source', config), openCluster('target', config))
  try {
    await task.begin()
  } catch (error) {
    await task.close()
    throw error
  }
  return task
}

/** What is thrown to the worker, which tries again what passes by itself. */
export function forWorker(error: unknown): unknown {
  return error instanceof ClientError && mayPass(error) ? new RetriableError(error.message, { cause: error }) : error
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
export async function ensureCompacted(client: Client, name: string, replicas: number): Promise<void> {
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
