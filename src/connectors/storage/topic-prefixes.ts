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
    const noted = id === undefined ? undefined : await this.#notes.read(topic)
    const first = noted === null ? await this.#note(topic, id!) : noted
    if (first == null || first === id) this.#ids.delete(topic)
    else this.#ids.set(topic, id!)
  }

  /** Tasks of a connector begin at the same time, and a note that one of them writes may end that of another. */
  async #note(topic: string, id: string): Promise<string> {
    try {
      await this.#notes.write(topic, id)
      return id
    } catch (error) {
      const noted = await this.#notes.read(topic).catch(() => null)
      if (noted == null) throw error
      return noted
    }
  }
}
