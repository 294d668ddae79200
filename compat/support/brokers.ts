/**
 * Starts the broker under test: Millrace from this repository, or a real Apache Kafka (one KRaft node) with jars from Maven. Both on
 * loopback, with fresh data below `.cache/` that goes when they stop.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { kafkaJars, quietJava, repository } from './cache.ts'
import { accepts, freePorts, must, start } from './run.ts'

export type Properties = Readonly<Record<string, string>>

export interface RunningBroker {
  readonly name: 'millrace' | 'kafka'
  readonly bootstrap: string
  /** Of each listener, by its name. */
  readonly bootstraps: Readonly<Record<string, string>>
  readonly pid: number
  /** The folder of partitions. */
  readonly data: string
  /** From the start of the process to its first accepted connection. */
  readonly startSeconds: number
  /** Everything that it printed. */
  log(): string
  /** SIGTERM, or SIGKILL, and waits for the end; the data stays. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** Starts again on the same port and data. Resolves as soon as the process runs when `wait` is false. */
  restart(wait?: boolean): Promise<void>
  /** Stops, and deletes the data. */
  remove(): Promise<void>
}

const startWithinSeconds = 120

/** Listeners beside PLAINTEXT: their protocol by their name. */
export type Listeners = Readonly<Record<string, string>>

/** The command lines of one kind of broker, once its data directory is prepared. */
interface Kind {
  name: RunningBroker['name']
  command: string
  args: string[]
  data: string
  env?: Readonly<Record<string, string>>
}

const compiled = new Map<string, Promise<string>>()

/** As `npm start` does. */
export function compile(checkout = repository): Promise<string> {
  const running = compiled.get(checkout) ?? must('npm', ['run', '--silent', 'prestart'], { cwd: checkout })
  compiled.set(checkout, running)
  return running
}

/** What is measured and compared is the broker, and the ports of the services are the same for all. */
const alone: Properties = { services: '' }

/** As in `npm start`, the image and the systemd unit. */
const nodeFlags = ['--max-semi-space-size=2']

/** `checkout`: of another state of Millrace, to compare with. */
export async function startMillrace(properties: Properties = {}, listeners: Listeners = {}, checkout = repository): Promise<RunningBroker> {
  const directory = freshDirectory('millrace')
  // Further processes have the ports behind that of the first.
  const processes = Number(properties['processes'] ?? 1)
  const bootstraps = addresses(await freePorts(processes + Object.keys(listeners).length), listeners)
  const data = join(directory, 'data')
  const file = join(directory, 'server.properties')
  const own = { ...listening(bootstraps, listeners), 'log.dirs': data, 'http.listen': 'none' }
  writeFileSync(file, lines({ ...alone, ...properties, ...own }))
  await compile(checkout)
  const args = [...nodeFlags, join(checkout, 'dist/cli.js'), 'start', '--config', file]
  return Broker.start({ name: 'millrace', command: process.execPath, args, data }, bootstraps, directory)
}

/** A broker that keeps nothing of its own: `properties` name its cluster. */
export async function startMember(
  properties: Properties,
  env: Readonly<Record<string, string>>,
  listeners: Listeners = {},
  checkout = repository,
): Promise<RunningBroker> {
  const directory = freshDirectory('millrace')
  const bootstraps = addresses(await freePorts(1 + Object.keys(listeners).length), listeners)
  const file = join(directory, 'server.properties')
  writeFileSync(file, lines({ 'http.listen': 'none', ...alone, ...properties, ...listening(bootstraps, listeners) }))
  await compile(checkout)
  const args = [...nodeFlags, join(checkout, 'dist/cli.js'), 'start', '--config', file]
  return Broker.start({ name: 'millrace', command: process.execPath, args, data: directory, env }, bootstraps, directory)
}

/** PLAINTEXT and these, on ports from `first` on. */
function addresses(first: number, listeners: Listeners): Record<string, string> {
  return Object.fromEntries(['PLAINTEXT', ...Object.keys(listeners)].map((name, i) => [name, `127.0.0.1:${first + i}`]))
}

function listening(bootstraps: Readonly<Record<string, string>>, listeners: Listeners): Properties {
  const protocols = Object.entries({ PLAINTEXT: 'PLAINTEXT', CONTROLLER: 'PLAINTEXT', ...listeners })
  return {
    listeners: Object.entries(bootstraps)
      .map(([name, address]) => `${name}://${address}`)
      .join(),
    'listener.security.protocol.map': protocols.map(each => each.join(':')).join(),
  }
}

export interface KafkaOptions {
  version?: string
  properties?: Properties
  listeners?: Listeners
  /** Options of the JVM; Kafka's own when not given. */
  jvm?: readonly string[]
}

export async function startKafka(options: KafkaOptions = {}): Promise<RunningBroker> {
  const { properties = {} } = options
  return (await startKafkaNodes(1, { ...options, properties: { ...oneNode, ...properties } }))[0]!
}

