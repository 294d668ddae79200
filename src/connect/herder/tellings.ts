/** What connectors and tasks of this worker have the leader do: to write which tasks there are, and to fence earlier tasks. */
import { pause, type System } from '../../base.ts'
import { nameOfTask, type TaskId } from '../names.ts'
import { Sequences } from '../sequences.ts'
import type { Config } from '../stores/config-state.ts'
import type { ConfigStore } from '../stores/config-store.ts'
import type { WorkerConfig } from '../worker-config.ts'
import { Elsewhere } from './errors.ts'
import { relay, urlOf } from './relay.ts'
import { sign } from './signatures.ts'

/** The leader, if it is this worker, and where it is. */
interface Leading {
  readonly isLeader: boolean
  /** null while it is not known. */
  readonly leaderUrl: string | null
  readonly isClosed: boolean
  putTasks(connector: string, tasks: readonly Config[]): Promise<void>
  fence(connector: string): Promise<void>
}

interface TellingsOptions {
  readonly worker: WorkerConfig
  readonly configs: ConfigStore
  readonly system: System
}

/** How long a connector and a task try. Shorter than what counts as a steady run (healing.ts). */
const patienceMs = 50_000
const pauseMs = 500
/** What another worker answers while the group divides its work, or has another key by now. */
const passing: ReadonlySet<number> = new Set([403, 409, 503])

/** The leader is asked again, or the next one. */
class NotNow extends Error {}

export class Tellings {
  readonly #options: TellingsOptions
  readonly #leading: Leading
  readonly #fencing = new Map<string, Promise<void>>()
  /** By connector: what was said earlier must not be written later. */
  readonly #telling = new Sequences()

  constructor(options: TellingsOptions, leading: Leading) {
    this.#options = options
    this.#leading = leading
  }

  /**
   * A connector says which tasks there are. Resolves when it is written, or was so already, or is `isWanted` no more, because the connector says something else or does not run
   * here. Throws Error if it cannot be told.
   */
  readonly tasksMade = (connector: string, tasks: readonly Config[], isWanted: () => boolean): Promise<void> =>
    this.#telling.run(connector, () => this.#tell(connector, tasks, isWanted))

  async #tell(connector: string, tasks: readonly Config[], isWanted: () => boolean): Promise<void> {
    const { state } = this.#options.configs
    const isOpen = () => isWanted() && state.has(connector) && state.target(connector) !== 'STOPPED' && !this.#leading.isClosed
    const telling = async () => {
      if (!state.isInconsistent(connector) && JSON.stringify(state.tasks(connector)) === JSON.stringify(tasks)) return
      if (this.#leading.isLeader) await this.#leading.putTasks(connector, tasks)
      else await this.#ask('POST', connector, 'tasks', JSON.stringify(tasks))
    }
    await this.#patiently(telling, isOpen, () => true)
  }

  /** Resolves as well when it is not wanted any more. */
  async #patiently(work: () => Promise<void>, isWanted: () => boolean, mayPass: (error: unknown) => boolean): Promise<void> {
    const { system } = this.#options
    const sinceMs = system.clock.monotonic()
    while (isWanted())
      try {
        return await work()
      } catch (error) {
        if (!mayPass(error) || system.clock.monotonic() - sinceMs > patienceMs) throw error
        await pause(system, pauseMs)
      }
  }

  /** As a task of a source begins: its transactional id, when nobody can write as its predecessor any more; null: it writes without transactions. */
  readonly transactional = async (id: TaskId, overtaken: AbortSignal): Promise<string | null> => {
    const { worker, configs } = this.#options
    const { 'exactly.once.source.support': support, 'group.id': group } = worker.values
    if (support.toLowerCase() !== 'enabled' || group === null) return null
    const isWanted = () => !overtaken.aborted && configs.state.toFence(id.connector) !== null
    await this.#patiently(
      () => this.#fenced(id.connector),
      isWanted,
      error => error instanceof NotNow || error instanceof Elsewhere,
    )
    overtaken.throwIfAborted()
    return transactionalIdOf(group, id)
  }

  /** One request for all tasks of a connector. */
  #fenced(connector: string): Promise<void> {
    let fencing = this.#fencing.get(connector)
    if (fencing === undefined) {
      const asked = this.#leading.isLeader ? this.#leading.fence(connector) : this.#ask('PUT', connector, 'fence', '')
      fencing = asked.finally(() => this.#fencing.delete(connector))
      this.#fencing.set(connector, fencing)
    }
    return fencing
  }

  /** With the key that all workers know. Throws Error. */
  async #ask(method: string, connector: string, what: 'tasks' | 'fence', body: string): Promise<void> {
    const { worker, configs, system } = this.#options
    const leader = this.#leading.leaderUrl
    if (leader === null) throw new NotNow('no worker leads at the moment')
    const key = configs.state.sessionKey
    const headers = key === null ? {} : sign(key, worker.values['inter.worker.signature.algorithm'], body)
    const url = `${urlOf(leader, '/connectors/')}${encodeURIComponent(connector)}/${what}?forward=false`
    const { status, text } = await relay({ url, method, body, headers }, system).catch(error => {
      throw new NotNow(`${leader} does not answer: ${(error as Error).message}`, { cause: error })
    })
    if (status < 400) return
    const reason = `${leader} answers ${status}: ${text.slice(0, 300)}`
    throw passing.has(status) ? new NotNow(reason) : new Error(reason)
  }
}

/** As Java's workers name it, so that they fence each other. */
export function transactionalIdOf(group: string, id: TaskId): string {
  return `${group}-${nameOfTask(id)}`
}
