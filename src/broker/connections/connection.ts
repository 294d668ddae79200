/**
 * One client's connection: reads frames, sends replies in the order of the requests, and applies back-pressure in both directions.
 *
 * A request is processed only after the previous one has been answered, as in Kafka, so that a slow response stops reading from the
 * socket instead of filling memory. Produce requests are the exception: their place in the log is fixed immediately, so the connection reads
 * on while up to {@link maxParkedReplies} earlier replies wait for the disk. While the log falls behind, only produce requests wait. One
 * read may contain thousands of requests; those after the first take turns with other work (`base/turns.ts`), and the first takes turns
 * with those of other connections (`read-turns.ts`).
 */
import type net from 'node:net'
import { type Clock, freeIfLarge, type Timer, type Timers, type Turns } from '../../base.ts'
import { apis } from '../../protocol.ts'
import type { Session } from '../security.ts'
import type { FrameMemory } from './frame-memory.ts'
import { FrameReader, type Taken } from './frames.ts'
import type { ReadBuffers } from './read-buffers.ts'
import type { ReadTurns } from './read-turns.ts'
import type { SocketReader } from './socket.ts'

export interface ReplyBytes {
  buffers: readonly Buffer[]
  length: number
  /** Called once the bytes have left, or never will. */
  release?: () => void
}

/** null: the request has no reply. */
export type Reply = ReplyBytes | null

export interface PendingReply {
  reply: Promise<Reply>
  /** Whether further requests may be worked on meanwhile. */
  readOn: boolean
}

/** The request has to wait, and is tried again later. */
export interface Later {
  whenFree(callback: () => void): void
}

/**
 * Works on one request. `owned`: nothing else overwrites the bytes; otherwise they are valid only until `endOfRead`.
 * Throws when the connection must be closed.
 */
export type Dispatch = (frame: Buffer, owned: boolean, connection: Connection) => Reply | PendingReply | Later

export interface ConnectionOptions {
  /** Begins to read, and gives the socket that replies go to. */
  read(reader: SocketReader): net.Socket
  id: number
  listener: string
  session: Session
  /** Shared with others that are read in the same way. */
  buffers: ReadBuffers
  frameMemory: FrameMemory
  maxFrameBytes: number
  maxUnauthenticatedFrameBytes: number
  clock: Clock
  timers: Timers
  turns: Turns
  readTurns: ReadTurns
  dispatch: Dispatch
  /** All requests of one read were dispatched: their bytes are overwritten from now on. */
  endOfRead(): void
  /** Something for which produce requests have to wait: the log falls behind. */
  pressure: { readonly on: boolean; whenOff(callback: () => void): void }
  /** Why the connection ended; null when the client closed it. */
  onClose(connection: Connection, error: unknown): void
}

interface Parked {
  reply: Reply
  settled: boolean
}

/** librdkafka may have a million requests in flight; Kafka has one, and answers each before it reads the next. */
const maxParkedReplies = 256
/** This many produce requests of one read are processed together, however long that takes: they become one write (ADR 0006). */
const gathered = 64
/** A larger read does not wait for its turn: it would have to be copied, which takes as long as some small requests. */
const mostCopied = 16 * 1024

export class Connection {
  readonly id: number
  readonly listener: string
  readonly remoteAddress: string
  readonly session: Session
  clientSoftwareName = 'unknown'
  clientSoftwareVersion = 'unknown'
  /** Monotonic. */
  readonly openedMs: number
  /** Monotonic; when bytes last came or went. */
  lastActiveMs: number
  /** Monotonic; since when the frame that is being received has been incomplete. */
  unfinishedSinceMs = 0
  bytesIn = 0
  bytesOut = 0

