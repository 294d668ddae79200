/** Shared by all clients of an exactly-once run: the world, the network, the history, and protocol helpers. */
import { type ErrorName, errorName } from '../../src/protocol.ts'
import type { Network } from '../world/network.ts'
import { Process } from '../world/process.ts'
import type { SeededRandom } from '../world/random.ts'
import { RoutedWire } from '../world/routed-wire.ts'
import { firstPort, Wire } from '../world/wire.ts'
import type { World } from '../world/world.ts'
import { emptyHistory, type History } from './exactly-once-history.ts'
import { Finding } from './finding.ts'

export const inputTopic = 'in'
export const outputTopic = 'out'
export const groupId = 'g'

/** A request that arrives at all has arrived by then. */
export const longestDelayMs = 3500

/** How the input partitions get to the workers. */
export type Assignment = 'assigned' | 'classic' | 'consumer'

export class Stage {
  readonly history: History = emptyHistory()
  /** Called when a client has just learned that its transaction ended: the moment from which nothing of it may be lost. */
  onEnd: (() => void) | null = null
  /** Clients stop at the next occasion. */
  over = false
  /** From now on nothing is late or lost by our doing. */
  healed = false
  readonly world: World
  readonly network: Network
  readonly partitions: number
  readonly assignment: Assignment
  /** InitProducerId requests that were not answered, by transactional id: they may still arrive, and end whatever is open then. */
  readonly #underWay = new Map<string, number>()
  #instant = 0
  #failed: (error: unknown) => void = () => {}
  /** Rejects when a client meets something that must not be. */
  readonly failure: Promise<never>

  /** Where brokers listen. */
  readonly #ports: readonly number[]

  constructor(world: World, network: Network, shape: { partitions: number; assignment: Assignment; brokers: number }) {
    this.world = world
    this.network = network
    this.partitions = shape.partitions
    this.assignment = shape.assignment
    this.#ports = Array.from({ length: shape.brokers }, (_, id) => firstPort + id)
    this.failure = new Promise((_, reject) => {
      this.#failed = reject
    })
    this.failure.catch(() => {})
  }

  get brokers(): number {
    return this.#ports.length
  }

  get nowMs(): number {
    return this.world.system.clock.monotonic()
  }

  /** The next instant of the history. */
  instant(): number {
    return ++this.#instant
  }

  /** The name of an error that a client was given, noted. */
  told(api: string, code: number): ErrorName {
    const name = errorName(code)
    if (name !== 'NONE') this.world.note(`${api} ${name}`)
    return name
  }

  fail(error: unknown): void {
    this.#failed(error)
  }

  never(what: string): never {
    throw new Finding(what)
  }

  process(): Process {
    return new Process(this.world.system.timers)
  }

  /** Some requests are so late that the client has given up when they arrive. */
  wire(process: Process, random: SeededRandom, lingering = false, broken?: () => void): Wire {
    const delay = () => (!this.healed && lingering && random.chance(0.04) ? random.fraction() * (longestDelayMs - 500) : 0)
    const options = { process, network: this.network, lingering, delay, broken }
    return this.#ports.length === 1 ? new Wire(options) : new RoutedWire(options, this.#ports)
  }

  /** InitProducerId is about to be sent; call what it returns when it is answered. */
  initialize(transactionalId: string): () => void {
    this.mayEnd(transactionalId)
    const add = (count: number) => this.#underWay.set(transactionalId, (this.#underWay.get(transactionalId) ?? 0) + count)
    add(1)
    return () => void add(-1)
  }

  /** A transaction of this id begins: the instant from which on it may end, when that is now. */
  beginning(transactionalId: string): number | null {
    return (this.#underWay.get(transactionalId) ?? 0) > 0 ? this.instant() : null
  }

  /** Something that can end a transaction of this id is about to be sent. */
  mayEnd(transactionalId: string): void {
    const at = this.instant()
    for (const transaction of this.history.transactions)
      if (transaction.transactionalId === transactionalId && transaction.mayEndAt === null) transaction.mayEndAt = at
  }
}

export function nameOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
