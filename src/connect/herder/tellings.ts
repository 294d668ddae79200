/** What connectors and tasks of this worker have the leader do: to write which tasks there are, and to fence earlier tasks. */
import { pause, type System } from '../../base.ts'
import { nameOfTask, type TaskId } from '../names.ts'
import type { Config } from '../stores/config-state.ts'
import type { ConfigStore } from '../stores/config-store.ts'
import type { WorkerConfig } from '../worker-config.ts'
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

/** How long a connector tries. */
const patienceMs = 60_000
const pauseMs = 500

export class Tellings {
  readonly #options: TellingsOptions
  readonly #leading: Leading
  readonly #fencing = new Map<string, Promise<void>>()
  /** The last one of each connector: what was said earlier must not be written later. */
  readonly #telling = new Map<string, Promise<void>>()

  constructor(options: TellingsOptions, leading: Leading) {
    this.#options = options
    this.#leading = leading
  }

  /**
   * A connector says which tasks there are. Resolves when it is written, or was so already, or is `isWanted` no more, because the connector says something else or does not run
   * here. Throws Error if it cannot be told.
   */
  readonly tasksMade = (connector: string, tasks: readonly Config[], isWanted: () => boolean): Promise<void> => {
    const before = this.#telling.get(connector) ?? Promise.resolve()
    const telling = before.catch(() => {}).then(() => this.#tell(connector, tasks, isWanted))
    const done = telling.finally(() => {
      if (this.#telling.get(connector) === done) this.#telling.delete(connector)
    })
    this.#telling.set(connector, done)
    return done
  }

  async #tell(connector: string, tasks: readonly Config[], isWanted: () => boolean): Promise<void> {
    const { system, configs } = this.#options
    const leading = this.#leading
    const sinceMs = system.clock.monotonic()
    for (;;) {
      const { state } = configs
      if (!isWanted() || !state.has(connector) || state.target(connector) === 'STOPPED' || leading.isClosed) return
      if (!state.isInconsistent(connector) && JSON.stringify(state.tasks(connector)) === JSON.stringify(tasks)) return
      try {
        if (leading.isLeader) await leading.putTasks(connector, tasks)
        else await this.#ask('POST', connector, 'tasks', JSON.stringify(tasks))
        return
      } catch (error) {
        if (system.clock.monotonic() - sinceMs > patienceMs) throw error
        await pause(system, pauseMs)
      }
    }
  }

  /** As a task of a source begins: its transactional id, when nobody can write as its predecessor any more; null: it writes without transactions. */
  readonly transactional = async (id: TaskId): Promise<string | null> => {
    const { worker, configs } = this.#options
    const { 'exactly.once.source.support': support, 'group.id': group } = worker.values
    if (support.toLowerCase() !== 'enabled' || group === null) return null
    if (configs.state.toFence(id.connector) !== null) await this.#fenced(id.connector)
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
    if (leader === null) throw new Error('no worker leads at the moment')
    const key = configs.state.sessionKey
    const headers = key === null ? {} : sign(key, worker.values['inter.worker.signature.algorithm'], body)
    const url = `${urlOf(leader, '/connectors/')}${encodeURIComponent(connector)}/${what}?forward=false`
    const { status, text } = await relay({ url, method, body, headers }, system)
    if (status >= 400) throw new Error(`${leader} answers ${status}: ${text.slice(0, 300)}`)
  }
}

/** As Java's workers name it, so that they fence each other. */
export function transactionalIdOf(group: string, id: TaskId): string {
  return `${group}-${nameOfTask(id)}`
}
