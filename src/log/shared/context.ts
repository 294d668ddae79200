/** What the partitions of one session share. */
import type { System } from '../../base.ts'
import type { LogSettings } from '../../log.ts'
import type { LogContext } from '../context.ts'
import type { SessionJournal } from './journal.ts'
import type { LogMemory } from './memory.ts'
import type { PieceStore } from './pieces/piece-store.ts'
import type { FlushedPartition } from './upkeep/ports.ts'

export interface SharedContext {
  readonly system: System
  readonly settings: LogSettings
  readonly journal: SessionJournal
  readonly pieces: PieceStore
  readonly memory: LogMemory
  readonly findRecord: LogContext['findRecord']
  /** Throws KAFKA_STORAGE_ERROR when too much is unflushed, of all or of this one. */
  admit(partition: FlushedPartition, origin: 'client' | 'coordinator'): void
  report(what: string, error: unknown): void
}
