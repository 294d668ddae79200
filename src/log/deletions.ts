/**
 * Removes deleted partitions from the disk: the directory is renamed to a name that no topic can have, and removed when readers have finished.
 *
 * Hides what happens if the rename fails. Until it succeeds, the deletion is recorded again in every new journal file, so that no restart
 * forgets it, and the partition stays in the state log. A topic of the same name cannot use the directory meanwhile: its appends are
 * rejected.
 */
import { DiskError } from '../base.ts'
import type { Uuid } from '../protocol.ts'
import type { LogContext } from './context.ts'
import { StandIn } from './journal/stand-in.ts'
import { condemnedName, readTopicId } from './partition/partition-directory.ts'

export interface DeletedPartition {
  topic: string
  topicId: Uuid
  partition: number
  /** null: it never had one, or has none any more. */
  directory: string | null
}

export class Deletions {
  readonly #context: LogContext
  /** Called when the directory no longer has its old name (except after a power cut). */
  readonly #onRenamed: (topicId: Uuid, partition: number) => void
  /** By directory: those that still have their old names. */
  readonly #waiting = new Map<string, Doomed>()

  constructor(context: LogContext, onRenamed: (topicId: Uuid, partition: number) => void) {
    this.#context = context
    this.#onRenamed = onRenamed
  }

  /**
   * The journal knows of the deletion. The directory keeps its name until `unused` resolves, and its files go `delayMs` later. Resolves when
   * the name was given up, or the disk refused that.
   */
  async add(deleted: DeletedPartition, delayMs: number, unused: Promise<void> = Promise.resolve()): Promise<void> {
    if (deleted.directory === null) {
      await unused
      this.#onRenamed(deleted.topicId, deleted.partition)
      return
    }
    const doomed = new Doomed(deleted, deleted.directory, delayMs)
    this.#waiting.set(doomed.directory, doomed)
    await unused
    doomed.unused = true
    await this.#context.chores.begin(`renaming the deleted ${doomed.directory}`, async () => this.#rename(doomed))
  }

  /** Frees the directory for a topic of the same name. Throws DiskError as long as that is not possible. */
  free(directory: string): void {
    const doomed = this.#waiting.get(directory)
    if (doomed === undefined) return
    if (!doomed.unused) throw new DiskError('rename', directory, 'EBUSY')
    this.#rename(doomed)
  }

  /** Whether the directory has to go first. */
  blocks(directory: string): boolean {
    return this.#waiting.has(directory)
  }

  /** A file of the journal was begun; earlier ones will be forgotten. */
  noteAgain(): void {
    for (const doomed of this.#waiting.values()) this.#context.commit.forget(doomed)
  }

  /** In recovery, when a later topic has its name. Throws DiskError when the disk refuses. */
  moveAway({ topic, topicId, partition }: DeletedPartition, directory: string, delayMs: number): void {
    const { chores, system } = this.#context
    const condemned = `${this.#context.directory}/${condemnedName(topic, partition, topicId)}`
    const owner = readTopicId(system.files, directory)
    if (owner !== null && owner !== topicId) return
    if (system.files.exists(directory)) system.files.rename(directory, condemned)
    chores.add(`removing ${condemned}`, delayMs, () => system.files.removeDirectory(condemned))
  }

  #rename(doomed: Doomed): void {
    if (this.#waiting.get(doomed.directory) !== doomed) return
    this.moveAway(doomed, doomed.directory, doomed.delayMs)
    this.#waiting.delete(doomed.directory)
    this.#onRenamed(doomed.topicId, doomed.partition)
  }
}

/** A deleted partition, as far as the journal needs it. */
class Doomed extends StandIn {
  readonly directory: string
  readonly delayMs: number
  /** Nothing knows its files by their names any more. */
  unused = false

  constructor(deleted: DeletedPartition, directory: string, delayMs: number) {
    super(deleted)
    this.directory = directory
    this.delayMs = delayMs
  }
}
