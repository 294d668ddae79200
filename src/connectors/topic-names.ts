/**
 * What targets that know records again, by offsets that they keep or by names made of offsets, call the topics of the source: with their ids, so that what is
 * known of one is not taken for another one of the same name, which was made again, or is of another cluster.
 */
import type { OpenedPartition } from '../connector.ts'

/** No other topic has it: names have no colons. */
export function uniqueTopic({ topic, topicId }: OpenedPartition): string {
  return topicId === undefined ? topic : `${topic}:${topicId}`
}

/** Of the topics that a task reads. */
export class TopicNames {
  readonly #names = new Map<string, string>()

  /** All partitions of a topic have one id. */
  opened(partitions: readonly OpenedPartition[]): void {
    for (const each of partitions) this.#names.set(each.topic, uniqueTopic(each))
  }

  of(topic: string): string {
    return this.#names.get(topic) ?? topic
  }
}
