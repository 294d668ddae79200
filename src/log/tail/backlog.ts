/**
 * The backlog: data that no checkpoint covers yet, so that it occupies disk space twice and a restart reads it again. It stays bounded,
 * whatever the disk does.
 *
 * While checkpoints succeed but fall behind, back-pressure applies above the bound: produce requests wait until a checkpoint is done. While
 * checkpoints fail (the disk is full), waiting would not help, and would also block the reads and deletions that free space: then clients'
 * appends above the bound are rejected with KAFKA_STORAGE_ERROR, and accepted again after the next checkpoint. Above twice the bound (for
 * appenders that ignore back-pressure, coordinators on a full disk) all appends are rejected. Clients' appends are also rejected if the first
 * checkpoint of a start fails that must record what was recovered.
 */
import { KafkaError } from '../../protocol.ts'
import type { Valve } from './pressure.ts'

/** Bytes written past the journal after which a checkpoint is due, though the journal is not full. */
const dueDirectBytes = 256 << 20
/** The bound of those that no checkpoint holds. */
const mostDirectBytes = 2048 * 2 ** 20

export class Backlog {
  readonly #valve: Valve
  readonly #mostJournalBytes: number
  /** Bytes that went past the journal: ever, when the journal's file was begun, when the running checkpoint began, in the last one. */
  #directBytes = 0
  #rotatedDirectBytes = 0
  #runningDirectBytes = 0
  #heldDirectBytes = 0
  #journalBytes = 0
  /** Why the last checkpoint failed. */
  #failure: Error | null = null
  /** What the log contained at the start is in no checkpoint. */
  #unrecorded = false
  #refused: 'nobody' | 'clients' | 'all' = 'nobody'

  constructor(valve: Valve, mostJournalBytes: number) {
    this.#valve = valve
    this.#mostJournalBytes = mostJournalBytes
  }

  /** Enough went past the journal for a checkpoint of its own. */
  get isDue(): boolean {
    return this.#directBytes - this.#rotatedDirectBytes >= dueDirectBytes
  }

  /** Throws KAFKA_STORAGE_ERROR when there is no room for an append. */
  admit(origin: 'client' | 'coordinator'): void {
    if (this.#refused === 'nobody' || (this.#refused === 'clients' && origin !== 'client')) return
    const what = this.#unrecorded ? 'The recovered log is not recorded yet' : 'The journal is full'
    throw new KafkaError('KAFKA_STORAGE_ERROR', `${what}, and ${this.#failure?.message ?? 'checkpoints fall behind'}`)
  }

  /** Until the next checkpoint a kill would endanger what is appended: clients' appends are rejected should it fail. */
  mustBeRecorded(): void {
    this.#unrecorded = true
  }

  wroteDirectly(bytes: number): void {
    this.#directBytes += bytes
    if (this.#directBytes - this.#heldDirectBytes > mostDirectBytes) this.#judge()
  }

  /** `journalBytes`: in files that are not released. */
  rotated(journalBytes: number): void {
    this.#rotatedDirectBytes = this.#directBytes
    this.journalGrew(journalBytes)
  }

  journalGrew(journalBytes: number): void {
    this.#journalBytes = journalBytes
    this.#judge()
  }

  checkpointBegan(): void {
    this.#runningDirectBytes = this.#rotatedDirectBytes
  }

  checkpointed(journalBytes: number): void {
    this.#heldDirectBytes = this.#runningDirectBytes
    this.#failure = null
    this.#unrecorded = false
    this.journalGrew(journalBytes)
  }

  /** A checkpoint, or what must come before one. It is tried again. */
  failed(error: Error): void {
    this.#failure = error
    this.#judge()
  }

  #judge(): void {
    const fill = Math.max(this.#journalBytes / this.#mostJournalBytes, (this.#directBytes - this.#heldDirectBytes) / mostDirectBytes)
    this.#refused = fill > 2 ? 'all' : (fill > 1 || this.#unrecorded) && this.#failure !== null ? 'clients' : 'nobody'
    this.#valve.set(fill > 1 && this.#failure === null)
  }
}
