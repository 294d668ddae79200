/**
 * The observations of the clients of an exactly-once run, in order: everything that the checker knows.
 *
 * Instants (`at`, `sentAt` …) are numbers of one counter, so that "before" is what an observer outside would say; `atMs` is virtual time,
 * for timeouts. An outcome is `ok` (confirmed), `fail` (certainly not done), or `info` (unknown).
 */
export type Outcome = 'ok' | 'fail' | 'info'

/** A record that a producer sent. Values are unique. */
export interface Send {
  value: string
  /** `topic-partition`. */
  partition: string
  /** One life of one producer; what it sends to a partition is in order. */
  writer: string
  /** null: not transactional. */
  transaction: string | null
  outcome: Outcome
  /** When known. */
  offset: number | null
  ackedAt: number | null
}

export interface Transaction {
  id: string
  transactionalId: string
  startedAt: number
  /** The broker cannot abort it by itself before. */
  timesOutAtMs: number
  commitSentAt: number | null
  /** The first instant at which anything was sent that may end it: EndTxn, or InitProducerId of the same transactional id. */
  mayEndAt: number | null
  outcome: 'open' | 'committed' | 'aborted' | 'info'
  /** The positions in the input that commit with it, by partition. */
  offsets: Map<string, number>
  endedAt: number | null
}

export interface Poll {
  reader: string
  isolation: 'committed' | 'uncommitted'
  partition: string
  askedAt: number
  at: number
  atMs: number
  /** The reader's position before and after. */
  from: number
  next: number
  lastStableOffset: number
  records: readonly (readonly [offset: number, value: string])[]
}

/** The position of the group, as the broker told it. */
export interface OffsetRead {
  partition: string
  askedAt: number
  at: number
  offset: number
  /** Whether the answer had to wait for open transactions; if not, it may lag behind a commit, but never be ahead. */
  stable: boolean
}

/** What a member of a group was told that it has. */
export interface Ownership {
  partition: string
  /** The member's epoch or generation. */
  epoch: number
  member: string
}

export interface History {
  sends: Send[]
  transactions: Transaction[]
  polls: Poll[]
  offsetReads: OffsetRead[]
  ownerships: Ownership[]
  /** Everything from the first offset on, read at the end by a fresh reader: by isolation and partition. */
  final: { committed: Map<string, [number, string][]>; uncommitted: Map<string, [number, string][]> }
}

export function emptyHistory(): History {
  return {
    sends: [],
    transactions: [],
    polls: [],
    offsetReads: [],
    ownerships: [],
    final: { committed: new Map(), uncommitted: new Map() },
  }
}

/** What consume–transform–produce makes of an input; the transaction makes it unique. */
export function transformed(input: string, transaction: string): string {
  return `${input}>${transaction}`
}

export function inputOf(output: string): string {
  return output.slice(0, output.indexOf('>'))
}
