/** One run of a copy, from its beginning or from where the last one ended. */
import { type Acl, type BatchWriter, ClientError, type Cluster, everyPartition } from '../client.ts'
import { concerns, copyAcls } from './acls.ts'
import { Copy, type Counts, type Task } from './copy.ts'
import { copyGroups } from './groups.ts'
import { recover } from './recover.ts'
import { type Chunk, ensureStateTopic, type Loaded, loadState, placeOf, State } from './state.ts'
import { type MirroredTopic, prepareTopics, sourceTopics } from './topics.ts'
import { Left, MirrorError, type MirrorOptions, type MirrorReport } from './types.ts'

/** The writer of another run has taken over. */
const fenced: ReadonlySet<string> = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'])

/** Throws MirrorError and ClientError; what was copied until then stays, and the next run goes on there. */
export async function mirror(options: MirrorOptions): Promise<MirrorReport> {
  const { source, target, system, dryRun, patienceMs } = options
  const [from, to] = await Promise.all([source.cluster(), target.cluster()])
  const sourceId = idOf(from)
  if (sourceId === idOf(to)) throw new MirrorError(`source and target are the same cluster (${sourceId})`)
  if (dryRun) return new Run(options, sourceId, idOf(to)).plan()
  await ensureStateTopic(target)
  const waiting = (reason: ClientError | null) => options.onWaiting(reason === null ? null : reason.message)
  const writer = await target.openBatchWriter({ transactionalId: `millrace-mirror-${sourceId}`, patienceMs, onWaiting: waiting })
  try {
    const state = new State(writer, system, sourceId)
    await state.begin()
    return await new Run(options, sourceId, idOf(to)).copy(writer, state)
  } catch (error) {
    if (error instanceof ClientError && fenced.has(error.code))
      throw new MirrorError('another copy from this source to this target has been started, and this one has ended')
    throw error
  } finally {
    await writer.close()
  }
}

/** Clusters before 0.10.1 have none. */
function idOf({ id, brokers }: Cluster): string {
  return id ?? brokers.map(({ host, port }) => `${host}:${port}`).join(',')
}

type Ids = readonly [source: string, target: string]

class Run {
  readonly #options: MirrorOptions
  readonly #left = new Left()
  readonly #failed: MirrorReport['failed'] = []
  readonly #source: string
  readonly #target: string
  /** Of the topics that can be copied. */
  #ids: ReadonlyMap<string, Ids> = new Map()

  constructor(options: MirrorOptions, source: string, target: string) {
    this.#options = options
    this.#source = source
    this.#target = target
  }