  readonly #socket: net.Socket
  readonly #frames: FrameReader
  readonly #options: ConnectionOptions
  readonly #parked: Parked[] = []
  readonly #abort = new AbortController()
  /** A request that must be answered before the next is worked on. */
  #busy = false
  /** Has a request that must wait: a produce request until the log has caught up, a large one until others have finished. */
  #held = false
  /** A whole request waits, for its turn or until there is room for it. */
  #heldBack = false
  /** Requests processed since the last bytes arrived, or since the connection had its turn. */
  #begun = 0
  /** For its turn. */
  #waiting = false
  #muted: Timer | null = null
  #mutedUntilMs = 0
  #draining = false
  /** The client sends nothing more. */
  #ended = false
  #closed = false
  #corked = false
  /** When there was last nothing for the client to read. */
  #emptyMs = 0
  /** When it was last looked at: bytes that the client had taken, bytes in the kernel's or libuv's hands, and when either last moved. */
  #taken = 0
  #queued = 0
  #progressedMs = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.id = options.id
    this.listener = options.listener
    this.session = options.session
    this.session.drain = () => this.drain()
    this.session.authenticatedNow = () => {
      this.#frames.maxFrameBytes = options.maxFrameBytes
    }
    this.remoteAddress = options.session.remoteAddress
    this.openedMs = options.clock.monotonic()
    this.lastActiveMs = this.#progressedMs = this.#emptyMs = this.openedMs
    this.#frames = new FrameReader(
      options.buffers,
      options.session.authenticated ? options.maxFrameBytes : Math.min(options.maxFrameBytes, options.maxUnauthenticatedFrameBytes),
      options.frameMemory.share(() => this.#resume()),
      {
        take: (frame, owned) => this.#take(frame, owned),
        done: () => options.endOfRead(),
        reject: error => this.close(error),
      },
    )
    this.#socket = options.read({
      target: () => this.#frames.target(),
      received: length => this.#received(length),
    })
    this.#socket.on('error', error => this.close(error))
    this.#socket.on('close', () => this.close(null))
    // The client may end its direction while it waits for replies, or once it has sent a request that has none.
    this.#socket.allowHalfOpen = true
    this.#socket.on('end', () => {
      this.#ended = true
      // Otherwise requests that have arrived are still waiting: over TLS, the end does not wait for them.
      if (this.#mayTake()) this.#closeWhenDrained()
    })
    this.#socket.on('drain', () => this.#resume())
  }

  get principal(): string {
    return this.session.principal
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Aborted when the connection closes or takes no more requests: what waits is answered at once, or given up. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Whether the client waits for the broker: a request is being processed or is waiting. */
  get owing(): boolean {
    return this.#busy || this.#held || this.#waiting || this.#muted !== null || this.#parked.length > 0
  }

  /** Bytes of requests in memory. */
  get requestBytes(): number {
    return this.#frames.heldBytes
  }

  /** Bytes of replies that the client has not taken. */
  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  /** For how long the client has taken nothing of what waits for it. To be asked regularly: it compares with the last time. */
  stalledMs(nowMs: number): number {
    const { unsentBytes } = this
    const taken = this.bytesOut - unsentBytes
    const queued = (this.#socket as { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 0
    const progressed = unsentBytes === 0 || taken > this.#taken || queued < this.#queued
    if (taken > this.#taken || queued < this.#queued) this.lastActiveMs = nowMs
    if (progressed) this.#progressedMs = nowMs
    if (unsentBytes === 0) this.#emptyMs = nowMs
    this.#taken = taken
    this.#queued = queued
    return nowMs - this.#progressedMs
  }

  /** For how long the client has always had something to read, as of the last {@link stalledMs}. */
  behindMs(nowMs: number): number {
    return nowMs - this.#emptyMs
  }

  /** Takes no further request for so long; replies leave. */
  mute(delayMs: number): void {
    const untilMs = this.#options.clock.monotonic() + delayMs
    if (this.#closed || untilMs <= this.#mutedUntilMs) return
    this.#mutedUntilMs = untilMs
    // Also in the middle of a frame, because then the delay is not the client's fault.
    this.#socket.pause()
    if (this.unfinishedSinceMs > 0) this.unfinishedSinceMs += delayMs
    this.#muted?.cancel()
    this.#muted = this.#options.timers.after(delayMs, () => {
      this.#muted = null
      this.#resume()
    })
  }

  /** Takes no more requests and closes once the replies under way have left. */
  drain(): void {
    this.#draining = true
    this.#abort.abort()
    this.#closeWhenDrained()
  }

  close(error: unknown): void {
    if (this.#closed) return
    this.#closed = true
    this.#muted?.cancel()
    this.#frames.abandon()
    this.#abort.abort()
    for (const { reply } of this.#parked.splice(0)) reply?.release?.()
    this.#socket.destroy()
    this.#options.onClose(this, error)
  }

  #received(length: number): boolean {
    this.bytesIn += length
    this.lastActiveMs = this.#options.clock.monotonic()
    const wasUnfinished = this.#frames.unfinished
    this.#begun = 0
    if (length <= mostCopied && !this.#waiting && !this.#options.readTurns.admits(this.lastActiveMs)) {
      this.#waiting = true
      this.#options.readTurns.wait(() => this.#endWait())
    }
    const goOn = this.#frames.received(length)
    if (!this.#frames.unfinished) this.unfinishedSinceMs = 0
    else if (!wasUnfinished || this.unfinishedSinceMs === 0) this.unfinishedSinceMs = this.lastActiveMs
    if (!goOn || this.#closed) return false
    // The kernel may hold tens of megabytes of each connection, which would all be read in this turn.
    if (!this.#frames.large || !this.#options.turns.over) return true
    this.#awaitTurn()
    return false
  }

  #take(frame: Buffer, owned: boolean): Taken {
    if (this.#closed || this.#draining) return 'stop'
    if (this.#waiting) return this.#later()
    if (this.#options.pressure.on && isProduce(frame)) {
      this.#hold(callback => this.#options.pressure.whenOff(callback))
      return this.#later()
    }
    if (this.#begun >= (isProduce(frame) ? gathered : 1) && this.#options.turns.over) {
      this.#awaitTurn()
      return this.#later()
    }
    this.#begun++
    let outcome: Reply | PendingReply | Later
    try {
      outcome = this.#options.dispatch(frame, owned, this)
    } catch (error) {
      this.close(error)
      return 'stop'
    }
    if (outcome !== null && 'whenFree' in outcome) {
      this.#hold(outcome.whenFree)
      return this.#later()
    }
    if (outcome !== null && 'reply' in outcome) this.#park(outcome, frame, owned)
    else this.#answer(outcome)
    return this.#mayTake() ? 'next' : 'stop'
  }

  #hold(whenFree: Later['whenFree']): void {
    if (this.#held) return
    this.#held = true
    whenFree(() => {
      this.#held = false
      this.lastActiveMs = this.#options.clock.monotonic()
      this.#takeAgain()
    })
  }

  #awaitTurn(): void {
    if (this.#waiting) return
    this.#waiting = true
    void this.#options.turns.next().then(() => this.#endWait())
  }

  #endWait(): void {
    this.#waiting = false
    this.#takeAgain()
  }

  #later(): Taken {
    if (!this.#heldBack) this.#frames.processes(0, 1)
    this.#heldBack = true
    return 'later'
  }

  /** Takes the request that had to wait. */
  #takeAgain(): void {
    const wasHeldBack = this.#heldBack
    this.#heldBack = false
    this.#begun = 0
    this.#resume()
    if (wasHeldBack) this.#frames.processes(0, -1)
  }

  #mayTake(): boolean {
    if (this.#closed || this.#draining || this.#busy || this.#held || this.#waiting || this.#muted !== null) return false
    return this.#parked.length < maxParkedReplies && !this.#socket.writableNeedDrain
  }

  #answer(reply: Reply): void {
    if (this.#parked.length > 0) this.#parked.push({ reply, settled: true })
    else if (reply !== null) this.#send(reply)
  }

  #park({ reply: outcome, readOn }: PendingReply, frame: Buffer, owned: boolean): void {
    const parked: Parked = { reply: null, settled: false }
    this.#parked.push(parked)
    // The bytes of a produce request are not needed once they are in the log (`PartitionLog.append`). If they have memory of their own, it is
    // held until the reply is ready.
    const heldBytes = readOn && !owned ? 0 : frame.length
    const finishing = heldBytes > 0 && isProduce(frame) ? 1 : 0
    if (heldBytes > 0) this.#frames.processes(heldBytes, finishing)
    if (!readOn) this.#busy = true
    outcome.then(
      reply => {
        this.#processed(readOn, heldBytes, finishing)
        if (owned && finishing > 0) freeIfLarge(frame)
        if (this.#closed) {
          reply?.release?.()
          return
        }
        parked.reply = reply
        parked.settled = true
        this.#sendSettled()
        this.#resume()
      },
      error => {
        this.#processed(readOn, heldBytes, finishing)
        this.close(error)
      },
    )
  }

  #processed(readOn: boolean, heldBytes: number, finishing: number): void {
    if (!readOn) this.#busy = false
    if (heldBytes > 0) this.#frames.processes(-heldBytes, -finishing)
  }

  #sendSettled(): void {
    let count = 0
    while (count < this.#parked.length && this.#parked[count]!.settled) {
      const { reply } = this.#parked[count++]!
      if (reply !== null) this.#send(reply)
    }
    if (count > 0) this.#parked.splice(0, count)
  }

  #send(reply: ReplyBytes): void {
    if (this.#closed) {
      reply.release?.()
      return
    }
    this.bytesOut += reply.length
    this.lastActiveMs = this.#options.clock.monotonic()
    this.#gatherWrites()
    const { buffers } = reply
    const last = buffers.length - 1
    for (let index = 0; index < last; index++) this.#socket.write(buffers[index]!)
    const done = reply.release === undefined && !this.#draining ? undefined : () => this.#left(reply)
    this.#socket.write(buffers[last]!, done)
  }

  /** Replies that are ready at the same time leave by one write. */
  #gatherWrites(): void {
    if (this.#corked) return
    this.#corked = true
    this.#socket.cork()
    queueMicrotask(() => {
      this.#corked = false
      this.#socket.uncork()
    })
  }

  /** Also called when the socket failed: then the buffers are free all the same. */
  #left(reply: ReplyBytes): void {
    reply.release?.()
    if (this.#draining) this.#closeWhenDrained()
  }

  #resume(): void {
    if (this.#closed) return
    if (this.#draining) this.#closeWhenDrained()
    else if (this.#mayTake() && this.#frames.resume() && !this.#closed) {
      if (this.#ended) {
        this.#closeWhenDrained()
        return
      }
      // It could not send the rest until now.
      if (this.#frames.unfinished && this.unfinishedSinceMs === 0)
        this.lastActiveMs = this.unfinishedSinceMs = this.#options.clock.monotonic()
      this.#socket.resume()
    }
  }

  #closeWhenDrained(): void {
    if (this.#closed || this.#busy || this.#parked.length > 0 || this.#socket.writableEnded) return
    if (this.#socket.writableLength > 0) {
      // Not every write reports its completion.
      this.#socket.end(() => this.close(null))
      return
    }
    this.#socket.end()
    this.close(null)
  }
}

function isProduce(frame: Buffer): boolean {
  return frame.length >= 2 && frame.readInt16BE(0) === apis.produce.key
}
