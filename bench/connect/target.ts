/** What a worker reads from or writes to, with the rows that are measured with it. */
import type { Worker } from '../../compat/connect/worker.ts'
import type { Properties } from '../../compat/support/brokers.ts'
import type { Client } from '../../src/client.ts'
import { pause } from '../measure.ts'
import type { Plugin } from './plugins.ts'

export const sides = ['millrace', 'kafka'] as const
export type Side = (typeof sides)[number]

export interface Target {
  readonly name: string
  /** Their names. */
  readonly rows: readonly string[]
  /** For the page: the connectors of both sides, why these, and their settings. */
  readonly about: string
  /** Kafka Connect's connectors for it. */
  readonly plugin?: Plugin
  /** Of both workers. */
  readonly properties?: Properties
  /** Starts what it needs and fills its topics. Throws Missing. */
  open(place: Place): Promise<OpenTarget>
}

export interface Place {
  readonly client: Client
  /** For files that go with the run. */
  readonly directory: string
  /** Records of 1; smaller for a quick run. */
  readonly scale: number
}

export interface OpenTarget {
  readonly rows: readonly Row[]
  close(): Promise<void>
}

export interface Row {
  readonly name: string
  readonly what: string
  readonly records: number
  /** Has the worker move all records by a new connector of this name. Resolves when every one is where it has to be, and throws when more are. */
  pass(worker: Worker, side: Side, id: string): Promise<void>
  /** Looks at what the pass has left once the connector is gone, and removes it. */
  after?(id: string): Promise<void>
}

const mostMs = 240_000

/** Asks every `lookMs`; the worker says why it does not come to an end. */
export async function becomes(worker: Worker, id: string, isSo: () => boolean | Promise<boolean>, lookMs = 20): Promise<void> {
  for (let waited = 0; !(await isSo()); waited += lookMs) {
    if (waited % 2_000 < lookMs) await requireWell(worker, id)
    if (waited > mostMs) throw new Error(`${id} has not come to its end: ${worker.log().slice(-2_000)}`)
    await pause(lookMs)
  }
}

async function requireWell(worker: Worker, id: string): Promise<void> {
  const { connector, tasks } = (await worker.statuses()).find(({ name }) => name === id) ?? { connector: { state: '' }, tasks: [] }
  const failed = [connector, ...tasks].find(({ state }) => state === 'FAILED')
  if (failed === undefined) return
  const { trace = '' } = failed as { trace?: string }
  throw new Error(`${id} failed: ${[trace.slice(0, 500), ...(trace.match(/Caused by: .*/g) ?? [])].join('\n')}`)
}
