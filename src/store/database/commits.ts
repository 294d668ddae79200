/**
 * The commits of a session and of those that follow it, on one connection, at most two sent at a time, settled in order.
 *
 * The rule for an answer that did not come: the frame stays bound to its seq, and the same bytes are sent again on a new connection, however
 * long that takes. The primary key lets only one of the attempts in, also when the old backend carries on late. If the new attempt inserts
 * nothing, what stands at (session, seq) tells the outcome: own frame, fence, or nothing, and then the predecessor is missing.
 *
 * What a later attempt finds is certain also for the earlier ones. `metadata-taken`: the offset is taken for ever, so a late attempt fails
 * there as well, and the seq is free. A statement is never cancelled on the server: a commit that waits for a standby and is cancelled
 * counts as a success there, though no standby has it. A time-out drops the connection instead.
 *
 * A server that took over may have forgotten the session, and then gives its number to another one, whose stream must not be continued here.
 */
import { assert, Durations, type System, type Timer } from '../../base.ts'
import type { CommitOutcome, Frame, Writes } from '../../store.ts'
import { frameKind } from '../frame-kind.ts'
import { Outage, type OutageOptions } from '../outage.ts'
import { type Backend, DatabaseRefused, DatabaseUnavailable } from './backend.ts'
import { Pauses } from './pauses.ts'

export interface CommitsOptions {
  system: System
  connect: () => Promise<Backend>
  /** For one commit; then its connection is given up. */
  attemptTimeoutMs: number
  /** Whether the server knows the session that commits now. Asked of each new connection but the first. */
  knowsSession(backend: Backend): Promise<boolean>
  report: OutageOptions['report']
  recovered: OutageOptions['recovered']
}

/** A second one hides the way to the server; more of them hardly add to the rate, and double the time that each takes. */
const mostSent = 2

/** A transaction of several statements may change thousands of rows. */
const moreTime = 6

interface Pending {
  readonly frame: Frame
  readonly writes: Writes | null
  readonly begunMs: number
  sentBefore: boolean
  settle(outcome: CommitOutcome): void
  refuse(error: Error): void
}

export class Commits {
  commits = 0
  commitBytes = 0
  resent = 0
  reconnects = 0
  readonly durations = new Durations()
  readonly #options: CommitsOptions
  readonly #pauses: Pauses
  readonly #outage: Outage
  /** In order of seq; the first {@link #sent} of them are on their way on the connection that is there now. */
  readonly #pending: Pending[] = []
  #sent = 0
  #backend: Backend | null = null
  #lastAttempt: Promise<void> = Promise.resolve()
  #connecting = false
  #connectedBefore = false
  /** Of the newest frame; null before the first one. */
  #session: number | null = null
  #lastSeq: number | null = null
  /** Nothing of this session is committed any more. */
  #ended: CommitOutcome | Error | null = null
  #closed = false

  constructor(options: CommitsOptions) {
    this.#options = options
    this.#pauses = new Pauses(options.system)
    const { report, recovered, system } = options
    this.#outage = new Outage({ clock: system.clock, service: 'the database', report, recovered })
  }

