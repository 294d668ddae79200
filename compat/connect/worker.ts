/** Kafka Connect workers as processes, and their REST interface: the runtime as it comes from Maven, connectors for files. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Properties } from '../support/brokers.ts'
import { cached, mavenJars } from '../support/cache.ts'
import { writeProperties } from '../support/java-login.ts'
import { until } from '../support/kit.ts'
import { freePorts, must, start } from '../support/run.ts'

export const connectVersion = '4.4.0'

/** Class path of the runtime with the file connectors, of which 4.3.1 is the newest at Maven Central; see src/AppInfoParser.java. */
export async function connectClassPath(): Promise<string> {
  const own = ['connect-runtime', 'connect-json', 'connect-transforms'].map(name => `org.apache.kafka:${name}:${connectVersion}`)
  const others = [
    'org.apache.kafka:connect-file:4.3.1',
    'org.apache.logging.log4j:log4j-slf4j-impl:2.25.1',
    'org.apache.logging.log4j:log4j-core:2.25.1',
  ]
  const jars = await mavenJars(`connect-${connectVersion}`, [...own, ...others])
  const source = join(import.meta.dirname, 'src/AppInfoParser.java')
  const classes = await cached(`java-connect-${connectVersion}`, readFileSync(source, 'utf8'), async at => {
    await must('javac', ['-d', at, '-cp', jars, source])
  })
  return `${classes}:${jars}`
}

export interface Status {
  name: string
  connector: { state: string; worker_id: string }
  tasks: { id: number; state: string; worker_id: string; trace?: string }[]
}

const strings = 'org.apache.kafka.connect.storage.StringConverter'

/** What every worker has. Lines are strings; offsets are committed each second. */
const workerConfig: Properties = {
  'key.converter': strings,
  'value.converter': strings,
  'offset.flush.interval.ms': '1000',
  'plugin.discovery': 'service_load',
  // The source makes the topic; a sink that is first would make one with the broker's number of partitions.
  'consumer.allow.auto.create.topics': 'false',
}

/** Of a JVM among others on a small machine. */
const frugal = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
export const ourProgram = join(import.meta.dirname, '../../src/cli.ts')

export class Worker {
  readonly id: string
  readonly #base: string
  readonly #program: string
  readonly #command: string[]
  /** The file of what it prints. */
  readonly output: string
  #child: ChildProcess | null = null

  /** `connectors` as files of properties make it a standalone worker. */
  static async start(
    classPath: string,
    directory: string,
    name: string,
    properties: Properties,
    connectors: readonly Properties[] = [],
    settings: readonly string[] = frugal,
  ) {
    const port = await freePorts(1)
    const file = (suffix: string) => join(directory, `${name}${suffix}`)
    // A plugin.path is wanted, even if it holds nothing: everything is on the class path.
    const own = { ...workerConfig, listeners: `http://127.0.0.1:${port}`, 'plugin.path': join(directory, 'no-plugins') }
    writeProperties(file('.properties'), { ...own, ...properties })
    for (const [index, each] of connectors.entries()) writeProperties(file(`-${index}.properties`), each)
    const main = `org.apache.kafka.connect.cli.${connectors.length > 0 ? 'ConnectStandalone' : 'ConnectDistributed'}`
    const jvm = [...settings, '-Dorg.apache.logging.log4j.level=WARN', '-cp', classPath]
    const command = [...jvm, main, file('.properties'), ...connectors.map((_, index) => file(`-${index}.properties`))]
    const worker = new Worker(`127.0.0.1:${port}`, 'java', command, file('.output'))
    await worker.restart()
    return worker
  }

  /** `millrace connect` with the same file. */
  static async startMillrace(directory: string, name: string, properties: Properties, program: readonly string[] = [ourProgram]) {
    const port = await freePorts(1)
    const file = join(directory, `${name}.properties`)
    writeProperties(file, { ...workerConfig, listeners: `http://127.0.0.1:${port}`, ...properties })
    const command = [...program, 'connect', '--config', file]
    const worker = new Worker(`127.0.0.1:${port}`, process.execPath, command, join(directory, `${name}.output`))
    await worker.restart()
    return worker
  }

  private constructor(id: string, program: string, command: string[], output: string) {
    this.#program = program
    this.id = id
    this.#base = `http://${id}`
    this.#command = command
    this.output = output
  }

  log(): string {
    return readFileSync(this.output, 'utf8')
  }

  /** Until it answers requests. */
  async restart(): Promise<void> {
    this.#child = start(this.#program, this.#command, this.output)
    await until(
      () => `${this.#base} answers: ${this.log().slice(-800)}`,
      async () => {
        if (this.#child?.exitCode !== null) throw new Error(`a Connect worker ended: ${this.log().slice(-1500)}`)
        return fetch(`${this.#base}/connectors`).then(
          response => response.ok,
          () => false,
        )
      },
      90,
    )
  }

  get pid(): number {
    return this.#child!.pid!
  }

  /** SIGSTOP and SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal)
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), 30_000)
    await ended
    clearTimeout(late)
  }

  /** While workers rebalance they answer 409, and 500 when the one who leads does not answer in time; that is asked again. */
  async rest<T>(method: string, path: string, body?: unknown): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(`${this.#base}${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T
      if ((response.status !== 409 && response.status !== 500) || attempt === 40)
        throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 400)}`)
      await sleep(250)
    }
  }

  async statuses(): Promise<Status[]> {
    const all = await this.rest<Record<string, { status: Status }>>('GET', '/connectors?expand=status')
    return Object.values(all).map(each => each.status)
  }

  /** One that failed says why. */
  async running(...names: readonly string[]): Promise<boolean> {
    const found = (await this.statuses()).filter(each => names.includes(each.name))
    const failed = found.flatMap(each => each.tasks).find(each => each.state === 'FAILED')
    if (failed !== undefined) throw new Error(`a task failed: ${failed.trace?.slice(0, 600)}`)
    return (
      found.length === names.length && found.every(each => each.tasks.length > 0 && each.tasks.every(({ state }) => state === 'RUNNING'))
    )
  }
}

/** One partition, which keeps the order of lines. */
export function fileSource(name: string, file: string, topic: string, more: Properties = {}): Properties {
  const creation = { 'topic.creation.default.partitions': '1', 'topic.creation.default.replication.factor': '1' }
  return { name, 'connector.class': 'FileStreamSource', 'tasks.max': '1', file, topic, ...creation, ...more }
}

export function fileSink(name: string, file: string, topic: string, more: Properties = {}): Properties {
  return { name, 'connector.class': 'FileStreamSink', 'tasks.max': '1', file, topics: topic, ...more }
}

/** A worker of a cluster; `cluster` names its group and its three topics. Sources are exactly-once. */
export function distributed(cluster: string, connection: Properties): Properties {
  return {
    ...connection,
    'group.id': cluster,
    'config.storage.topic': `${cluster}-configs`,
    'offset.storage.topic': `${cluster}-offsets`,
    'status.storage.topic': `${cluster}-status`,
    'config.storage.replication.factor': '1',
    'offset.storage.replication.factor': '1',
    'status.storage.replication.factor': '1',
    'exactly.once.source.support': 'enabled',
    // What a killed worker leaves behind holds up the next one for so long.
    'consumer.session.timeout.ms': '6000',
    'producer.transaction.timeout.ms': '5000',
    'session.timeout.ms': '6000',
    'heartbeat.interval.ms': '1000',
    // How long the work of a worker that is gone waits for its return.
    'scheduled.rebalance.max.delay.ms': '1000',
  }
}
