/**
 * Where the processes of one machine have the directories of their partitions, and how a directory gets from one process to another.
 *
 * Only the process in whose directory a partition lies takes it out, when its own log has released it and the metadata names another leader.
 * The new leader waits for it: it never looks into a directory of which another log may still write to.
 */
import type { FileSystem, Timers } from '../../base.ts'
import type { PartitionDirectories } from '../../coordinator.ts'
import { type ReleasedPartition, readTopicId } from '../../log.ts'

export interface ProcessDirectoriesOptions {
  files: FileSystem
  timers: Timers
  brokerId: number
  /** Of all processes, by broker id. */
  directories: ReadonlyMap<number, string>
  report(what: string, error: unknown): void
}

/** What could not be renamed is tried again: the name may be taken by a deleted topic that is about to go. */
const retryMs = 250

export class ProcessDirectories implements PartitionDirectories {
  readonly #options: ProcessDirectoriesOptions
  #closed = false

  constructor(options: ProcessDirectoriesOptions) {
    this.#options = options
  }

  isAway(partition: Omit<ReleasedPartition, 'directory'>): boolean {
    const { brokerId, directories } = this.#options
    const own = directories.get(brokerId)!
    if (this.#liesIn(own, partition)) return false
    const isElsewhere = [...directories.values()].some(directory => directory !== own && this.#liesIn(directory, partition))
    // It may have come meanwhile.
    return isElsewhere && !this.#liesIn(own, partition)
  }

  bring(partition: ReleasedPartition, leaderOf: () => number | undefined): void {
    this.#bring(partition, leaderOf, false)
  }

  #bring(partition: ReleasedPartition, leaderOf: () => number | undefined, isAgain: boolean): void {
    const { brokerId, directories, files, report, timers } = this.#options
    const leader = leaderOf()
    // It was given back, or its topic is gone.
    if (this.#closed || leader === undefined || leader === brokerId) return
    const source = `${directories.get(brokerId)!}/${partition.directory}`
    try {
      if (!files.exists(source)) return
      const home = directories.get(leader)
      if (home === undefined) throw new Error(`broker ${leader} is not a process of this machine`)
      const target = `${home}/${partition.topic}-${partition.partition}`
      if (files.exists(target)) throw new Error(`${target} exists`)
      files.rename(source, target)
    } catch (error) {
      if (!isAgain) report(`cannot bring ${source} to broker ${leader} yet`, error)
      timers.after(retryMs, () => this.#bring(partition, leaderOf, true))
    }
  }

  /** What could not be brought is left to the next start. */
  close(): void {
    this.#closed = true
  }

  #liesIn(directory: string, { topic, topicId, partition }: Omit<ReleasedPartition, 'directory'>): boolean {
    return readTopicId(this.#options.files, `${directory}/${topic}-${partition}`) === topicId
  }
}
