/**
 * The topics as clients see them: durable, with their partitions of the log open.
 *
 * Hides the opening and dropping of partitions (in time slices, so that thousands of new partitions never block the event loop), and
 * what happens on disk errors: the topic, or its new partitions, stay invisible, and opening them is retried. Data is deleted
 * only for a topic that a record removed, never because the metadata does not know the topic.
 */
import { type System, type Timer, Turns } from '../../base.ts'
import type { Log, PartitionLog, TopicConfig } from '../../log.ts'
import type { Uuid } from '../../protocol.ts'
import { clusterMetadataTopic, internalTopics } from './internal-topics.ts'
import type { ClusterListener, Topic } from './types.ts'

const retryMs = 5_000

export interface Reporter {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

export interface OpenTopicsOptions {
  system: System
  log: Log
  config(topicName: string): TopicConfig
  reporter: Reporter
  /** Runs a step after all that change topics before it: the methods that change topics must not overlap. */
  enqueue(step: () => Promise<void>): void
}

interface OpenTopic extends Topic {
  readonly partitions: PartitionLog[]
  /** The target number of partitions. */
  wanted: number
  visible: boolean
}

export class OpenTopics {
  readonly byName = new Map<string, Topic>()
  readonly byId = new Map<Uuid, Topic>()
  readonly listeners = new Set<ClusterListener>()
  partitionCount = 0
  readonly #options: OpenTopicsOptions
  readonly #turns: Turns
  /** Those not visible yet too. */
  readonly #all = new Map<Uuid, OpenTopic>()
  #sorted: readonly Topic[] | null = null
  #retry: Timer | null = null
  #closed = false

  constructor(options: OpenTopicsOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
  }

  sorted(): readonly Topic[] {
    this.#sorted ??= [...this.byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return this.#sorted
  }

  ids(): Uuid[] {
    return [...this.#all.keys()]
  }

  /** Opens what is missing for the topic to have this many partitions. Never fewer than before: partitions are not taken away. */
  async ensure(id: Uuid, name: string, partitions: number): Promise<void> {
    let topic = this.#all.get(id)
    if (topic === undefined) {
      if (name === clusterMetadataTopic) {
        // Versions up to 0.1 let clients create it beside the real one.
        this.#options.reporter.warn({ topic: name, topicId: id }, 'ignoring a topic whose name is reserved for the broker')
        return
      }
      topic = { name, id, internal: internalTopics.has(name), partitions: [], wanted: 0, visible: false }
      this.#all.set(id, topic)
    }
    topic.wanted = Math.max(topic.wanted, partitions)
    await this.#complete(topic)
  }

  /** Whether everything that the metadata defines for the topic is open. */
  isComplete(id: Uuid): boolean {
    const topic = this.#all.get(id)
    return topic?.visible === true && topic.partitions.length === topic.wanted
  }

  /** A record removed the topic: its data goes. */
  async delete(id: Uuid): Promise<void> {
    const topic = this.#take(id)
    if (topic === undefined) return
    for (const { partition } of topic.partitions) {
      if (this.#turns.over) await this.#turns.next()
      await this.#options.log.delete(id, partition)
    }
    if (topic.visible) for (const listener of this.listeners) listener.topicDeleted?.(topic)
  }

  /** The metadata does not know the topic (any more), and no record says why: clients do not see it, its data stays. */
  forget(id: Uuid): void {
    const topic = this.#take(id)
    if (topic === undefined) return
    this.#options.reporter.warn({ topic: topic.name, topicId: id }, 'ignoring the data of a topic that is not in the metadata')
    if (topic.visible) for (const listener of this.listeners) listener.topicDeleted?.(topic)
  }

  reconfigure(topic: Topic): void {
    const config = this.#options.config(topic.name)
    for (const partition of topic.partitions) partition.config = config
  }

  close(): void {
    this.#closed = true
    this.#retry?.cancel()
  }

  #take(id: Uuid): OpenTopic | undefined {
    const topic = this.#all.get(id)
    if (topic === undefined || !this.#all.delete(id)) return undefined
    if (topic.visible) {
      this.byName.delete(topic.name)
      this.byId.delete(id)
      this.partitionCount -= topic.partitions.length
      this.#sorted = null
    }
    return topic
  }

  async #complete(topic: OpenTopic): Promise<void> {
    const from = topic.partitions.length
    const opened: PartitionLog[] = []
    const { log } = this.#options
    try {
      const config = this.#options.config(topic.name)
      for (let partition = from; partition < topic.wanted; partition++) {
        if (this.#turns.over) await this.#turns.next()
        // Also for one that the log recovered: it belongs to no topic until it is claimed this way.
        opened.push(log.create({ topic: topic.name, topicId: topic.id, partition, config }))
      }
    } catch (error) {
      this.#options.reporter.warn({ topic: topic.name, err: error }, 'cannot open a partition; retrying')
      this.#retryLater()
      // A new topic stays invisible as a whole; new partitions of an old one can be used as far as they go.
      if (!topic.visible) return
    }
    topic.partitions.push(...opened)
    this.#show(topic, from)
  }

  #show(topic: OpenTopic, from: number): void {
    const isNew = !topic.visible
    if (!isNew && from === topic.partitions.length) return
    this.partitionCount += topic.partitions.length - from
    if (isNew) {
      topic.visible = true
      this.byName.set(topic.name, topic)
      this.byId.set(topic.id, topic)
      this.#sorted = null
    }
    for (const listener of this.listeners) {
      if (isNew) listener.topicCreated?.(topic)
      else listener.partitionsAdded?.(topic, from)
    }
  }

  #retryLater(): void {
    if (this.#retry !== null || this.#closed) return
    this.#retry = this.#options.system.timers.after(retryMs, () => {
      this.#retry = null
      this.#options.enqueue(async () => {
        for (const topic of this.#all.values()) {
          if (topic.partitions.length < topic.wanted) await this.#complete(topic)
        }
      })
    })
  }
}
