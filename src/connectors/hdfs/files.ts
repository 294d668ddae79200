/**
 * Files in HDFS that appear when they are complete.
 *
 * Each is written under a temporary name in a directory of its partition, `topics.dir/+tmp/CONNECTOR/TOPIC/PARTITION`, and renamed to
 * `topic+partition+first+last` (topic-prefixes.ts). Where a generation has several files, what is to be renamed is written down first, so that a crash between two renames is
 * made up for: either all of them are seen, or none.
 *
 * Nothing is ever appended to a file of an earlier run. WebHDFS cannot recover leases; a file that is removed loses its lease as well, and temporary files
 * of an earlier run are removed before the first record is written.
 */
import { severalAtOnce } from '../../base.ts'
import type { Offsets, OpenedPartition, SinkContext, TopicPartition } from '../../connector.ts'
import type { Finished, OpenFile, Piece, Storage } from '../storage/storage.ts'
import { TopicPrefixes } from '../storage/topic-prefixes.ts'
import type { HdfsConfig } from './sink.ts'
import { UnsureWrite, type WebHdfs } from './webhdfs.ts'

const atOnce = 4
const notes = 'commit.json'

type Move = readonly [from: string, to: string]

export class HdfsStorage implements Storage<HdfsFile> {
  readonly #config: HdfsConfig
  readonly #hdfs: WebHdfs
  readonly #context: SinkContext
  /** Directories that are there. */
  readonly #made = new Set<string>()
  readonly #prefixes: TopicPrefixes