  async plan(): Promise<MirrorReport> {
    const { target } = this.#options
    const { last } = await loadState(target, this.#source)
    const { topics, created, changed } = await this.#topics(last)
    const tasks = await this.#tasks(topics, last.filter(this.#isCurrent))
    const acls = this.#options.acls ? await this.#copyAcls() : null
    return this.#report({ topics, created, changed, tasks, acls, groups: null, counts: { records: 0, bytes: 0 } })
  }

  async copy(writer: BatchWriter, state: State): Promise<MirrorReport> {
    const { target, signal, groups: withGroups } = this.#options
    const loaded = await loadState(target, this.#source)
    const { topics, created, changed } = await this.#topics(loaded.last)
    const tasks = await this.#tasks(topics, await this.#settled(writer, state, loaded))
    const counts = await this.#copyRecords(writer, state, tasks)
    await state.end()
    for (const { topic, partition, failure } of tasks)
      if (failure !== null) this.#failed.push({ name: `${topic}-${partition}`, reason: failure })
    const acls = this.#options.acls && !signal.aborted ? await this.#copyAcls() : null
    const copied = new Set(topics.map(each => each.name))
    const groups =
      withGroups && !signal.aborted
        ? await copyGroups(this.#options, this.#source, copied, this.#isCurrent, this.#left, this.#failed)
        : null
    return this.#report({ topics, created, changed, tasks, acls, groups, counts })
  }

  #copyAcls(): Promise<MirrorReport['acls']> {
    const { source, target, dryRun, isWanted } = this.#options
    const copy = { source, target, dryRun, translated: (acl: Acl) => (isWanted === null || concerns(acl, isWanted) ? acl : null) }
    return copyAcls(copy, this.#left, this.#failed)
  }

  readonly #isCurrent = ({ topic, ids }: Chunk): boolean => {
    const current = this.#ids.get(topic)
    return current !== undefined && ids.every((id, index) => id === current[index])
  }

  /** `last`: of earlier runs. */
  async #topics(last: readonly Chunk[]) {
    const found = await sourceTopics(this.#options, this.#left)
    if (found.length === 0) this.#left.add('topics: the source has none that are asked for')
    const known = new Set(last.map(({ topic, ids }) => JSON.stringify([topic, ids])))
    const isKnown = (name: string, ids: Ids) => known.has(JSON.stringify([name, ids]))
    const { ready, created, changed, failed } = await prepareTopics(found, this.#options, isKnown, this.#left)
    this.#failed.push(...failed)
    this.#ids = new Map(ready.map(({ name, ids }) => [name, ids]))
    return { topics: ready, created, changed }
  }

  /** The last chunks of these topics. Nothing of an earlier run is on its way any more, and they tell what has arrived. */
  async #settled(writer: BatchWriter, state: State, { last, isUncertain }: Loaded): Promise<Chunk[]> {
    const current = last.filter(this.#isCurrent)
    const settled = await recover(this.#options.target, writer, current.filter(isUncertain))
    if (settled.length > 0) await state.writeChunks(settled)
    return [...current.filter(chunk => !isUncertain(chunk)), ...settled]
  }

  async #tasks(topics: readonly MirroredTopic[], last: readonly Chunk[]): Promise<Task[]> {
    const { source, target, dryRun } = this.#options
    const places = everyPartition(topics)
    const [starts, stable, newest] = await Promise.all([
      source.manyOffsets(places, 'earliest'),
      source.manyOffsets(places, 'stable'),
      source.manyOffsets(places, 'latest'),
    ])
    const ends = dryRun ? new Map<string, Map<number, bigint>>() : await target.manyOffsets(places, 'latest')
    const byName = new Map(topics.map(each => [each.name, each]))
    const nextOf = new Map(last.map(chunk => [placeOf(chunk), chunk.next]))
    const tasks: Task[] = []
    for (const place of places) {
      const { topic, partition } = place
      const [start, until] = [starts.get(topic)?.get(partition), stable.get(topic)?.get(partition)]
      const end = ends.get(topic)?.get(partition)
      const missing = start === undefined || until === undefined ? 'source' : end === undefined && !dryRun ? 'target' : null
      if (missing !== null) {
        this.#failed.push({ name: `${topic}-${partition}`, reason: `the partition has no leader in the ${missing}` })
        continue
      }
      if ((newest.get(topic)?.get(partition) ?? until!) > until!)
        this.#left.add('records of transactions that are open now, and those behind them', topic)
      const known = nextOf.get(placeOf(place)) ?? null
      const position = known === null || known < start! ? start! : known
      const { ids, mostBytes } = byName.get(topic)!
      const task = { ...place, ids, mostBytes, position, copied: position, until: until!, end: end ?? 0n, sequence: 0 }
      tasks.push({ ...task, failure: null, failingSinceMs: null, empty: 0 })
    }
    return tasks
  }

  async #copyRecords(writer: BatchWriter, state: State, tasks: readonly Task[]): Promise<Counts> {
    const { source, system, signal, patienceMs, onProgress, onWaiting } = this.#options
    const begun = tasks.map(each => each.copied)
    const total = Number(offsetsLeft(tasks))
    const tell = ({ records, bytes }: Counts) => {
      const done = tasks.reduce((sum, { copied }, index) => sum + Number(copied - begun[index]!), 0)
      onProgress({ step: 'records', done: Math.min(done, total), total, records, bytes })
    }
    const startOf = async ({ topic, partition }: Task) => (await source.offsets(topic, [partition], 'earliest')).get(partition)!
    const reader = source.openBatchReader()
    try {
      const copy = new Copy(tasks, { reader, writer, state, system, patienceMs, signal, startOf, onWaiting, onRound: tell })
      tell(copy.counts)
      await copy.run()
      return copy.counts
    } finally {
      await reader.close()
    }
  }

  #report(found: {
    topics: readonly MirroredTopic[]
    created: string[]
    changed: MirrorReport['changed']
    tasks: readonly Task[]
    acls: MirrorReport['acls']
    groups: MirrorReport['groups']
    counts: Counts
  }): MirrorReport {
    const { topics, tasks, counts, ...rest } = found
    const { dryRun, signal } = this.#options
    return {
      ...{ source: this.#source, target: this.#target, dryRun, stopped: signal.aborted },
      ...{ topics: topics.length, partitions: topics.reduce((sum, each) => sum + each.partitions, 0) },
      ...rest,
      ...counts,
      offsetsLeft: offsetsLeft(tasks),
      left: this.#left.list(),
      failed: this.#failed,
    }
  }
}

function offsetsLeft(tasks: readonly Task[]): bigint {
  return tasks.reduce((sum, { copied, until }) => sum + (until > copied ? until - copied : 0n), 0n)
}
