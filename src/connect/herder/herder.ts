/**
 * What all workers of a group agree on, and what this one does about it: it begins and stops what it is assigned, and answers for connectors.
 *
 * Configurations are written by the worker that leads, one decision after the other, each seeing all that was written before. What another worker has to
 * do throws {@link Elsewhere}; the API sends it there.
 */
import { type System, Turns } from '../../base.ts'
import type { Client } from '../../client.ts'
import type { Sample } from '../../samples.ts'
import type { RegistryReached } from '../../service.ts'
import type { Acting } from '../../sessions.ts'
import { boundProblem } from '../config-bounds.ts'
import type { GroupMember } from '../group/member.ts'
import { type Levels, levelNamed } from '../levels.ts'
import { nameOfTask, type TaskId, type Work } from '../names.ts'
import type { Plugins } from '../plugins.ts'
import { previewRecords } from '../preview/host.ts'
import type { Previewed } from '../preview.ts'
import type { Runtime } from '../runtime.ts'
import { asGiven, type Filled, filled, forPreview, withoutSecrets, withSecrets } from '../secrets.ts'
import { type Config, type ConfigChange, entries, type RestartRequest, type TargetState, withoutNulls } from '../stores/config-state.ts'
import { type ConfigStore, Deposed } from '../stores/config-store.ts'
import type { OffsetStore } from '../stores/offset-store.ts'
import type { Status, StatusStore } from '../stores/status-store.ts'
import { sinkGroupOf } from '../tasks/consumer-settings.ts'
import { type ConfigInfos, type ValidateOptions, validate } from '../validate.ts'
import type { WorkerConfig } from '../worker-config.ts'
import { type ApiOffset, changeOffsets, type GivenOffset, type OffsetOwner, shownOffsets } from './connector-offsets.ts'
import { badRequest, conflict, Elsewhere, notFound } from './errors.ts'
import type { Group } from './group.ts'
import { type ConnectorInfo, connectorInfo, type Known, partInfo, type StatusInfo, statusInfo } from './infos.ts'
import { Tellings, transactionalIdOf } from './tellings.ts'

export interface HerderOptions {
  readonly worker: WorkerConfig
  readonly configs: ConfigStore
  readonly statuses: StatusStore
  readonly offsets: OffsetStore
  readonly plugins: Plugins
  readonly levels: Levels
  readonly client: Client
  readonly acting: Acting
  /** Of schemas; null: there is none. */
  registry(): RegistryReached | null
  readonly system: System
}

/** How long a request waits for a rebalance to end. */
const patienceMs = 10_000

export class Herder implements GroupMember {
  readonly #options: HerderOptions
  readonly #validating: ValidateOptions
  readonly #log: ReturnType<Levels['logger']>
  /** What connectors and tasks of this worker have the leader do. */
  readonly tellings: Tellings
  #runtime!: Runtime
  #group!: Group
  #last: Promise<unknown> = Promise.resolve()
  #changes: Promise<void> = Promise.resolve()
  #isStarted = false
  #isReady = false
  #closed = false

  constructor(options: HerderOptions) {
    this.#options = options
    this.#validating = { ...options, registry: () => options.registry(), turns: new Turns(options.system) }
    this.#log = options.levels.logger('millrace.connect.group')
    this.tellings = new Tellings(options, this)
  }

  start(runtime: Runtime, group: Group): void {
    this.#runtime = runtime
    this.#group = group
    this.#isStarted = true
    group.start()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#last
    await this.#changes
    await this.#runtime.close()
    await this.#group.close()
  }

  get isLeader(): boolean {
    return this.#group.isLeader
  }

  get leaderUrl(): string | null {
    return this.#group.leaderUrl
  }

  get isClosed(): boolean {
    return this.#closed
  }

  // What the group asks.

  get offset(): bigint {
    return this.#options.configs.state.offset
  }

  get configured(): Map<string, number> {
    return this.#options.configs.state.counts()
  }

  catchUp(): Promise<void> {
    return this.#options.configs.catchUp()
  }

