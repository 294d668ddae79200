/**
 * Which uploads are about to be committed, and up to which offsets they go: noted in a file before, so that whoever comes after a crash knows whether they
 * were.
 *
 * Each task has a file of its own, and reads those of the other tasks of its connector, whose partitions it may have now.
 */
import { join } from 'node:path'
import { type FileSystem, parseLossless } from '../../base.ts'
import type { Offsets, OpenedPartition, TopicPartition } from '../../connector.ts'
import { onDisk } from '../disk.ts'
import { TopicNames } from '../topic-names.ts'

export interface PendingUpload {
  readonly table: string
  readonly partition: string
  readonly id: string
  readonly blocks: number
}

interface Note {
  readonly uploads: readonly PendingUpload[]
  /** By partition, as `topic/partition`: the offset after the last record. */
  readonly next: Readonly<Record<string, string>>
  /** The same without these uploads: where to go on if they turn out to be lost. Notes of earlier versions have none. */
  readonly before?: Readonly<Record<string, string>>
  /** Uploads of other tasks that this one has committed. */
  readonly settled: readonly string[]
}

export class Intents {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #connector: string
  readonly #task: number
  readonly #names = new TopicNames()
  #next = new Map<string, bigint>()
  /** As it was before the uploads that are about to be committed; null: none are. */
  #before: Note['next'] | null = null
  #settled: readonly string[] = []

  constructor(files: FileSystem, directory: string, connector: string, task: number) {
    this.#files = files
    this.#directory = directory
    this.#connector = encodeURIComponent(connector)
    this.#task = task
  }

  /** Where these partitions go on, as far as it is known, once `settle` has committed what was about to be. It resolves to false for an upload that is lost. */
  async open(partitions: readonly OpenedPartition[], settle: (upload: PendingUpload) => Promise<boolean>): Promise<Offsets> {
    await onDisk(() => this.#files.makeDirectory(this.#directory))
    this.#names.opened(partitions)
    const wanted = new Set(partitions.map(each => this.#nameOf(each)))
    const notes = this.#read()
    const settled = new Set(notes.flatMap(note => note.settled))
    const settledNow: string[] = []
    for (const { next, before = {}, uploads } of notes) {
      let reached = next
      if (Object.keys(next).some(name => wanted.has(name)))
        for (const upload of uploads) {
          if (settled.has(upload.id) || (await settle(upload))) settledNow.push(upload.id)
          else reached = before
        }
      for (const [name, text] of Object.entries(reached))
        if (wanted.has(name) && BigInt(text) > (this.#next.get(name) ?? 0n)) this.#next.set(name, BigInt(text))
    }
    this.#settled = settledNow
    await this.#write([])
    return partitions.flatMap(({ topic, partition }) => {
      const offset = this.#next.get(this.#nameOf({ topic, partition }))
      return offset === undefined ? [] : [{ topic, partition, offset }]
    })
  }

  /** May be called again with the same, as long as they have not ended. */
  async begin(uploads: readonly PendingUpload[], next: Offsets): Promise<void> {
    this.#before ??= textsOf(this.#next)
    for (const { topic, partition, offset } of next) this.#next.set(this.#nameOf({ topic, partition }), offset)
    await this.#write(uploads)
  }

  /** All are committed. */
  end(): Promise<void> {
    this.#before = null
    return this.#write([])
  }

  /** Others have these partitions now. What the file says of them stays true until they write more. */
  forget(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) this.#next.delete(this.#nameOf(each))
  }

  #write(uploads: readonly PendingUpload[]): Promise<void> {
    const note: Note = {
      uploads,
      next: textsOf(this.#next),
      ...(this.#before !== null && { before: this.#before }),
      settled: this.#settled,
    }
    const path = join(this.#directory, `${this.#connector}.${this.#task}.json`)
    return onDisk(() => this.#files.replaceFile(path, Buffer.from(JSON.stringify(note))))
  }

  #read(): Note[] {
    return this.#files
      .list(this.#directory)
      .filter(({ name }) => name.startsWith(`${this.#connector}.`) && /^\d+\.json$/.test(name.slice(this.#connector.length + 1)))
      .flatMap(({ name }) => {
        const path = join(this.#directory, name)
        const content = this.#files.readFile(path)
        if (content === null) return []
        try {
          return [parseLossless(content.toString()) as Note]
        } catch (error) {
          throw new Error(`${path} is damaged: ${(error as Error).message}`, { cause: error })
        }
      })
  }

  #nameOf({ topic, partition }: TopicPartition): string {
    return `${this.#names.of(topic)}/${partition}`
  }
}

function textsOf(offsets: ReadonlyMap<string, bigint>): Record<string, string> {
  return Object.fromEntries([...offsets].map(([name, offset]) => [name, String(offset)]))
}
