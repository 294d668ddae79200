/** Which topics of the source a mirror copies, and how those of the target become like them: topics, configs, ACLs. */
import { createHash } from 'node:crypto'
import type { Acl, Client } from '../../client.ts'
import type { SourceContext } from '../../connector.ts'
import { copyAcls, Left, prepareTopics, type SourceTopic, sourceTopics } from '../../mirror.ts'
import { namingOf } from './clusters.ts'
import type { Place } from './formats.ts'
import type { CheckpointConfig, SourceConfig } from './keys.ts'
import { comesFromTarget, type Filter, filter, heartbeatsTopic, isInternal, remoteTopic } from './names.ts'

/** Of topics of the source. */
export function topicFilter(config: SourceConfig | CheckpointConfig): Filter {
  const chosen = filter(config.topics, config['topics.exclude'])
  const naming = namingOf(config)
  const beats = 'heartbeats.replication.enabled' in config && config['heartbeats.replication.enabled']
  const isHeartbeats = (topic: string) => topic === heartbeatsTopic || topic.endsWith(`${naming.separator}${heartbeatsTopic}`)
  return topic => (chosen(topic) || (beats && isHeartbeats(topic))) && !isInternal(topic) && !comesFromTarget(naming, topic)
}

/** Sorted, as texts like `orders-3`. */
export async function partitionsOf(source: Client, config: SourceConfig): Promise<string[]> {
  const isWanted = topicFilter(config)
  const names = (await source.topicNames()).filter(isWanted)
  const topics = names.length === 0 ? [] : await source.topics(names)
  return topics.flatMap(({ name, partitions }) => partitions.map(({ partition }) => `${name}-${partition}`))
}

export function parsePartition(text: string): Place {
  const at = text.lastIndexOf('-')
  return { topic: text.slice(0, at), partition: Number(text.slice(at + 1)) }
}

/** Whether two lists are the same. */
export function digest(partitions: readonly string[]): string {
  return createHash('sha256').update(partitions.join()).digest('hex').slice(0, 16)
}

export class TargetTopics {
  readonly #source: Client
  readonly #target: Client
  readonly #config: SourceConfig
  readonly #log: SourceContext['log']
  /** What was told; it is not told again. */
  readonly #told = new Set<string>()

  constructor(source: Client, target: Client, config: SourceConfig, log: SourceContext['log']) {
    this.#source = source
    this.#target = target
    this.#config = config
    this.#log = log
  }

  /** Makes those that are missing; with `withConfigs` the others become like those of the source, too. Throws ClientError. */
  async prepare(isWanted: Filter, withConfigs: boolean): Promise<void> {
    const naming = namingOf(this.#config)
    const found = await sourceTopics({ source: this.#source, isWanted }, new Left())
    const excluded = filter(this.#config['config.properties.exclude'], [])
    const replicas = this.#config['replication.factor']
    const nothing: ReadonlyMap<string, string> = new Map()
    const there = withConfigs ? new Set<string>() : new Set(await this.#target.topicNames())
    const wanted = found.map(({ info, own, effective }): SourceTopic => {
      const name = remoteTopic(naming, info.name)
      return there.has(name) ? { info: { ...info, name }, own: nothing, effective: nothing } : { info: { ...info, name }, own, effective }
    })
    const left = new Left()
    const { created, changed, failed } = await prepareTopics(
      wanted,
      {
        ...{ target: this.#target, dryRun: false, merge: true, onProgress() {} },
        isForeign: excluded,
        ...(replicas === null ? {} : { replicas }),
      },
      () => true,
      left,
    )
    if (created.length > 0) this.#log.info({ topics: created.slice(0, 100), count: created.length }, 'topics were created')
    for (const each of changed) this.#log.info(each, 'a topic was changed')
    for (const { what, names } of left.list()) this.#warn(`not copied: ${what}`, { topics: names.slice(0, 100) })
    for (const { name, reason } of failed) this.#warn(`topic ${name} could not be made like that of the source: ${reason}`, {})
  }

  /** Who may read: what is copied belongs to the mirror alone, so nobody else gets the right to write. */
  async copyAcls(isWanted: Filter): Promise<void> {
    const naming = namingOf(this.#config)
    const translated = (acl: Acl): Acl | null => {
      const { resourceType, patternType, resourceName, operation, permission } = acl
      if (resourceType !== 'TOPIC' || patternType !== 'LITERAL' || !isWanted(resourceName)) return null
      if (permission === 'ALLOW' && operation === 'WRITE') return null
      const isAll = permission === 'ALLOW' && operation === 'ALL'
      return { ...acl, resourceName: remoteTopic(naming, resourceName), operation: isAll ? 'READ' : operation }
    }
    const [left, failed] = [new Left(), [] as { name: string; reason: string }[]]
    const outcome = await copyAcls({ source: this.#source, target: this.#target, dryRun: false, translated }, left, failed)
    if (outcome !== null && outcome.copied > 0) this.#log.info({ count: outcome.copied }, 'ACLs were copied')
    for (const { what } of left.list()) this.#log.debug({}, `not copied: ${what}`)
    for (const { name, reason } of failed) this.#warn(`${name} could not be copied: ${reason}`, {})
  }

  #warn(text: string, fields: object): void {
    if (this.#told.has(text)) return
    this.#told.add(text)
    this.#log.warn(fields, text)
  }
}
