/** What the herder needs of the group, and the group of a worker that is alone. */

import type { GroupMember } from '../group/member.ts'
import type { TaskId, Work } from '../names.ts'

export interface Group {
  readonly generation: number
  readonly isLeader: boolean
  /** null while it is not known. */
  readonly leaderUrl: string | null
  readonly isSettled: boolean
  /** Of the worker that runs it; null: not known here. */
  ownerOf(what: string | TaskId): string | null
  start(): void
  /** Something has changed that all have to agree on. */
  rejoin(): void
  /** Resolves when it has settled, or after this time. */
  settled(ms: number): Promise<void>
  close(): Promise<void>
}

/** Runs all. */
export class AloneGroup implements Group {
  readonly generation = 0
  readonly isLeader = true
  readonly isSettled = true
  readonly leaderUrl: string
  readonly #member: GroupMember
  #last: Promise<void> = Promise.resolve()

  constructor(url: string, member: GroupMember) {
    this.leaderUrl = url
    this.#member = member
  }

  ownerOf(): string {
    return this.leaderUrl
  }

  start(): void {
    this.rejoin()
  }

  rejoin(): void {
    this.#last = this.#last.then(async () => {
      const { configured } = this.#member
      const work: Work = {
        connectors: [...configured.keys()],
        tasks: Array.from(configured, ([connector, count]) => Array.from({ length: count }, (_, task) => ({ connector, task }))).flat(),
      }
      await this.#member.assigned(work, { generation: 0, leads: true })
    })
  }

  async settled(): Promise<void> {}

  async close(): Promise<void> {
    await this.#last
  }
}