  async assigned(work: Work, { generation, leads }: { generation: number; leads: boolean }): Promise<void> {
    const runtime = this.#runtime
    const connectors = new Set(work.connectors)
    const tasks = new Set(work.tasks.map(nameOfTask))
    for (const name of runtime.connectors) if (!connectors.has(name)) runtime.stopConnector(name, this.#known(name) ? 'UNASSIGNED' : null)
    const stopping = runtime.tasks.filter(id => !tasks.has(nameOfTask(id)))
    await Promise.all(stopping.map(id => runtime.stopTask(id, this.#known(id.connector) ? 'UNASSIGNED' : null)))
    // Who leads sees to it that there is a key for what workers ask each other.
    if (leads)
      void this.#options.configs.lead([]).catch(error => this.#log.warn({ err: error }, 'the key of the workers could not be written'))
    else this.#options.configs.retire()
    await this.#options.configs
      .catchUp()
      .catch(error => this.#log.warn({ err: error }, 'the configurations cannot be read; older ones are used'))
    this.#isReady = true
    if (this.#closed) return
    const { state } = this.#options.configs
    // A round that gave something up is followed by another one, which says what begins; what is here already goes on.
    this.#log.info({ generation, leads, connectors: connectors.size, tasks: tasks.size }, 'this worker has an assignment')
    for (const name of work.connectors) {
      const config = state.config(name)
      if (config !== null && !runtime.connectors.includes(name)) void runtime.startConnector(name, config, state.target(name))
    }
    for (const id of work.tasks) if (!runtime.hasTask(id)) this.#startTask(id)
  }

  #startTask(id: TaskId): void {
    const { state } = this.#options.configs
    const [config, task, target] = [state.config(id.connector), state.taskConfig(id), state.target(id.connector)]
    if (config !== null && task !== null && target !== 'STOPPED') void this.#runtime.startTask(id, task, config, target)
  }

  #known(connector: string): boolean {
    return this.#options.configs.state.has(connector)
  }

  // What others have written.

  readonly changed = (change: ConfigChange): void => {
    this.#changes = this.#changes
      .then(() => this.#apply(change))
      .catch(error => this.#log.error({ err: error }, 'a change could not be made'))
  }

  async #apply(change: ConfigChange): Promise<void> {
    if (this.#closed || !this.#isStarted) return
    // What it runs is decided anew when it knows what that is.
    if (!this.#isReady && (change.kind === 'connector' || change.kind === 'removed' || change.kind === 'tasks')) this.#group.rejoin()
    if (!this.#isReady) return
    const { levels, configs, statuses } = this.#options
    const { state } = configs
    const runtime = this.#runtime
    switch (change.kind) {
      case 'connector': {
        const { connector } = change
        const config = state.config(connector)
        if (!runtime.connectors.includes(connector)) this.#group.rejoin()
        // Else it was deleted since, which comes next.
        else if (config !== null) void runtime.startConnector(connector, config, state.target(connector))
        break
      }
      case 'removed':
        await this.#removed(change.connector)
        break
      case 'target':
        runtime.setTarget(change.connector, state.target(change.connector))
        break
      case 'tasks': {
        const mine = runtime.tasks.filter(({ connector }) => connector === change.connector)
        const isLeft = ({ task }: TaskId) => task < state.tasks(change.connector).length && !state.isInconsistent(change.connector)
        await Promise.all(mine.map(id => runtime.stopTask(id, null)))
        for (const id of mine) if (!isLeft(id)) await statuses.removeTask(id).catch(() => {})
        for (const id of mine) if (isLeft(id)) this.#startTask(id)
        this.#group.rejoin()
        break
      }
      case 'restart':
        await this.#restart(change.request)
        break
      case 'level': {
        const level = levelNamed(change.level)
        if (level !== null) levels.set(change.logger, level)
      }
    }
  }

  async #removed(connector: string): Promise<void> {
    const runtime = this.#runtime
    const { statuses } = this.#options
    const isMine = runtime.connectors.includes(connector)
    runtime.stopConnector(connector, null)
    const tasks = runtime.tasks.filter(id => id.connector === connector)
    await Promise.all(tasks.map(id => runtime.stopTask(id, null)))
    const forgetting = isMine || this.#group.isLeader ? statuses.remove(connector) : Promise.all(tasks.map(id => statuses.removeTask(id)))
    await Promise.resolve(forgetting).catch(error => this.#log.warn({ err: error }, 'a status could not be removed'))
    if (isMine || this.#group.isLeader) await statuses.removeTopics(connector).catch(() => {})
    this.#group.rejoin()
  }

  async #restart({ connector, onlyFailed, includeTasks }: RestartRequest): Promise<void> {
    const runtime = this.#runtime
    const { statuses } = this.#options
    const wanted = (status: Status | null) => !onlyFailed || status?.state === 'FAILED'
    if (runtime.connectors.includes(connector) && wanted(statuses.connector(connector))) await runtime.restartConnector(connector)
    if (!includeTasks) return
    const tasks = runtime.tasks.filter(id => id.connector === connector && wanted(statuses.task(id)))
    await Promise.all(tasks.map(id => runtime.restartTask(id)))
  }

  // What is asked about connectors.

  get isReady(): boolean {
    return this.#isReady
  }

  get runtime(): Runtime {
    return this.#runtime
  }

  connectors(): string[] {
    return this.#options.configs.state.connectors.sort()
  }

  /** Throws HttpError 404. */
  async info(name: string): Promise<ConnectorInfo> {
    this.#require(name)
    const { configs, plugins } = this.#options
    return connectorInfo(name, configs.state, await this.#describe(name), plugins)
  }

  async status(name: string): Promise<StatusInfo> {
    const { configs, statuses } = this.#options
    return statusInfo(name, configs.state, statuses, await this.#describe(name))
  }

  taskStatus(id: TaskId): object {
    const status = this.#options.statuses.task(id)
    if (status === null) throw notFound(`No status found for task ${nameOfTask(id)}`)
    return { id: id.task, ...partInfo(status) }
  }

  /** Throws HttpError 404. */
  history(name: string): object {
    this.#require(name)
    const { statuses } = this.#options
    const tasks = statuses.tasks(name).map(({ task, status }) => ({ id: task, state: status.state, failures: status.history }))
    return { name, connector: statuses.connector(name)?.history ?? [], tasks }
  }

  async taskInfos(name: string): Promise<{ id: { connector: string; task: number }; config: Config }[]> {
    this.#require(name)
    const { configs, plugins } = this.#options
    return configs.state.tasks(name).map((config, task) => ({ id: { connector: name, task }, config: withoutSecrets(config, plugins) }))
  }

  /** What was shown as hidden is what the connector of this name has, here and below. */
  async validate(config: Config): Promise<ConfigInfos> {
    const whole = await this.#filled(config)
    return asGiven(await validate(whole.config, this.#validating), config, whole)
  }

  /** What the configuration makes of these records; nothing is written. Throws HttpError. */
  async preview(config: Config, records: readonly Sample[]): Promise<readonly Previewed[]> {
    const { worker, registry, system } = this.#options
    const { 'key.converter': key, 'value.converter': value } = worker.values
    const own = { 'key.converter': key, 'value.converter': value, ...worker.properties }
    const whole = withoutNulls(forPreview(await this.#filled(config)))
    return previewRecords({ config: whole, worker: own, registry: registry(), records }, system)
  }

  /** Throws HttpError 400 for one that is too large. */
  #filled(config: Config): Promise<Filled> {
    const problem = boundProblem(config)
    if (problem !== null) throw badRequest(problem)
    const stored = typeof config['name'] === 'string' ? this.#options.configs.state.config(config['name']) : null
    return filled(config, stored, this.#options.plugins)
  }

  topics(name: string): string[] {
    return this.#options.statuses.topics(name).map(({ topic }) => topic)
  }

  async resetTopics(name: string): Promise<void> {
    await this.#options.statuses.removeTopics(name)
  }

  // What is changed by request.

  async create(name: string, config: Config, target: TargetState | null): Promise<ConnectorInfo> {
    return (await this.#put(name, () => config, target, false)).info
  }

  put(name: string, config: Config): Promise<{ created: boolean; info: ConnectorInfo }> {
    return this.#put(name, () => config, null, true)
  }

  async patch(name: string, changes: Config): Promise<ConnectorInfo> {
    const whole = (stored: Config | null) => {
      this.#require(name)
      // As somebody would send the whole who has seen it.
      const merged = { ...withoutSecrets(stored!, this.#options.plugins), ...changes }
      for (const [key, value] of Object.entries(changes)) if (value === null) delete merged[key]
      if (merged['name'] !== undefined && merged['name'] !== name)
        throw badRequest(`Connector name configuration (${merged['name']}) doesn't match connector name in the URL (${name})`)
      return { ...merged, name }
    }
    return (await this.#put(name, whole, null, true)).info
  }

  /** `whole`: what it is to be, made of what it is. */
  async #put(
    name: string,
    whole: (stored: Config | null) => Config,
    target: TargetState | null,
    mayReplace: boolean,
  ): Promise<{ created: boolean; info: ConnectorInfo }> {
    const { configs } = this.#options
    await this.#requireLeader()
    const stored = configs.state.config(name)
    const wanted = withSecrets(await this.#filled(whole(stored)))
    const infos = await validate(wanted, this.#validating)
    if (infos.error_count > 0) {
      const all = infos.configs.flatMap(({ value }) => value.errors)
      throw badRequest(
        `Connector configuration is invalid and contains the following ${infos.error_count} error(s):\n${all.join('\n')}\nYou can also find the above list of errors at the endpoint \`/connector-plugins/{connectorType}/config/validate\``,
      )
    }
    const created = await this.#decide(async () => {
      if (configs.state.config(name) !== stored) return null
      const exists = configs.state.has(name)
      if (exists && !mayReplace) throw conflict(`Connector ${name} already exists`)
      await configs.lead([...(target === null ? [] : entries.target(name, target)), ...entries.connector(name, wanted)])
      return !exists
    })
    // Somebody else has changed it meanwhile, which is not to be undone.
    if (created === null) return this.#put(name, whole, target, mayReplace)
    return { created, info: await this.info(name) }
  }

  remove(name: string): Promise<void> {
    return this.#decide(async () => {
      this.#require(name)
      await this.#options.configs.lead(entries.removal(name))
    })
  }

  /** Any worker may write it. */
  async setTarget(name: string, target: 'STARTED' | 'PAUSED'): Promise<void> {
    const { configs } = this.#options
    this.#require(name, `Unknown connector ${name}`)
    if (configs.state.target(name) !== target) await configs.write(entries.target(name, target))
  }

  /** Has no tasks then, but keeps its offsets. */
  stop(name: string): Promise<void> {
    return this.#decide(async () => {
      this.#require(name, `Unknown connector ${name}`)
      await this.#options.configs.lead([...entries.tasks(name, []), ...entries.target(name, 'STOPPED')])
    })
  }

  async restartConnector(name: string): Promise<void> {
    await this.#settled()
    this.#require(name, `Unknown connector: ${name}`)
    if (this.#runtime.connectors.includes(name)) return this.#runtime.restartConnector(name)
    throw new Elsewhere(this.#group.isLeader ? this.#group.ownerOf(name) : this.#group.leaderUrl)
  }

  async restartTask(id: TaskId): Promise<void> {
    await this.#settled()
    this.#require(id.connector, `Unknown connector: ${id.connector}`)
    if (this.#options.configs.state.taskConfig(id) === null) throw notFound(`Unknown task: ${nameOfTask(id)}`)
    if (this.#runtime.hasTask(id)) return this.#runtime.restartTask(id)
    throw new Elsewhere(this.#group.isLeader ? this.#group.ownerOf(id) : this.#group.leaderUrl)
  }

  /** Of the connector and of tasks, wherever they are. Resolves to the status, in which what is started again says so. */
  async restartAll(request: RestartRequest): Promise<StatusInfo> {
    const { connector: name, onlyFailed, includeTasks } = request
    const { configs, statuses } = this.#options
    await this.#decide(async () => {
      this.#require(name, `Unknown connector: ${name}`)
      if (statuses.connector(name) === null) throw notFound(`Status for connector ${name} not found`)
      await configs.lead(entries.restart(request))
    })
    const isWanted = (status: Status, task: number | null) => (task === null || includeTasks) && (!onlyFailed || status.state === 'FAILED')
    return statusInfo(name, configs.state, statuses, await this.#describe(name), isWanted)
  }

  async offsets(name: string): Promise<readonly ApiOffset[]> {
    this.#require(name)
    return shownOffsets(this.#options, await this.#offsetOwner(name))
  }

  /** null: all of them, which are forgotten. */
  changeOffsets(name: string, given: readonly GivenOffset[] | null): Promise<void> {
    return this.#decide(async () => {
      this.#require(name)
      const { state } = this.#options.configs
      if (state.target(name) !== 'STOPPED' || state.tasks(name).length > 0)
        throw badRequest(
          `Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/${name}/stop' endpoint`,
        )
      await changeOffsets(this.#options, await this.#offsetOwner(name), given)
    })
  }

  async #offsetOwner(name: string): Promise<OffsetOwner> {
    const { definition } = await this.#describe(name)
    const { configs, worker } = this.#options
    const group = sinkGroupOf(name, configs.state.config(name) ?? {}, worker)
    return { name, kind: definition?.kind ?? 'source', group }
  }

  // What other workers ask of the leader.

  async putTasks(name: string, tasks: readonly Config[]): Promise<void> {
    await this.#decide(async () => {
      this.#require(name)
      const { configs } = this.#options
      if (configs.state.target(name) === 'STOPPED' && tasks.length > 0)
        throw badRequest(`Cannot submit non-empty set of task configs for stopped connector ${name}`)
      await configs.lead(entries.tasks(name, tasks))
    })
  }

  async fence(name: string): Promise<void> {
    const { configs, client, worker } = this.#options
    await this.#decide(async () => {
      this.#require(name)
      if ((await this.#describe(name)).definition?.kind !== 'source') throw badRequest(`Connector ${name} is not a source connector`)
      const count = configs.state.toFence(name)
      if (count === null) return
      const group = worker.values['group.id']!
      const ids = Array.from({ length: count }, (_, task) => transactionalIdOf(group, { connector: name, task }))
      await Promise.all(ids.map(id => client.fenceProducer(id)))
      await configs.lead(entries.fenced(name, configs.state.tasks(name).length))
    })
  }

  async setClusterLevel(logger: string, level: string): Promise<void> {
    await this.#options.configs.write(entries.level(logger, level))
  }

  /** Throws HttpError 404. */
  #require(name: string, refusal = `Connector ${name} not found`): void {
    if (!this.#known(name)) throw notFound(refusal)
  }

  async #describe(name: string): Promise<Known> {
    const { plugins, configs } = this.#options
    const className = configs.state.config(name)?.['connector.class'] ?? ''
    return { definition: (await plugins.lookUp(className)?.load()) ?? null }
  }

  async #settled(): Promise<void> {
    const { clock } = this.#options.system
    const untilMs = clock.monotonic() + patienceMs
    while (!this.#group.isSettled && !this.#closed && clock.monotonic() < untilMs) await this.#group.settled(untilMs - clock.monotonic())
    if (!this.#group.isSettled) throw new Elsewhere(null)
  }

  async #requireLeader(): Promise<void> {
    await this.#settled()
    if (!this.#group.isLeader) throw new Elsewhere(this.#group.leaderUrl)
    await this.#options.configs.catchUp()
  }

  /** One after the other, by the leader, who has read all that was written before. */
  #decide<T>(work: () => Promise<T>): Promise<T> {
    const decided = this.#last.then(async () => {
      await this.#requireLeader()
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof Deposed)) throw error
        this.#group.rejoin()
        throw new Elsewhere(null)
      }
    })
    this.#last = decided.catch(() => {})
    return decided
  }
}