  commit(frame: Frame, writes: Writes | null): Promise<CommitOutcome> {
    if (this.#closed) return Promise.reject(closedError())
    this.#session ??= frame.session
    if (frame.session !== this.#session) return Promise.reject(new DatabaseRefused(`session ${frame.session} was followed by another`))
    if (this.#ended !== null) return this.#ended instanceof Error ? Promise.reject(this.#ended) : Promise.resolve(this.#ended)
    const last = this.#pending.at(-1)
    assert(frame.kind !== frameKind.fence, 'a session ends by fence(), which marks its row, too')
    assert(
      this.#lastSeq === null || frame.seq === this.#lastSeq + 1,
      `frame ${frame.seq} of session ${frame.session} follows ${this.#lastSeq}`,
    )
    assert(last?.writes?.metadata === undefined, `frame ${frame.seq} waits until the outcome of the one with metadata before it is known`)
    this.#lastSeq = frame.seq
    return new Promise((settle, refuse) => {
      this.#pending.push({ frame, writes, begunMs: this.#options.system.clock.monotonic(), sentBefore: false, settle, refuse })
      this.#pump()
    })
  }

  /** A broker whose session ended goes on with another one. What is left of the one before is refused. */
  begin(session: number): void {
    if (this.#closed) return
    if (this.#session !== null) this.#end(new DatabaseRefused(`session ${this.#session} was followed by session ${session}`))
    this.#session = session
    this.#lastSeq = null
    this.#sent = 0
    this.#ended = null
  }

  close(): void {
    this.#closed = true
    this.#end(closedError())
    this.#pauses.close()
  }

  /** Sends what may be sent. */
  #pump(): void {
    if (this.#pending.length === 0 || this.#ended !== null) return
    if (this.#backend === null) {
      void this.#connect()
      return
    }
    while (this.#sent < this.#pending.length && this.#maySend(this.#pending[this.#sent]!))
      this.#send(this.#backend, this.#pending[this.#sent]!)
  }

  /** A transaction of several statements is alone on the connection: what follows it must see it whole. */
  #maySend({ writes }: Pending): boolean {
    if (this.#sent === 0) return true
    return writes === null && this.#pending[this.#sent - 1]!.writes === null && this.#sent < mostSent
  }

  #send(backend: Backend, pending: Pending): void {
    this.#sent++
    if (pending.sentBefore) this.resent++
    pending.sentBefore = true
    const timeoutMs = this.#options.attemptTimeoutMs * (pending.writes === null ? 1 : moreTime)
    const late = () => this.#lose(backend, new DatabaseUnavailable(`no answer to a commit in ${timeoutMs} ms`))
    const timer = this.#options.system.timers.after(timeoutMs, late)
    this.#lastAttempt = this.#attempt(backend, pending, timer, this.#lastAttempt)
  }

  /** Never rejects. Settles after the attempt before it, which may have more to ask. */
  async #attempt(backend: Backend, pending: Pending, timer: Timer, before: Promise<void>): Promise<void> {
    let result: CommitOutcome | Error
    try {
      result = await carryOut(backend, pending)
    } catch (error) {
      result = error as Error
    }
    timer.cancel()
    await before
    // Given up meanwhile: a new attempt is under way, and its outcome counts.
    if (this.#backend !== backend || this.#ended !== null) return
    if (result instanceof DatabaseUnavailable) this.#lose(backend, result)
    else if (result instanceof Error) this.#end(result)
    else {
      assert(this.#pending[0] === pending, 'commits are settled in order')
      this.#settleFirst(result)
    }
  }

  #settleFirst(outcome: CommitOutcome): void {
    const { frame, begunMs, settle } = this.#pending.shift()!
    this.#sent--
    this.#pauses.reset()
    this.#outage.succeeded()
    if (outcome === 'committed') {
      this.commits++
      this.commitBytes += frame.body.length
      this.durations.add(this.#options.system.clock.monotonic() - begunMs)
    } else if (outcome === 'metadata-taken') this.#lastSeq = frame.seq - 1
    settle(outcome)
    if (outcome === 'fenced' || outcome === 'predecessor-missing') this.#end(outcome)
    else this.#pump()
  }

  #lose(backend: Backend, error: Error): void {
    if (this.#backend !== backend) return
    this.#backend = null
    this.#sent = 0
    backend.close()
    if (this.#ended !== null) return
    this.#report('the connection for commits was lost; they are sent again', error)
    this.#pump()
  }

  async #connect(): Promise<void> {
    if (this.#connecting) return
    this.#connecting = true
    try {
      while (this.#ended === null && this.#backend === null) {
        await this.#pauses.before()
        if (this.#ended !== null) return
        const backend = await this.#tryToConnect()
        if (backend === null) continue
        if (this.#ended !== null) backend.close()
        else this.#connected(backend)
      }
    } finally {
      this.#connecting = false
    }
    this.#pump()
  }

  async #tryToConnect(): Promise<Backend | null> {
    const session = this.#session
    let backend: Backend | null = null
    try {
      backend = await this.#options.connect()
      if (!this.#connectedBefore || (await this.#knowsSession(backend)) || this.#session !== session) return backend
      backend.close()
      this.#end('predecessor-missing')
    } catch (error) {
      backend?.close()
      // Also what looks final: a password or a certificate may be mended while frames wait.
      this.#report('no connection for commits; they wait', error)
    }
    return null
  }

  /** Said at once: the lease depends on commits. */
  #report(what: string, error: unknown): void {
    this.#outage.report(what, error, this.#pending[0]?.begunMs ?? this.#options.system.clock.monotonic(), 0)
  }

  async #knowsSession(backend: Backend): Promise<boolean> {
    const { system, attemptTimeoutMs, knowsSession } = this.#options
    const timer = system.timers.after(attemptTimeoutMs, () => backend.close())
    try {
      return await knowsSession(backend)
    } finally {
      timer.cancel()
    }
  }

  #connected(backend: Backend): void {
    if (this.#connectedBefore) this.reconnects++
    this.#connectedBefore = true
    this.#backend = backend
    this.#lastAttempt = Promise.resolve()
    backend.onLost(error => this.#lose(backend, error))
  }

  #end(reason: CommitOutcome | Error): void {
    if (this.#ended !== null) return
    this.#ended = reason
    this.#backend?.close()
    this.#backend = null
    for (const { settle, refuse } of this.#pending.splice(0)) {
      if (reason instanceof Error) refuse(reason)
      else settle(reason)
    }
  }
}

function closedError(): DatabaseRefused {
  return new DatabaseRefused('the database was closed')
}

async function carryOut(backend: Backend, { frame, writes }: Pending): Promise<CommitOutcome> {
  if (writes === null) {
    if (await backend.insertFrame(frame)) return 'committed'
  } else {
    const result = await backend.transact(frame, writes)
    if (result !== 'frame') return result === 'done' ? 'committed' : 'metadata-taken'
  }
  const found = await backend.queries.frameAt(frame.session, frame.seq)
  if (found === null) return 'predecessor-missing'
  if (found.kind === frameKind.fence) return 'fenced'
  assert(
    found.kind === frame.kind && found.bodyBytes === frame.body.length,
    `frame ${frame.seq} of session ${frame.session} was sent with other bytes`,
  )
  return 'committed'
}
