/**
 * Which uploads are about to be committed, and up to which offsets they go: noted in a file before, so that whoever comes after a crash knows whether they
 * were.
 *
 * A tenure is the time in which a task has the same partitions; its note is in a directory of its own. Who has some of these partitions next renames that
 * directory first, and then reads the note in it. Either the note is there, and the uploads in it are committed by whoever reads it; or the task before, which
 * may only have been asleep, can write none any more, and so commits nothing of what is read again.
 */
import { join } from 'node:path'
import { DiskError, type FileSystem, parseLossless, type Random } from '../../base.ts'
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
  /** Of the tenure, as `topic/partition`. */
  readonly next: Reached
  /** The same without these uploads: where to go on if they turn out to be lost. */
  readonly before: Reached
}

/** By partition: the offset after the last record; null: not known. */
type Reached = Readonly<Record<string, string | null>>

interface Tenure {
  readonly name: string
  readonly note: Note
}

export interface IntentsOptions {
  readonly files: FileSystem
  readonly random: Random
  /** The same for all workers. */
  readonly directory: string
  readonly connector: string
}

const noteName = 'note.json'
/** Beside the note, when its uploads are committed. */
const settledName = 'settled'
/** Of the directory of a tenure that is over. */
const over = '.over'

/** Another task has some of the partitions by now: nothing more may be committed here. */
export class Overtaken extends Error {
  constructor(cause: unknown) {
    super('another task has partitions of this one by now: nothing more is committed here', { cause })
  }
}

export class Intents {
  readonly #files: FileSystem
  readonly #random: Random
  readonly #directory: string
  readonly #names = new TopicNames()
  #own = ''
  #next: Reached = {}
  /** As it was before the uploads that are about to be committed; null: none are. */
  #before: Reached | null = null

  constructor({ files, random, directory, connector }: IntentsOptions) {
    this.#files = files
    this.#random = random
    this.#directory = join(directory, encodeURIComponent(connector))
  }

  /**
   * Begins a tenure. Where these partitions go on, as far as it is known, once `settle` has committed what was about to be. It resolves to false for an upload
   * that is lost. Throws Overtaken.
   */
  async open(partitions: readonly OpenedPartition[], settle: (upload: PendingUpload) => Promise<boolean>): Promise<Offsets> {
    this.#names.opened(partitions)
    const wanted = new Set(partitions.map(each => this.#nameOf(each)))
    this.#before = null
    this.#next = Object.fromEntries(Array.from(wanted, name => [name, null]))
    // Of two that begin at once, each sees the other one, or the later one sees the earlier.
    await this.#begin()
    const tenures = this.#endOthers(wanted)
    await this.#files.syncDirectory(this.#directory)
    const next = { ...this.#next }
    const known: [name: string, reached: Reached][] = []
    for (const tenure of tenures) {
      const reached = await this.#settled(tenure, settle)
      known.push([tenure.name, reached])
      for (const [partition, text] of Object.entries(reached))
        if (wanted.has(partition) && offsetOf(text) > offsetOf(next[partition])) next[partition] = text
    }
    this.#next = next
    await this.#write([])
    await this.#removeKnown(known)
    return partitions.flatMap(({ topic, partition }) => {
      const text = next[this.#nameOf({ topic, partition })]
      return text == null ? [] : [{ topic, partition, offset: BigInt(text) }]
    })
  }

  /** May be called again with the same, as long as they have not ended. Throws Overtaken. */
  begin(uploads: readonly PendingUpload[], next: Offsets): Promise<void> {
    this.#before ??= this.#next
    const reached = next.map(({ topic, partition, offset }) => [this.#nameOf({ topic, partition }), String(offset)])
    this.#next = { ...this.#next, ...Object.fromEntries(reached) }
    return this.#write(uploads)
  }

  /** All are committed. */
  end(): Promise<void> {
    this.#before = null
    return this.#write([])
  }

  async #settled({ name, note }: Tenure, settle: (upload: PendingUpload) => Promise<boolean>): Promise<Reached> {
    if (this.#files.exists(this.#path(name, settledName))) return note.next
    for (const upload of note.uploads) if (!(await settle(upload))) return note.before
    unlessMissing(() => this.#files.open(this.#path(name, settledName), 'rw').close())
    return note.next
  }

  async #begin(): Promise<void> {
    const bytes = Buffer.alloc(12)
    this.#random.fill(bytes)
    this.#own = bytes.toString('hex')
    await onDisk(() => this.#files.makeDirectory(this.#path(this.#own)))
    await this.#write([])
  }

  async #write(uploads: readonly PendingUpload[]): Promise<void> {
    const note: Note = { uploads, next: this.#next, before: this.#before ?? this.#next }
    try {
      await onDisk(() => this.#files.replaceFile(this.#path(this.#own, noteName), Buffer.from(JSON.stringify(note))))
    } catch (error) {
      throw isMissing(error) ? new Overtaken(error) : error
    }
  }

  /** The tenures that had some of these partitions, none of which can note anything from now on. */
  #endOthers(wanted: ReadonlySet<string>): Tenure[] {
    const concerned: Tenure[] = []
    for (const { name } of this.#files.list(this.#directory)) {
      const found = name === this.#own ? null : this.#read(name)
      if (found === null || !Object.keys(found.next).some(partition => wanted.has(partition))) continue
      const ended = name.endsWith(over) ? name : name + over
      // Another task may be faster.
      if (ended !== name) unlessMissing(() => this.#files.rename(this.#path(name), this.#path(ended)))
      const note = this.#read(ended)
      if (note !== null) concerned.push({ name: ended, note })
    }
    return concerned
  }

  /** Of those whose partitions all have newer notes, nothing is needed any more. */
  async #removeKnown(ended: readonly [name: string, reached: Reached][]): Promise<void> {
    const newest = new Map<string, bigint>()
    for (const { name } of this.#files.list(this.#directory))
      if (!name.endsWith(over))
        for (const [partition, text] of Object.entries(this.#read(name)?.next ?? {})) newest.set(partition, offsetOf(text))
    for (const [name, reached] of ended) {
      const isKnown = Object.entries(reached).every(([partition, text]) => {
        const found = newest.get(partition)
        return found !== undefined && found >= offsetOf(text)
      })
      if (isKnown) await this.#files.removeDirectory(this.#path(name))
    }
  }

  #path(...names: readonly string[]): string {
    return join(this.#directory, ...names)
  }

  /** null: it is gone, or another task has renamed it. */
  #read(name: string): Note | null {
    const path = this.#path(name, noteName)
    const content = this.#files.readFile(path)
    if (content === null) return null
    try {
      return parseLossless(content.toString()) as Note
    } catch (error) {
      throw new Error(`${path} is damaged: ${(error as Error).message}`, { cause: error })
    }
  }

  #nameOf({ topic, partition }: TopicPartition): string {
    return `${this.#names.of(topic)}/${partition}`
  }
}

function offsetOf(text: string | null | undefined): bigint {
  return text == null ? -1n : BigInt(text)
}

function isMissing(error: unknown): boolean {
  return error instanceof DiskError && error.code === 'ENOENT'
}

function unlessMissing(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}
