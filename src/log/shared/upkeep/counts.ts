/** What upkeep has done since its session began, for metrics. */
export interface UpkeepCounts {
  /** Transactions that gave pieces their rows. */
  flushes: number
  /** Pieces that were flushed, and their bytes in the journal. */
  pieces: number
  flushedBytes: number
  /** How often the journal was trimmed. */
  trims: number
  /** How often a partition that cannot be flushed was carried forward, so that the journal could be trimmed. */
  carriedForward: number
  /** Partitions that cannot be flushed, though others can, when that was last looked at. */
  stuck: number
  /** Pieces that retention removed, and pieces that compaction and merging replaced. */
  removedPieces: number
  cleanedPieces: number
  mergedPieces: number
}

export function noCounts(): UpkeepCounts {
  return {
    flushes: 0,
    pieces: 0,
    flushedBytes: 0,
    trims: 0,
    carriedForward: 0,
    stuck: 0,
    removedPieces: 0,
    cleanedPieces: 0,
    mergedPieces: 0,
  }
}
