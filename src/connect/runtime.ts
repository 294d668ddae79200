/**
 * What this worker runs: connectors, which say what tasks there are, and tasks, each in a thread. What fails is started again.
 *
 * Knows nothing of the group: it is told what to begin and what to stop. How everything is goes to the status store.
 */
import { type Hiding, hidesNothing, hidingOf, parseLossless, readValues, type System, settledWithin, stringifyLossless } from '../base.ts'
import type { Struct } from '../connector.ts'
import type { RegistryReached } from '../service.ts'
import type { Acting, Actor } from '../sessions.ts'
import { boundProblem } from './config-bounds.ts'
import { commonKeys, producesElsewhere } from './connector-keys.ts'
import { Healing, type HealingSettings } from './healing.ts'
import type { Levels } from './levels.ts'
import { Metrics } from './metrics.ts'
import { nameOfTask, type TaskId } from './names.ts'
import { ownVersion, type Plugins } from './plugins.ts'
import { resolveProviders } from './providers.ts'
import { Sequences, unlessAborted } from './sequences.ts'
import { Statements } from './statements.ts'
import { type Config, type TargetState, withoutNulls } from './stores/config-state.ts'
import type { OffsetStore } from './stores/offset-store.ts'
import type { RunState, Status, StatusStore } from './stores/status-store.ts'
import { makeTaskConfigs } from './task-configs.ts'
import { sinkGroupOf } from './tasks/consumer-settings.ts'
import { isOfBrokers, traceOf } from './tasks/errors.ts'
import { Guard } from './tasks/guard.ts'
import type { Reached } from './tasks/messages.ts'
import { TaskHost } from './tasks/task-host.ts'
import type { WorkerConfig } from './worker-config.ts'

export interface RuntimeOptions {
  readonly workerId: string
  readonly worker: WorkerConfig
  readonly reached: Reached
  /** As the principals of connectors. */
  readonly acting: Acting
  /** Of schemas; null: there is none. */
  registry(): RegistryReached | null
  readonly plugins: Plugins
  readonly statuses: StatusStore
  readonly offsets: OffsetStore
  readonly levels: Levels
  readonly system: System
  /** Of the group. */
  generation(): number
  /** Rejects with ClientError. */
  leaveGroup(member: { readonly group: string; readonly memberId: string }): Promise<void>
  /** A connector says which tasks there are. */
  tasksMade(connector: string, configs: readonly Config[], isWanted: () => boolean): Promise<void>
  /** The transactional id of a task of a source; null: it writes without transactions. Before it begins, earlier ones are fenced. Rejects when `overtaken`. */
  transactional(id: TaskId, overtaken: AbortSignal): Promise<string | null>
}

/** For what a worker that ends says of its tasks. */
const lastWordsMs = 2_000
/** Between two times that tasks of a connector have it make its tasks anew. */
const reconfigureMs = 10_000

interface RunningConnector {
  readonly config: Config
  target: TargetState
  readonly healing: Healing
  /** A start that was overtaken says nothing. */
  turn: number
}

interface RunningTask {
  readonly id: TaskId
  readonly config: Readonly<Record<string, string>>
  readonly connectorConfig: Config
  readonly kind: 'sink' | 'source'
  readonly version: string
  /** Where its code is; null: in this package. */
  readonly plugin: { readonly file: string; readonly name: string } | null
  readonly healing: Healing
  paused: boolean
  host: TaskHost | null
  /** Its principal; null: the worker's user. */
  actor: Actor | null
  turn: number
  /** Of a sink, in its group; '': it was in none. */
  memberId: string
  unwatch(): void
}

export class Runtime {
  readonly metrics = new Metrics()
  readonly #options: RuntimeOptions
  readonly #connectors = new Map<string, RunningConnector>()
  /** What is under way for tasks, by their names. */
  readonly #sequences = new Sequences()
  #isClosed = false
  readonly #tasks = new Map<string, RunningTask>()
  readonly #statements: Statements
  /** When tasks last asked for it, by connector. */
  readonly #reconfigured = new Map<string, number>()
  readonly #log: ReturnType<Levels['logger']>

