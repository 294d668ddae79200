/**
 * What the names of a topic's files begin with: its name; and its id as well if another topic of this name wrote there first. So the files of a topic that was made
 * again, or of one in another cluster, neither replace nor hide those that are there, and offsets in names of files are not taken for those of another topic.
 *
 * Which topic wrote first is noted beside the files. Where there is no note yet, as beside files of earlier versions, it is the one that is read now.
 */
import { severalAtOnce } from '../../base.ts'
import type { OpenedPartition, TopicPartition } from '../../connector.ts'

/** Notes of ids, by topic; of all connectors that write there. */
export interface TopicNotes {
  /** null: there is none. undefined: it may not be read, and it is not known whether there is one. */
  read(topic: string): Promise<string | null | undefined>
  write(topic: string, id: string): Promise<void>
}

const atOnce = 4

export class TopicPrefixes {
  readonly #notes: TopicNotes
  readonly #delimiter: string
  /** Of topics that were not the first. */
  readonly #ids = new Map<string, string>()

  constructor(notes: TopicNotes, delimiter: string) {
    this.#notes = notes
    this.#delimiter = delimiter
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    // All partitions of a topic have one id.
    const ids = new Map(partitions.map(each => [each.topic, each.topicId]))
    await severalAtOnce([...ids], atOnce, ([topic, id]) => this.#learn(topic, id))
  }

  /** Without the delimiter behind it. */
  of({ topic, partition }: TopicPartition): string {
    const id = this.#ids.get(topic)
    return [topic, ...(id === undefined ? [] : [id]), partition].join(this.#delimiter)
  }

  async #learn(topic: string, id: string | undefined): Promise<void> {
    // Clusters without ids cannot say whether it is the first.
    const first = id === undefined ? undefined : await this.#notes.read(topic)
    if (first === null) await this.#notes.write(topic, id!)
    if (first == null || first === id) this.#ids.delete(topic)
    else this.#ids.set(topic, id!)
  }
}
