/** All triggers of this process: each is started, and started anew when its newest version is another one. */
import type { System } from '../../base.ts'
import type { Client } from '../../client.ts'
import type { Logger } from '../../logger.ts'
import type { Acting } from '../../sessions.ts'
import type { TriggerLogs } from '../logs.ts'
import type { TriggerMetrics } from '../metrics.ts'
import type { RunnerPool } from '../runner/pool.ts'
import type { TriggerStore } from '../store.ts'
import type { FetchedBytes } from './fetched.ts'
import { TriggerRun } from './run.ts'

export interface WorkerContext {
  /** Of the services' own user; within a run, of who the trigger acts as. */
  readonly client: Client
  readonly acting: Acting
  readonly pool: RunnerPool
  readonly fetched: FetchedBytes
  readonly logs: TriggerLogs
  readonly metrics: TriggerMetrics
  readonly system: System
  readonly logger: Logger
  readonly bootstrap: string
  readonly clusterId: string
}

export class Worker {
  readonly #context: WorkerContext
  readonly #store: TriggerStore
  readonly #runs = new Map<string, TriggerRun>()
  /** By trigger: changes follow each other. */
  readonly #changes = new Map<string, Promise<void>>()
  #isStarted = false
  #isClosed = false

  constructor(store: TriggerStore, context: WorkerContext) {
    this.#store = store
    this.#context = context
  }

  run(name: string): TriggerRun | null {
    return this.#runs.get(name) ?? null
  }

  /** All triggers are known. */
  start(): void {
    this.#isStarted = true
    for (const name of this.#store.names()) this.changed(name)
  }

  /** Its newest version is another one. */
  changed(name: string): void {
    if (!this.#isStarted) return
    // At once: before the change begins, there may be another trigger with this name.
    if (this.#store.get(name) === null) this.#context.metrics.forget(name)
    const change = (this.#changes.get(name) ?? Promise.resolve()).then(() => this.#change(name))
    this.#changes.set(name, change)
    change
      .catch(error => this.#context.logger.error({ trigger: name, err: error }, 'a change of a trigger has failed'))
      .finally(() => {
        if (this.#changes.get(name) === change) this.#changes.delete(name)
      })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#changes.values())
    await Promise.all(Array.from(this.#runs.values(), run => run.stop()))
  }

  async #change(name: string): Promise<void> {
    const trigger = this.#store.get(name)
    const before = this.#runs.get(name)
    if (before !== undefined && before.trigger.id !== trigger?.id) {
      this.#runs.delete(name)
      await before.stop()
    }
    if (trigger === null) this.#context.metrics.forget(name)
    if (this.#isClosed || trigger === null || !trigger.definition.enabled || this.#runs.has(name)) return
    const run = new TriggerRun(trigger, this.#context)
    this.#runs.set(name, run)
    run.start()
  }
}
