/**
 * Which sessions are of processes of this machine that have ended. Nobody has to wait until such a session is silent for long enough: a process that has
 * ended serves nobody, whatever its lease says.
 */
import type { Processes } from '../../base.ts'
import type { Database, StreamHead } from '../../store.ts'
import { processOf } from './sessions.ts'

export class EndedProcesses {
  readonly #database: Pick<Database, 'sessions'>
  readonly #processes: Processes | undefined
  /** By session, those that have one. */
  #names: ReadonlyMap<number, string> = new Map()
  #newest = -1

  constructor(database: Pick<Database, 'sessions'>, processes: Processes | undefined) {
    this.#database = database
    this.#processes = processes
  }

  /** Asks the database when there is a session that it does not know. */
  async learn(heads: readonly StreamHead[]): Promise<void> {
    if (this.#processes === undefined || heads.every(({ session }) => session <= this.#newest)) return
    const names = new Map<number, string>()
    for (const row of await this.#database.sessions()) {
      const name = processOf(row)
      if (!row.ended && name !== null) names.set(row.session, name)
      this.#newest = Math.max(this.#newest, row.session)
    }
    this.#names = names
  }

  has(session: number): boolean {
    const name = this.#names.get(session)
    return name !== undefined && this.#processes!.hasEnded(name)
  }
}