  constructor(config: HdfsConfig, hdfs: WebHdfs, context: SinkContext) {
    this.#config = config
    this.#hdfs = hdfs
    this.#context = context
    const note = (topic: string) => `${this.#root()}/+topics/${topic}`
    this.#prefixes = new TopicPrefixes(
      {
        // Empty: its writer did not come to the end.
        read: async topic => ((await hdfs.status(note(topic)))?.size ? (await hdfs.read(note(topic))).toString() : null),
        write: (topic, id) => hdfs.create(note(topic), Buffer.from(id)),
      },
      config['file.delim'],
    )
  }

  create(piece: Piece): HdfsFile {
    const folder = this.#temporary(piece)
    return new HdfsFile(this.#hdfs, this.#config['hdfs.append.bytes'], () => `${folder}/${this.#unique()}${piece.extension}`)
  }

  async publish(files: readonly Finished<HdfsFile>[]): Promise<void> {
    await severalAtOnce(files, atOnce, ({ file }) => file.relieve())
    const moves = files.map((each): Move => [each.file.path!, this.#final(each)])
    const list = `${this.#temporary(files[0]!.piece)}/${notes}`
    if (moves.length > 1) await this.#hdfs.create(list, Buffer.from(JSON.stringify(moves)))
    await this.#move(moves)
    if (moves.length > 1) await this.#hdfs.remove(list)
  }

  async discard(files: readonly HdfsFile[]): Promise<void> {
    await severalAtOnce(files, atOnce, async ({ path }) => {
      if (path === null) return
      // A task that ends may not ask any more; the next one removes them all.
      await this.#hdfs
        .remove(path)
        .catch((error: unknown) => this.#context.log.debug({ path, err: error }, 'a temporary file stays until the next start'))
    })
  }

  /** Ends what an earlier run left in the middle, and goes on behind what is there. */
  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    await this.#prefixes.opened(partitions)
    for (const each of partitions) await this.#tidy(each)
    const found: Map<string, bigint> = new Map()
    for (const topic of new Set(partitions.map(each => each.topic))) {
      const wanted = partitions.filter(each => each.topic === topic)
      await this.#lastOffsets(`${this.#root()}/${topic}`, wanted, found)
    }
    const offsets: Offsets[number][] = []
    for (const { topic, partition } of partitions) {
      const last = found.get(this.#prefix({ topic, partition }))
      if (last !== undefined) offsets.push({ topic, partition, offset: last + 1n })
    }
    if (offsets.length > 0) this.#context.seek(offsets)
  }

  async #tidy(where: TopicPartition): Promise<void> {
    const folder = this.#temporary(where)
    const there = await this.#hdfs.list(folder)
    if (there === null) return
    if (there.some(each => each.name === notes)) {
      const moves = movesIn(await this.#hdfs.read(`${folder}/${notes}`))
      // Unreadable: it was not written to its end, so that nothing was renamed.
      if (moves !== null) await this.#move(moves)
    }
    await this.#hdfs.remove(folder)
    this.#context.log.info({ ...where, files: there.length }, 'temporary files of an earlier run were removed')
  }

  /** The highest offset in the names of files, by their prefix. */
  async #lastOffsets(folder: string, wanted: readonly TopicPartition[], found: Map<string, bigint>): Promise<void> {
    const prefixes = wanted.map(each => this.#prefix(each))
    const delimiter = this.#config['file.delim']
    const folders = [folder]
    for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
      for (const { name, isDirectory } of (await this.#hdfs.list(next)) ?? []) {
        if (isDirectory) folders.push(`${next}/${name}`)
        const prefix = prefixes.find(each => name.startsWith(each))
        if (prefix === undefined || isDirectory) continue
        const [first, rest = ''] = name.slice(prefix.length).split(delimiter)
        const last = /^\d+/.exec(rest)?.[0]
        if (!/^\d+$/.test(first!) || last === undefined) continue
        if (BigInt(last) > (found.get(prefix) ?? -1n)) found.set(prefix, BigInt(last))
      }
    }
  }

  async #move(moves: readonly Move[]): Promise<void> {
    for (const [from, to] of moves) {
      const folder = to.slice(0, to.lastIndexOf('/'))
      if (!this.#made.has(folder)) await this.#hdfs.makeDirectory(folder)
      this.#made.add(folder)
      if (await this.#hdfs.rename(from, to)) continue
      this.#made.delete(folder)
      // Renamed before, and the answer was lost; or an earlier run wrote the same records.
      if ((await this.#hdfs.status(to)) === null) throw new Error(`HDFS did not rename ${from} to ${to}`)
      await this.#hdfs.remove(from)
    }
  }

  #final({ piece, last }: Finished<HdfsFile>): string {
    const width = this.#config['filename.offset.zero.pad.width']
    const number = (offset: bigint) => String(offset).padStart(width, '0')
    const name = `${this.#prefix(piece)}${number(piece.first)}${this.#config['file.delim']}${number(last)}${piece.extension}`
    return `${this.#root()}/${piece.topicDirectory}/${piece.directory}/${name}`
  }

  #prefix(where: TopicPartition): string {
    return this.#prefixes.of(where) + this.#config['file.delim']
  }

  #temporary({ topic, partition }: TopicPartition): string {
    return `${this.#root()}/+tmp/${encodeURIComponent(this.#context.connector)}/${topic}/${partition}`
  }

  #root(): string {
    return `/${this.#config['topics.dir'].replace(/^\/+|\/+$/g, '')}`
  }

  #unique(): string {
    const bytes = Buffer.alloc(12)
    this.#context.system.random.fill(bytes)
    return bytes.toString('hex')
  }
}

function movesIn(text: Buffer): Move[] | null {
  try {
    return JSON.parse(text.toString()) as Move[]
  } catch {
    return null
  }
}

class HdfsFile implements OpenFile {
  readonly #hdfs: WebHdfs
  readonly #most: number
  readonly #name: () => string
  #waiting: Buffer[] = []
  /** null: nothing was written yet. */
  path: string | null = null
  held = 0
  #written = 0

  constructor(hdfs: WebHdfs, most: number, name: () => string) {
    this.#hdfs = hdfs
    this.#most = most
    this.#name = name
  }

  async write(bytes: Buffer): Promise<void> {
    if (bytes.length > 0) this.#waiting.push(bytes)
    this.held += bytes.length
    if (this.held >= this.#most) await this.#send()
  }

  /** With it a file is also finished: nothing of it is held any more. */
  async relieve(): Promise<void> {
    if (this.held > 0) await this.#send()
  }

  async #send(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting)
    this.#waiting = [bytes]
    // The first bytes go to a new name each time: whoever might still write to the last one does no harm.
    if (this.#written === 0) {
      this.path = this.#name()
      await this.#hdfs.create(this.path, bytes)
    } else await this.#append(this.path!, bytes)
    this.#written += bytes.length
    this.#waiting = []
    this.held = 0
  }

  async #append(path: string, bytes: Buffer): Promise<void> {
    try {
      await this.#hdfs.append(path, bytes)
    } catch (error) {
      if (!(error instanceof UnsureWrite)) throw error
      throw new Error(
        `${error.message}: it is not known how much of ${path} is written, so that the files of this partition are begun again`,
        { cause: error },
      )
    }
  }
}
