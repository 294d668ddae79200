/** The services that all partitions of one log share. */
import type { System } from '../base.ts'
import type { LogSettings } from '../log.ts'
import type { FoundRecord, Search } from '../protocol.ts'
import type { Chores } from './chores.ts'
import type { Deletions } from './deletions.ts'
import type { GroupCommit } from './journal/commit.ts'
import type { PageCache } from './partition/recent-writes.ts'
import type { SegmentContext } from './segments/segment.ts'
import type { Slabs } from './tail/slabs.ts'
import type { Tail } from './tail/tail.ts'

export interface LogContext {
  readonly system: System
  readonly directory: string
  readonly settings: LogSettings
  readonly segments: SegmentContext
  readonly tail: Tail
  readonly commit: GroupCommit
  readonly slabs: Slabs
  readonly chores: Chores
  readonly deletions: Deletions
  /** Throws KAFKA_STORAGE_ERROR when nothing may be appended: closed, failed, or (clients only) the disk is nearly full. */
  admit(origin: 'client' | 'coordinator'): void
  /** Makes the names of new partition directories survive a power cut; calls at the same time share one sync. */
  syncNames(): Promise<void>
  /** Makes a checkpoint of everything appended so far. Rejects on disk errors; the checkpoint is then retried, but callers should not wait for that. */
  checkpoint(): Promise<void>
  /** As `LogOptions.findRecord`. */
  readonly findRecord: (search: Search) => FoundRecord | null | Promise<FoundRecord | null>
  /** A sync failed: the process has to stop. */
  fatal(error: Error): void
  /** Reports a failure of background work that is retried or can be ignored. */
  report(what: string, error: unknown): void
  readonly pageCache: PageCache
  /** Bytes went to a segment file past the journal. */
  wroteDirectly(bytes: number): void
}
