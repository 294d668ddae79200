/**
 * What the shared home decides by numbers: sizes in bytes, times in milliseconds. Tests shrink them; `cluster.*` keys of the broker set those that
 * an operator may change.
 */

export interface SharedSettings {
  /** A broker is proven for so long after it sent its last committed frame. */
  readonly leaseMs: number
  /** Others wait so much longer than the lease before they fence: it covers clocks that differ. */
  readonly marginMs: number
  /** An idle session writes a frame that often. */
  readonly heartbeatMs: number
  /** What one partition appends in one group goes into the frame itself up to this size, and into an object above it. */
  readonly inlineBytes: number
  /** Of the whole cluster, divided by its live brokers: PostgreSQL writes each inline byte to its WAL. */
  readonly inlineBytesPerSecond: number
  /** More is not put into one frame: the next one takes it. */
  readonly frameBytes: number
  /** A frame with rows has so many bytes of batches inline; more of them go into an object, which is written first. */
  readonly carryBytes: number
  /** An object is written when so much has gathered in it, … */
  readonly objectBytes: number
  /** … or after this time, … */
  readonly objectMs: number
  /** … or when nothing was added for so long, unless it is small, or another one is being written. */
  readonly objectQuietMs: number
  /** Objects that are written at once. */
  readonly objectPuts: number
  /** How long a session that ends waits for what it was given. */
  readonly closeMs: number
  /** Appends for clients wait while so much is in no segment yet, or not committed. */
  readonly journalMaxBytes: number
  /** Partitions are flushed to segments when so much of them is in the journal, … */
  readonly flushBytes: number
  /** … or after this time. */
  readonly flushMs: number
  /** Of the cache of what is read from objects. */
  readonly blockBytes: number
  readonly cacheBytes: number
  /** How often the first broker looks for garbage. */
  readonly collectMs: number
  /**
   * So long after its end what a session left behind is swept: more than once, because PUTs that it began may arrive after its end, and listings may
   * be late.
   */
  readonly sweepMs: readonly number[]
}

export const sharedDefaults: SharedSettings = {
  leaseMs: 2_500,
  marginMs: 500,
  heartbeatMs: 500,
  inlineBytes: 64 << 10,
  inlineBytesPerSecond: 16 << 20,
  frameBytes: 4 << 20,
  carryBytes: 256 << 10,
  objectBytes: 4 << 20,
  objectMs: 100,
  objectQuietMs: 10,
  objectPuts: 8,
  closeMs: 5_000,
  journalMaxBytes: 1 << 30,
  flushBytes: 64 << 20,
  flushMs: 10 * 60_000,
  blockBytes: 1 << 20,
  cacheBytes: 64 << 20,
  collectMs: 30_000,
  sweepMs: [3_600_000, 24 * 3_600_000],
}
