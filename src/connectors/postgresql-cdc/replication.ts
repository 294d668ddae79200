/**
 * The stream of a replication slot, by the streaming replication protocol over a connection of `pg`
 * (https://www.postgresql.org/docs/current/protocol-replication.html).
 *
 * `pg-logical-replication`, the library for this, tells the server that everything is safe that it has received, and queues without a bound; so this is
 * written here. The server is told only what {@link confirm} says.
 */
import type { Client } from 'pg'
import { ByteReader, MalformedInput, type System, type Timer } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { FrameQueue } from '../change-data/frames.ts'
import { failure, literal, quoted } from './connection.ts'
import { lsnText } from './lsn.ts'

export type Frame =
  | { readonly kind: 'data'; readonly lsn: bigint; readonly body: Buffer }
  /** The server has nothing else before this position. */
  | { readonly kind: 'alive'; readonly lsn: bigint }

export interface StreamOptions {
  readonly slot: string
  readonly publication: string
  /** 0: where the slot is. */
  readonly from: bigint
  /** Up to where the slot is confirmed already; 0, which PostgreSQL ignores: not known. What lies between it and `from` need not be safe. */
  readonly confirmed: bigint
  /** Whether the server knows them (PostgreSQL 14). */
  readonly logicalMessages: boolean
  readonly mostBytes: number
  readonly statusMs: number
  /** When nobody has taken anything for so long, the stream ends: a task that is paused would keep the server from shutting down. */
  readonly idleMs: number
}

/** What `pg` does not declare of its connection. */
interface Wire {
  readonly stream: { pause(): void; resume(): void }
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void
  once(event: 'replicationStart', listener: () => void): void
  sendCopyFromChunk(chunk: Buffer): void
}

/** From 1970 to 2000, where PostgreSQL's time begins. */
const epochMs = 946_684_800_000

export class ReplicationStream {
  readonly #client: Client
  readonly #wire: Wire
  readonly #system: System
  readonly #options: StreamOptions
  readonly frames: FrameQueue<Frame>
  #received: bigint
  #confirmed: bigint
  #timer: Timer | null = null

  /** Takes the client. Resolves when the stream has begun. */
  static async start(client: Client, system: System, options: StreamOptions): Promise<ReplicationStream> {
    const stream = new ReplicationStream(client, system, options)
    await stream.#begin()
    return stream
  }

  private constructor(client: Client, system: System, options: StreamOptions) {
    this.#client = client
    this.#wire = (client as unknown as { connection: Wire }).connection
    this.#system = system
    this.#options = options
    this.#received = options.from
    this.#confirmed = options.confirmed
    this.frames = new FrameQueue(system, options.mostBytes, this.#wire.stream)
  }

  #begin(): Promise<void> {
    const { slot, publication, from, logicalMessages } = this.#options
    const plugin = [
      `proto_version '1'`,
      `publication_names ${literal(quoted(publication))}`,
      ...(logicalMessages ? [`messages 'true'`] : []),
    ]
    const command = `START_REPLICATION SLOT ${quoted(slot)} LOGICAL ${lsnText(from)} (${plugin.join(', ')})`
    return new Promise((resolve, reject) => {
      this.#wire.once('replicationStart', () => {
        this.#sendStatus()
        resolve()
      })
      this.#wire.on('copyData', ({ chunk }) => this.#take(chunk))
      this.#client.on('end', () => this.#end(new Error('the connection was closed')))
      this.#client.on('error', error => this.#end(error))
      this.#client.query(command).then(
        () => this.#end(new Error('the connection was closed by the server')),
        error => {
          this.#end(error)
          reject(failure(error))
        },
      )
    })
  }

  #take(chunk: Buffer): void {
    try {
      this.#add(chunk)
    } catch (error) {
      this.#end(error)
    }
  }

  #add(chunk: Buffer): void {
    const reader = new ByteReader(chunk)
    const kind = String.fromCharCode(reader.readInt8())
    const lsn = reader.readSlice(8).readBigUInt64BE()
    if (kind === 'k') {
      reader.skip(8)
      const wantsReply = reader.readBool()
      if (lsn > this.#received) this.#received = lsn
      this.frames.push({ kind: 'alive', lsn }, 0, last => last.kind === 'alive')
      if (wantsReply) this.#sendStatus()
    } else if (kind === 'w') {
      reader.skip(16)
      // The buffer is the parser's, which will use it again.
      const body = Buffer.from(reader.readSlice(reader.remaining))
      if (lsn > this.#received) this.#received = lsn
      this.frames.push({ kind: 'data', lsn, body }, body.length)
    } else throw new MalformedInput(`the replication stream has no message "${kind}"`)
  }

  /** All before this position is safe: the server need not send it again, and may drop its WAL. */
  confirm(lsn: bigint): void {
    if (lsn <= this.#confirmed) return
    this.#confirmed = lsn
    this.#sendStatus()
  }

  /** From time to time also when there is nothing new, so that the server does not take us for dead. */
  #sendStatus(): void {
    if (this.frames.isEnded) return
    if (this.frames.idleMs > this.#options.idleMs) {
      this.#end(new RetriableError('nobody has asked for changes for a while; the stream is begun anew'))
      void this.close()
      return
    }
    this.#timer?.cancel()
    this.#timer = this.#system.timers.after(this.#options.statusMs, () => this.#sendStatus())
    const status = Buffer.alloc(34)
    status.write('r')
    status.writeBigUInt64BE(this.#received > this.#confirmed ? this.#received : this.#confirmed, 1)
    status.writeBigUInt64BE(this.#confirmed, 9)
    status.writeBigUInt64BE(this.#confirmed, 17)
    status.writeBigInt64BE(BigInt(Math.floor(this.#system.clock.now() - epochMs)) * 1_000n, 25)
    this.#wire.sendCopyFromChunk(status)
  }

  #end(error: unknown): void {
    this.frames.end(failure(error))
    this.#timer?.cancel()
  }

  async close(): Promise<void> {
    this.#end(new RetriableError('the stream was closed'))
    await this.#client.end().catch(() => {}) // it may be gone
  }
}