  constructor(options: RuntimeOptions) {
    this.#options = options
    this.#log = options.levels.logger('millrace.connect.worker')
    this.#statements = new Statements(options.system, this.#log.warn)
  }

  get connectors(): string[] {
    return [...this.#connectors.keys()]
  }

  get tasks(): TaskId[] {
    return Array.from(this.#tasks.values(), ({ id }) => id)
  }

  hasTask(id: TaskId): boolean {
    return this.#tasks.has(nameOfTask(id))
  }

  /** Begins a connector, or begins it anew with another configuration. Does not reject. */
  async startConnector(name: string, config: Config, target: TargetState): Promise<void> {
    const before = this.#connectors.get(name)
    before?.healing.stop()
    const history = before?.healing.history ?? this.#options.statuses.connector(name)?.history ?? []
    const connector: RunningConnector = { config, target, healing: this.#healing(history), turn: 0 }
    this.#connectors.set(name, connector)
    await this.#begin(name, connector)
  }

  async #begin(name: string, connector: RunningConnector): Promise<void> {
    const turn = ++connector.turn
    const isCurrent = () => this.#connectors.get(name) === connector && connector.turn === turn
    connector.healing.began()
    let hiding = hidesNothing
    try {
      const { configs, version } = await this.#taskConfigs(connector.config, known => (hiding = known))
      if (!isCurrent()) return
      this.#putConnector(name, connector, stateFor(connector.target), null, version)
      // Whoever is paused is asked when it goes on, as by Kafka Connect.
      if (connector.target === 'STARTED') await this.#options.tasksMade(name, configs, isCurrent)
    } catch (error) {
      if (!isCurrent()) return
      const shown = hiding.error(error)
      const trace = traceOf(shown)
      const again = () => {
        this.#putConnector(name, connector, 'RESTARTING', trace)
        void this.#begin(name, connector)
      }
      const retryMs = connector.healing.failed(trace, again, isOfBrokers(error))
      this.#log.warn({ connector: name, err: shown, retryMs }, 'a connector has failed')
      this.#putConnector(name, connector, 'FAILED', trace)
    }
  }

  /** Not more often than from time to time: each time may have the whole group divide its work anew. */
  #askToReconfigure(task: RunningTask, turn: number): void {
    const { clock, timers } = this.#options.system
    const { connector } = task.id
    const leftMs = (this.#reconfigured.get(connector) ?? Number.NEGATIVE_INFINITY) + reconfigureMs - clock.monotonic()
    if (leftMs > 0) return void timers.after(leftMs, () => task.turn === turn && this.#askToReconfigure(task, turn))
    this.#reconfigured.set(connector, clock.monotonic())
    void this.#reconfigure(task)
  }

  /** A task has seen that there is something else to do. Its connector may run elsewhere. */
  async #reconfigure(task: RunningTask): Promise<void> {
    const { id, connectorConfig } = task
    const { connector } = id
    const isCurrent = () => this.#tasks.get(nameOfTask(id)) === task
    const here = this.#connectors.get(connector)
    if (here !== undefined) return this.#begin(connector, here)
    let hiding = hidesNothing
    try {
      const { configs } = await this.#taskConfigs(connectorConfig, known => (hiding = known))
      await this.#options.tasksMade(connector, configs, isCurrent)
    } catch (error) {
      this.#log.warn({ connector, err: hiding.error(error) }, 'the tasks of a connector could not be made anew')
    }
  }

  /** `known`: is told what must be hidden of errors. */
  async #taskConfigs(config: Config, known: (hiding: Hiding) => void): Promise<{ configs: Config[]; version: string }> {
    const { plugins, system, worker } = this.#options
    requireBounds(config)
    const given = withoutNulls(config)
    const resolved = await resolveProviders(given, system, worker.properties)
    const plugin = plugins.find(resolved['connector.class'] ?? '')
    const definition = await plugin.load()
    known(hidingOf(given, resolved, definition.config))
    readValues(commonKeys[definition.kind], resolved)
    const guard = new Guard(system, worker.values['task.call.timeout.ms'])
    const configs = await guard.call('tasks', () => makeTaskConfigs(definition, given, resolved))
    return { configs, version: plugin.version }
  }

  setTarget(name: string, target: TargetState): void {
    const connector = this.#connectors.get(name)
    if (connector !== undefined && connector.target !== target) {
      connector.target = target
      if (target === 'STARTED' || this.#options.statuses.connector(name)?.state === 'FAILED') void this.#begin(name, connector)
      else this.#putConnector(name, connector, stateFor(target), null)
    }
    for (const task of this.#tasks.values()) {
      if (task.id.connector !== name || target === 'STOPPED') continue
      task.paused = target === 'PAUSED'
      task.host?.pause(task.paused)
    }
  }

  stopConnector(name: string, state: RunState | null = 'UNASSIGNED'): void {
    const connector = this.#connectors.get(name)
    if (connector === undefined) return
    connector.turn++
    connector.healing.stop()
    this.#connectors.delete(name)
    if (state !== null) this.#putConnector(name, connector, state, null)
    else this.#statements.forget(partOf(name))
  }

  /** Does not reject. */
  startTask(id: TaskId, config: Config, connectorConfig: Config, target: TargetState): Promise<void> {
    return this.#sequences.run(nameOfTask(id), overtaken => this.#start(id, { config, connectorConfig, target }, overtaken))
  }

  async #start(
    id: TaskId,
    { config, connectorConfig, target }: { config: Config; connectorConfig: Config; target: TargetState },
    overtaken: AbortSignal,
  ): Promise<void> {
    const name = nameOfTask(id)
    const before = this.#tasks.get(name)
    if (before !== undefined) await this.#stop(id, null)
    if (this.#isClosed) return
    const { levels, statuses, plugins } = this.#options
    // Java's tasks of sinks may know less than their connector.
    const merged = withoutNulls({ ...connectorConfig, ...config })
    const plugin = plugins.lookUp(merged['connector.class'] ?? '')
    const kind = plugin?.kind ?? ('topics' in merged || 'topics.regex' in merged ? 'sink' : 'source')
    const healing = this.#healing(before?.healing.history ?? statuses.task(id)?.history ?? [])
    const logger = loggerOf(id.connector)
    const task: RunningTask = {
      ...{ id, config: merged, connectorConfig, version: plugin?.version ?? ownVersion, healing, host: null, actor: null, turn: 0 },
      ...{ kind, memberId: before?.memberId ?? '' },
      plugin: typeof plugin?.file === 'string' ? { file: plugin.file, name: plugin.name } : null,
      paused: target === 'PAUSED',
      unwatch: levels.watch(() => task.host?.level(levels.lowest(logger))),
    }
    this.#tasks.set(name, task)
    await this.#launch(task, overtaken)
  }

  /** What overtakes it begins the task anew, or ends it. */
  async #launch(task: RunningTask, overtaken: AbortSignal): Promise<void> {
    const { worker, reached, system, levels } = this.#options
    const registry = this.#options.registry()
    const { connector, task: number } = task.id
    const turn = ++task.turn
    task.healing.began()
    try {
      requireBounds(task.config)
      const elsewhere = producesElsewhere(task.config)
      const isTransactional = task.kind === 'source' && !elsewhere
      const fencing = isTransactional ? this.#options.transactional(task.id, overtaken) : Promise.resolve(null)
      const transactionalId = await unlessAborted(overtaken, fencing)
      if (overtaken.aborted) return
      const actor = await this.#actorOf(task)
      if (overtaken.aborted) return actor?.release()
      const isAlone = worker.values['group.id'] === null
      // The worker's offsets are stored by whoever may write there.
      const common = actor !== null && transactionalId === null ? null : worker.values['offset.storage.topic']
      const offsetsTopic = isAlone || elsewhere ? null : (task.config['offsets.storage.topic'] ?? common)
      const order = {
        ...{ connector, task: number, kind: task.kind, config: task.config, worker, registry, paused: task.paused },
        memberId: task.memberId,
        ...{ reached: actor === null ? reached : { ...reached, properties: actor.properties }, token: actor?.token() ?? null },
        plugin: task.plugin,
        ...{ level: levels.lowest(loggerOf(connector)), transactionalId, offsetsTopic },
      }
      const host = new TaskHost(order, this.#events(task, turn), system)
      if (actor !== null) actor.onToken = token => host.token(token)
      Object.assign(task, { host, actor })
    } catch (error) {
      if (!overtaken.aborted) this.#failed(task, traceOf(error), isOfBrokers(error))
    }
  }

  async #actorOf({ config }: RunningTask): Promise<Actor | null> {
    const { principal } = await resolveProviders(config, this.#options.system, this.#options.worker.properties)
    return principal === undefined ? null : this.#options.acting.as(principal)
  }

  /** Its thread is what goes on meanwhile. */
  #letGo(task: RunningTask): TaskHost | null {
    const { host, actor } = task
    actor?.release()
    Object.assign(task, { host: null, actor: null })
    return host
  }

  #events(task: RunningTask, turn: number) {
    const { connector } = task.id
    const logger = this.#options.levels.logger(loggerOf(connector))
    const ifCurrent = (act: () => void) => {
      if (task.turn === turn) act()
    }
    return {
      state: (state: 'RUNNING' | 'PAUSED') => ifCurrent(() => this.#putTask(task, state, null)),
      failed: (trace: string, ofBrokers: boolean) => ifCurrent(() => this.#failed(task, trace, ofBrokers)),
      member: (memberId: string) => ifCurrent(() => void (task.memberId = memberId)),
      topic: (topic: string) => this.#noticeTopic(task.id, topic),
      reconfigure: () => this.#askToReconfigure(task, turn),
      log: (level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string) =>
        logger[level]({ connector, task: task.id.task, ...fields }, message),
      metrics: (counters: readonly [string, number][], gauges: readonly [string, number][]) => this.metrics.add(task.id, counters, gauges),
      asked: (what: 'find' | 'store', text: string) => this.#answer(connector, what, text),
    }
  }

  async #answer(connector: string, what: 'find' | 'store', text: string): Promise<string> {
    const { offsets } = this.#options
    if (what === 'store') {
      await offsets.write(connector, parseLossless(text) as { partition: Struct; offset: Struct | null }[])
      return ''
    }
    const partitions = parseLossless(text) as Struct[]
    await offsets.catchUp()
    const found = offsets.find(connector, partitions)
    return stringifyLossless(
      partitions.map((each, index) => ({ offset: found[index], key: offsets.keyOf(connector, each).toString('base64') })),
    )
  }

  #failed(task: RunningTask, trace: string, ofBrokers: boolean): void {
    this.#letGo(task)
    const again = () => {
      const name = nameOfTask(task.id)
      // Whatever it is, it begins the task anew, or ends it.
      if (this.#sequences.isBusy(name)) return
      // Whoever looks meanwhile sees why.
      this.#putTask(task, 'RESTARTING', trace)
      void this.#sequences.run(name, overtaken => this.#launch(task, overtaken))
    }
    const retryMs = task.healing.failed(trace, again, ofBrokers)
    this.#log.warn({ ...task.id, retryMs, trace }, 'a task has failed')
    this.metrics.add(task.id, [['failures', 1]], [])
    this.#putTask(task, 'FAILED', trace)
  }

  /** Resolves when nothing of it runs any more. `state`: what is told then; null: nothing. */
  stopTask(id: TaskId, state: RunState | null = 'UNASSIGNED'): Promise<void> {
    return this.#sequences.run(nameOfTask(id), () => this.#stop(id, state))
  }

  async #stop(id: TaskId, state: RunState | null): Promise<void> {
    const name = nameOfTask(id)
    const task = this.#tasks.get(name)
    if (task === undefined) return
    this.#tasks.delete(name)
    task.turn++
    task.healing.stop()
    task.unwatch()
    const byItself = (await this.#letGo(task)?.stop()) ?? true
    if (!byItself) {
      this.#log.warn({ ...id }, 'a task did not end in time (task.shutdown.graceful.timeout.ms)')
      await this.#leave(task)
    }
    if (state !== null) this.#putTask(task, state, null)
    else this.#statements.forget(partOf(id))
    this.metrics.forget(id)
  }

  /** In place of a sink that could not: its group would wait for the end of its session. */
  async #leave({ id, memberId, config }: RunningTask): Promise<void> {
    if (memberId === '' || (config['consumer.override.bootstrap.servers'] ?? '') !== '') return
    const group = sinkGroupOf(id.connector, config, this.#options.worker)
    const leaving = this.#options.leaveGroup({ group, memberId }).catch(error => {
      this.#log.warn({ ...id, err: error }, 'the group of a sink waits for the end of its session')
    })
    await settledWithin(this.#options.system.timers, lastWordsMs, [leaving])
  }

