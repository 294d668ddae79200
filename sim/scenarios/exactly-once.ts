/**
 * Exactly-once consume–transform–produce against a whole broker that crashes, loses power, pauses and has a bad network.
 *
 * One seed decides everything: how many workers, which protocol generation each of their lives speaks, how they share the input, every
 * delay and every fault. Then the faults stop, the work must be completed, and a checker that knows only what the clients saw judges it.
 */
import type { SeededRandom } from '../world/random.ts'
import type { Wire } from '../world/wire.ts'
import { check, type Found } from './exactly-once-checker.ts'
import { committedPositions, logEnds, Reader, watchPositions } from './exactly-once-clients.ts'
import { type Assignment, inputTopic, nameOf, outputTopic, type Stage } from './exactly-once-stage.ts'
import { Worker } from './exactly-once-worker.ts'
import { type Cast, type Play, type PlayOptions, type PlayResult, play } from './play.ts'

export interface ExactlyOnceResult extends PlayResult {
  committed: number
  aborted: number
  records: number
}

export const exactlyOnceConfig = {
  'offsets.topic.num.partitions': '2',
  'transaction.state.log.num.partitions': '2',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '400',
  'group.initial.rebalance.delay.ms': '100',
  'group.min.session.timeout.ms': '1000',
  'group.consumer.min.session.timeout.ms': '1000',
  'group.consumer.session.timeout.ms': '1500',
  'group.consumer.min.heartbeat.interval.ms': '100',
  'group.consumer.heartbeat.interval.ms': '300',
  'group.consumer.assignment.interval.ms': '50',
  'journal.file.bytes': '1048576',
  'journal.files': '2',
  'tail.bytes': '4194304',
  'log.free.bytes.floor': '0',
} as const

export const losses = [
  [0, 0],
  [0.004, 0.004],
  [0.01, 0.02],
] as const

/** Throws a Finding when a promise was broken. */
export async function exactlyOnce(options: PlayOptions): Promise<ExactlyOnceResult> {
  let slots = 0
  const setting = (random: SeededRandom) => {
    const assignment = random.pick<Assignment>(['assigned', 'classic', 'consumer'])
    slots = 2 + random.below(2)
    return { config: exactlyOnceConfig, assignment, inputs: 60, losses }
  }
  const { stage, result } = await play(options, setting, run => new Workers(run, slots))
  return resultOf(stage, result)
}

export function resultOf(stage: Stage, result: PlayResult): ExactlyOnceResult {
  const ended = (outcome: string) => stage.history.transactions.filter(transaction => transaction.outcome === outcome).length
  return { ...result, committed: ended('committed'), aborted: ended('aborted'), records: stage.history.sends.length }
}

/** Of a worker, with what it does when it goes on. */
const longestHoldUpMs = 10_000

export class Workers implements Cast {
  readonly #run: Play
  readonly #stage: Stage
  readonly #slots: number
  readonly #crew: (Worker | null)[]
  /** Called when the worker in a slot is held up or killed, so that another takes its place. */
  readonly #replaced: (() => void)[] = []
  #readers: readonly Reader[] = []

  constructor(run: Play, slots: number) {
    this.#run = run
    this.#stage = run.stage
    this.#slots = slots
    this.#crew = Array.from({ length: slots }, () => null)
  }

  async begin(): Promise<Promise<void>[]> {
    const stage = this.#stage
    const { random } = this.#run
    stage.world.note(`${stage.assignment}, ${this.#slots} workers, ${stage.partitions} partitions`)
    this.#readers = [new Reader(stage, random.fork(), 'rc', 'committed'), new Reader(stage, random.fork(), 'ru', 'uncommitted')]
    const following = this.#readers.map(reader => this.#run.background(reader.follow()))
    following.push(this.#run.background(watchPositions(stage, random.fork())))
    for (let slot = 0; slot < this.#slots; slot++) this.#run.background(this.#staff(slot, random.fork()))
    return following
  }

  /** One life after the other under one transactional id; a predecessor may still be there, and come back as a zombie. */
  async #staff(slot: number, random: SeededRandom): Promise<void> {
    const stage = this.#stage
    const supervisor = stage.process()
    for (let life = 0; !stage.over; life++) {
      const modern = random.chance(0.65)
      const worker = new Worker({
        stage,
        random: random.fork(),
        name: `w${slot}.${life}`,
        transactionalId: `tx-${slot}`,
        slot,
        slots: this.#slots,
        modern,
        onStall: () => this.#replaced[slot]?.(),
      })
      this.#crew[slot] = worker
      stage.world.note(`worker ${slot} ${modern ? 'modern' : 'old'}`)
      const replaced = new Promise<void>(resolve => {
        this.#replaced[slot] = resolve
      })
      await Promise.race([this.#run.background(worker.run()), replaced])
      await supervisor.sleep(random.fraction() * 500)
    }
  }

  disturb(random: SeededRandom): void {
    const slot = random.below(this.#slots)
    const worker = this.#crew[slot]
    if (!worker) return
    const kill = random.chance(0.4)
    this.#stage.world.note(`${kill ? 'kill' : 'pause'} worker ${slot}`)
    if (kill) worker.kill()
    else worker.process.pause(500 + random.fraction() * 4500)
    if (kill || random.chance(0.7)) this.#replaced[slot]?.()
  }

  /** Partitions of which not all is committed. */
  async unfinished(wire: Wire, ends: ReadonlyMap<string, number>): Promise<readonly unknown[] | null> {
    const positions = await committedPositions(this.#stage, wire, true)
    if (positions === null || positions.size < this.#stage.partitions) return null
    return [...positions].filter(([partition, position]) => Math.max(position, 0) < ends.get(nameOf(inputTopic, partition))!)
  }

  /** Everything is read once more. */
  async finish(): Promise<void> {
    const stage = this.#stage
    const { random } = this.#run
    const process = stage.process()
    const wire = stage.wire(process, random.fork())
    // A worker that was replaced while it was held up may come back, and write for the last time.
    await process.sleep(longestHoldUpMs)
    // What the last transactions left open is aborted by their timeout.
    const ends = await logEnds(stage, process, wire, 0)
    for (const reader of this.#readers) await reader.readUpTo(ends)
    for (const isolation of ['committed', 'uncommitted'] as const) {
      const reader = new Reader(stage, random.fork(), `final-${isolation}`, isolation)
      const before = stage.history.polls.length
      await reader.readUpTo(ends)
      const found = stage.history.final[isolation]
      for (const partition of ends.keys()) found.set(partition, [])
      for (const { partition, records } of stage.history.polls.slice(before))
        found.get(partition)!.push(...records.map(([offset, value]): [number, string] => [offset, value]))
      reader.close()
    }
    for (const reader of this.#readers) reader.close()
    wire.close()
  }

  anomalies(): readonly Found[] {
    const names = (topic: string) => Array.from({ length: this.#stage.partitions }, (_, partition) => nameOf(topic, partition))
    return check(this.#stage.history, { inputs: names(inputTopic), outputs: names(outputTopic) })
  }

  seen(): unknown {
    const { sends, polls, offsetReads } = this.#stage.history
    return [sends, polls, offsetReads]
  }
}
