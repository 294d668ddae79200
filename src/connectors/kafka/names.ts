/**
 * What topics are called in the target, and which topics and groups are copied: the rules of MirrorMaker 2 (KIP-382, KIP-690).
 *
 * With `DefaultReplicationPolicy` topic `orders` of the cluster `eu` is `eu.orders` in the target, so that clusters can copy from each other without a circle;
 * with `IdentityReplicationPolicy` it keeps its name, and nothing prevents a circle.
 */
import { linearRegExp } from '../../base.ts'

export const heartbeatsTopic = 'heartbeats'

export interface Naming {
  readonly source: string
  readonly target: string
  readonly separator: string
  /** Topics keep their names. */
  readonly isIdentity: boolean
}

/** What a topic of the source is called in the target. Heartbeats tell where they come from in any case. */
export function remoteTopic({ source, separator, isIdentity }: Naming, topic: string): string {
  return isIdentity && topic !== heartbeatsTopic ? topic : `${source}${separator}${topic}`
}

/** Whether it came from the target, over however many clusters: copying it would never end. */
export function comesFromTarget({ target, separator, isIdentity }: Naming, topic: string): boolean {
  const parts = topic.split(separator)
  // The last part is the topic itself.
  const hops = parts.slice(0, -1)
  return isIdentity ? topic === `${target}${separator}${heartbeatsTopic}` : hops.includes(target)
}

/** `alias`: of the cluster at the other end. */
export function offsetSyncsTopic({ separator }: Naming, alias: string): string {
  return `mm2-offset-syncs${separator}${alias}${separator}internal`
}

export function checkpointsTopic({ source, separator }: Naming): string {
  return `${source}${separator}checkpoints${separator}internal`
}

/** Of Kafka, of Connect or of a mirror. */
export function isInternal(topic: string): boolean {
  return /^(?:__|\.)|[.-]internal$/.test(topic)
}

export type Filter = (name: string) => boolean

/** Names and regular expressions, each of which must match the whole name. */
export function filter(included: readonly string[], excluded: readonly string[]): Filter {
  const [wanted, unwanted] = [pattern(included), pattern(excluded)]
  return name => wanted.test(name) && !unwanted.test(name)
}

/** Throws SyntaxError. */
export function pattern(words: readonly string[]): RegExp {
  return words.length === 0 ? /(?!)/ : linearRegExp(`^(?:${words.map(word => `(?:${word})`).join('|')})$`)
}