/** Nodes of one cluster, each of them broker and controller. */
export async function startKafkaNodes(count: number, options: KafkaOptions = {}): Promise<RunningBroker[]> {
  const { version = '4.3.1', properties = {}, listeners = {}, jvm = kafkaJvm } = options
  const java = [quietJava, '-cp', await kafkaJars(version)]
  const portsOfEach = 2 + Object.keys(listeners).length
  const ports = await freePorts(count * portsOfEach)
  const nodes = Array.from({ length: count }, (_, index) => {
    const port = ports + index * portsOfEach
    const id = String(Number(properties['node.id'] ?? 1) + index)
    return {
      id,
      bootstraps: addresses(port, listeners),
      controller: `127.0.0.1:${port + portsOfEach - 1}`,
      directory: freshDirectory('kafka'),
    }
  })
  const voters = nodes.map(({ id, controller }) => `${id}@${controller}`).join()
  for (const { id, bootstraps, controller, directory } of nodes) {
    const file = join(directory, 'server.properties')
    const open = listening(bootstraps, listeners)
    const own = { ...open, listeners: `${open['listeners']},CONTROLLER://${controller}`, 'advertised.listeners': open['listeners']! }
    const node = { ...kafkaNode, 'controller.quorum.voters': voters, ...own, 'log.dirs': join(directory, 'data') }
    writeFileSync(file, lines({ ...node, ...properties, 'node.id': id }))
    const format = ['kafka.tools.StorageTool', 'format', '-t', 'AAAAAAAAQACAAAAAAAAAAQ', '-c', file]
    await must('java', [...java, ...format], { seconds: 60 })
  }
  // A node does not listen before most of them run.
  const started = await Promise.allSettled(
    nodes.map(({ bootstraps, directory }) => {
      const args = [...jvm, ...java, 'kafka.Kafka', join(directory, 'server.properties')]
      return Broker.start({ name: 'kafka', command: 'java', args, data: join(directory, 'data') }, bootstraps, directory)
    }),
  )
  const brokers = started.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  const failed = started.find(each => each.status === 'rejected')
  if (failed === undefined) return brokers
  for (const broker of brokers) await broker.remove()
  throw failed.reason
}

/** As Kafka's own start script has them. */
const kafkaJvm = '-Xmx1G -Xms1G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35'.split(' ')

const kafkaNode: Properties = { 'process.roles': 'broker,controller', 'controller.listener.names': 'CONTROLLER' }

/** What a single node cannot do without; everything else stays at Kafka's default. */
const oneNode: Properties = {
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
}

const directories = new Set<string>()
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

function freshDirectory(name: string): string {
  const parent = join(repository, '.cache', 'brokers')
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, `${name}-`))
  directories.add(directory)
  return directory
}

/** As the content of a file. */
export function lines(properties: Properties): string {
  return `${Object.entries(properties)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')}\n`
}

class Broker implements RunningBroker {
  readonly name: RunningBroker['name']
  readonly bootstrap: string
  readonly bootstraps: Readonly<Record<string, string>>
  readonly data: string
  startSeconds = 0
  readonly #kind: Kind
  readonly #directory: string
  #child: ChildProcess | null = null

  static async start(kind: Kind, bootstraps: Readonly<Record<string, string>>, directory: string): Promise<Broker> {
    const broker = new Broker(kind, bootstraps, directory)
    try {
      await broker.restart()
    } catch (error) {
      await broker.remove()
      throw error
    }
    return broker
  }

  private constructor(kind: Kind, bootstraps: Readonly<Record<string, string>>, directory: string) {
    this.#kind = kind
    this.#directory = directory
    this.name = kind.name
    this.data = kind.data
    this.bootstrap = bootstraps['PLAINTEXT']!
    this.bootstraps = bootstraps
  }

  get pid(): number {
    if (this.#child?.pid === undefined || this.#child.exitCode !== null)
      throw new Error(`${this.name} is not running (any more):\n${this.log().slice(-3000)}`)
    return this.#child.pid
  }

  log(): string {
    return readFileSync(this.#logFile, 'utf8')
  }

  get #logFile(): string {
    return join(this.#directory, 'output')
  }

  async restart(wait = true): Promise<void> {
    const began = performance.now()
    this.#child = start(this.#kind.command, this.#kind.args, this.#logFile, this.#kind.env)
    if (wait) await this.#accepting(began)
  }

  async #accepting(began: number): Promise<void> {
    const ports = Object.values(this.bootstraps).map(address => Number(address.split(':')[1]))
    while (!(await Promise.all(ports.map(accepts))).every(Boolean)) {
      const child = this.#child!
      const waited = (performance.now() - began) / 1000
      if (child.exitCode !== null || child.signalCode !== null || waited > startWithinSeconds)
        throw new Error(`${this.name} did not start:\n${this.log().slice(-3000)}`)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    this.startSeconds = (performance.now() - began) / 1000
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), 30_000)
    await ended
    clearTimeout(late)
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
    directories.delete(this.#directory)
  }
}