  /** At once, whatever has failed before. */
  restartTask(id: TaskId): Promise<void> {
    return this.#sequences.run(nameOfTask(id), overtaken => this.#restart(id, overtaken))
  }

  async #restart(id: TaskId, overtaken: AbortSignal): Promise<void> {
    const task = this.#tasks.get(nameOfTask(id))
    if (task === undefined) return
    task.turn++
    task.healing.stop()
    this.#putTask(task, 'RESTARTING', null)
    await this.#letGo(task)?.stop()
    await this.#launch(task, overtaken)
  }

  async restartConnector(name: string): Promise<void> {
    const connector = this.#connectors.get(name)
    if (connector === undefined) return
    this.#putConnector(name, connector, 'RESTARTING', null)
    await this.startConnector(name, connector.config, connector.target)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const name of this.connectors) this.stopConnector(name)
    await Promise.all(this.tasks.map(id => this.stopTask(id)))
    await this.#sequences.done()
    await this.#statements.close(lastWordsMs)
  }

  #healing(history: Status['history']): Healing {
    const { worker, system } = this.#options
    const settings: HealingSettings = {
      firstMs: worker.values['restart.backoff.initial.ms'],
      longestMs: worker.values['restart.backoff.max.ms'],
      mostAttempts: worker.values['restart.max.attempts'],
    }
    return new Healing(settings, system, history)
  }

  #noticeTopic({ connector, task }: TaskId, topic: string): void {
    const { statuses, worker, system } = this.#options
    if (!worker.values['topic.tracking.enable'] || statuses.topics(connector).some(each => each.topic === topic)) return
    const noticed = { topic, task, discoveredMs: system.clock.now() }
    this.#statements.say(`topic ${topic} of ${connector}`, () => statuses.putTopic(connector, noticed))
  }

  #putConnector(name: string, { healing, config }: RunningConnector, state: RunState, trace: string | null, version?: string): void {
    const known = version ?? this.#options.plugins.lookUp(config['connector.class'] ?? '')?.version ?? null
    const status = this.#status(state, trace, healing, known)
    this.#statements.say(partOf(name), () => this.#options.statuses.putConnector(name, status))
  }

  #putTask(task: RunningTask, state: RunState, trace: string | null): void {
    const status = this.#status(state, trace, task.healing, task.version)
    this.#statements.say(partOf(task.id), () => this.#options.statuses.putTask(task.id, status))
  }

  #status(state: RunState, trace: string | null, { history }: Healing, version: string | null): Status {
    return { state, trace, workerId: this.#options.workerId, generation: this.#options.generation(), version, history }
  }

  /** A worker that was overtaken, such as one whose process stood still, may say of what is this worker's by now how it was there: it is said again how it is. */
  readonly stated = (part: string | TaskId, { workerId, generation }: Status): void => {
    const isOurs = typeof part === 'string' ? this.#connectors.has(part) : this.hasTask(part)
    if (isOurs && workerId !== this.#options.workerId && generation < this.#options.generation()) this.#statements.again(partOf(part))
  }
}

/** Of statements. */
function partOf(part: string | TaskId): string {
  return typeof part === 'string' ? `connector ${part}` : `task ${nameOfTask(part)}`
}

/** Whoever writes to the topic has written more than this worker would. */
function requireBounds(config: Config): void {
  const problem = boundProblem(config)
  if (problem !== null) throw new Error(problem)
}

function loggerOf(connector: string): string {
  return `millrace.connect.task.${connector}`
}

function stateFor(target: TargetState): RunState {
  return target === 'STARTED' ? 'RUNNING' : target
}
