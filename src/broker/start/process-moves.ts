/**
 * What a broker needs to give partitions to other processes of this machine, and to take over those of processes that do not run any more. A
 * broker that is and was alone has none of it.
 */
import type { ClusterMetadata } from '../../coordinator.ts'
import type { Log } from '../../log.ts'
import { processCount } from '../config.ts'
import type { LeftProcess } from '../moves/left-processes.ts'
import type { Mover } from '../moves/mover.ts'
import { ProcessDirectories } from '../moves/process-directories.ts'
import { ProcessMover } from '../moves/process-mover.ts'
import type { Peering } from '../peers.ts'
import { leftProcesses, processDirectory } from './data-directory.ts'
import type { StartOptions } from './options.ts'

export class ProcessMoves {
  /** Undefined: there is only one directory. */
  readonly directories: ProcessDirectories | undefined
  readonly #options: StartOptions
  readonly #left: readonly LeftProcess[]
  readonly #all: ReadonlyMap<number, string>

  constructor(options: StartOptions, directory: string) {
    const { config, logger, processes, system } = options
    this.#options = options
    const brokerId = config.get('node.id')
    // The broker that keeps the metadata takes over what is left.
    const left = processes?.keepsMetadata === false ? [] : leftProcesses(system.files, directory, processCount(config))
    this.#left = left.map(index => ({ brokerId: brokerId + index, directory: processDirectory(directory, index) }))
    const ofLeft = this.#left.map(each => [each.brokerId, each.directory] as const)
    this.#all = new Map([...(processes?.directories ?? new Map([[brokerId, directory]])), ...ofLeft])
    const report = (what: string, error: unknown) => logger.warn({ err: error }, what)
    const { files, timers } = system
    this.directories =
      this.#all.size === 1 ? undefined : new ProcessDirectories({ files, timers, brokerId, directories: this.#all, report })
  }

  /** Once the metadata is there, before anything else uses it. */
  async takeOver(metadata: ClusterMetadata, clusterId: string): Promise<void> {
    if (this.#left.length === 0) return
    const { takeOverFrom } = await import('../moves/left-processes.ts')
    const { onThisMachine = true } = this.#options
    await takeOverFrom(this.#left, { ...this.#options, clusterId, metadata, directories: this.#all, onThisMachine })
  }

  /** null: there is nobody to give partitions to. */
  mover(log: Log, metadata: ClusterMetadata, peers: Peering | null): Mover | null {
    const { config, logger, processes, system } = this.#options
    if (processes?.directories === undefined || peers === null) return null
    return new ProcessMover({
      brokerId: config.get('node.id'),
      log,
      metadata,
      timers: system.timers,
      answers: brokerId => peers.moves.answers(brokerId),
      report: (what, error) => logger.warn({ err: error }, what),
    })
  }

  close(): void {
    this.directories?.close()
  }
}
