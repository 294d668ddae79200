/**
 * A broker as README.md and docs/cluster.md have a newcomer start it: `bin/millrace.js start`, with the URLs of both services on the command line, in a
 * file or in the environment. It reaches them by proxies of its own, so that it alone can be cut off.
 */
import type { ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lines } from '../support/brokers.ts'
import { repository } from '../support/cache.ts'
import { unready } from '../support/cluster.ts'
import { WayTo } from '../support/proxy.ts'
import { accepts, freePorts, start } from '../support/run.ts'
import type { Stores } from '../support/stores.ts'

/** Where the URLs and the credentials of the object store come from. */
export type Told = 'flags' | 'file' | 'environment' | 'role'

export interface BrokerOptions {
  stores: Stores
  /** For its files; removed by who made it. */
  directory: string
  /** null: the cluster gives it one. */
  id: number | null
  told: Told
  settings: Readonly<Record<string, string>>
  /** Where an instance would ask for the credentials of its role. */
  instance: string
}

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
}

export const command = join(repository, 'bin/millrace.js')
const startWithinMs = 60_000
/** After its port is open, on a busy machine. */
const readyWithinMs = 2_000

export class StartedBroker {
  /** Of its listeners PLAINTEXT and SASL, and of its HTTP endpoint. Brokers call each other by INTERNAL. */
  readonly port: number
  readonly sasl: number
  readonly http: number
  readonly ways: { readonly postgres: WayTo; readonly objects: WayTo }
  /** For commands about this broker. */
  readonly env: Readonly<Record<string, string>>
  readonly stores: readonly string[]
  /** Its configuration, if it was told by a file. */
  readonly file: string
  readonly #args: readonly string[]
  readonly #logFile: string
  #child: ChildProcess | null = null
  #ended: Promise<Ended> = Promise.resolve({ code: null, signal: null })

  static async prepare(options: BrokerOptions): Promise<StartedBroker> {
    const { postgres, objects } = options.stores
    const ways = { postgres: await WayTo.port(postgres.port), objects: await WayTo.port(objects.port) }
    return new StartedBroker(options, ways, await freePorts(4))
  }

  private constructor({ stores, directory, id, told, settings, instance }: BrokerOptions, ways: StartedBroker['ways'], port: number) {
    this.ways = ways
    this.port = port
    this.sasl = port + 1
    this.http = port + 2
    const urls = stores.urls(ways)
    this.stores = ['--cluster', urls.cluster, '--objects', urls.objects]
    const own: Record<string, string> = {
      ...settings,
      ...(id === null ? {} : { 'node.id': String(id), 'broker.rack': `rack-${id}` }),
      listeners: `PLAINTEXT://127.0.0.1:${this.port},SASL://127.0.0.1:${this.sasl},INTERNAL://127.0.0.1:${port + 3}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,INTERNAL:SASL_SSL',
      'inter.broker.listener.name': 'INTERNAL',
      services: '',
    }
    const name = join(directory, `broker-${port}`)
    this.#logFile = `${name}.log`
    this.file = `${name}.properties`
    this.env = stores.env
    const http = ['--http', `127.0.0.1:${this.http}`]
    const sets = Object.entries(own).flatMap(([key, value]) => ['--set', `${key}=${value}`])
    if (told === 'flags' || told === 'role') this.#args = ['start', ...this.stores, ...http, ...sets]
    else if (told === 'environment') {
      this.env = { ...stores.env, MILLRACE_CLUSTER: urls.cluster, MILLRACE_OBJECTS: urls.objects }
      this.#args = ['start', ...http, ...sets]
    } else {
      const { 'node.id': nodeId, ...others } = own
      writeFileSync(this.file, lines({ ...others, ...urls }))
      writeFileSync(`${name}.credentials`, credentialsOf(stores.env))
      this.env = { PGPASSWORD: stores.env['PGPASSWORD']!, AWS_SHARED_CREDENTIALS_FILE: `${name}.credentials` }
      this.#args = ['start', '--config', this.file, ...http, ...(nodeId === undefined ? [] : ['--set', `node.id=${nodeId}`])]
    }
    // There may be a file of credentials at home.
    if (told === 'role') this.env = { PGPASSWORD: stores.env['PGPASSWORD']!, AWS_EC2_METADATA_SERVICE_ENDPOINT: instance, HOME: directory }
  }

  /** Resolves when its client port is open, with how it said that it is ready then, and whether it had said so before. */
  async start(): Promise<{ early: boolean; ready: boolean }> {
    this.launch()
    let early = false
    const endMs = performance.now() + startWithinMs
    while (!(await accepts(this.port))) {
      early ||= (await this.unready()) === null && !(await accepts(this.port))
      if (!this.runs || performance.now() > endMs) throw new Error(`the broker did not start: ${this.log().slice(-2000)}`)
      await sleep(10)
    }
    const readyByMs = performance.now() + readyWithinMs
    while ((await this.unready()) !== null && performance.now() < readyByMs) await sleep(10)
    return { early, ready: performance.now() < readyByMs }
  }

  launch(): void {
    const child = start(command, this.#args, this.#logFile, this.env)
    this.#child = child
    this.#ended = new Promise(resolve => child.once('exit', (code, signal) => resolve({ code, signal })))
  }

  get runs(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get pid(): number {
    if (!this.runs) throw new Error(`the broker does not run: ${this.log().slice(-2000)}`)
    return this.#child!.pid!
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name)
  }

  async end(name: 'SIGTERM' | 'SIGKILL'): Promise<Ended & { ms: number }> {
    const began = performance.now()
    this.signal(name)
    const late = setTimeout(() => this.runs && this.signal('SIGKILL'), 40_000)
    const ended = await this.#ended
    clearTimeout(late)
    return { ...ended, ms: performance.now() - began }
  }

  /** What keeps it from serving, in its own words; null: nothing. */
  unready(): Promise<string | null> {
    return unready(`127.0.0.1:${this.http}`)
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.http}/metrics`, { signal: AbortSignal.timeout(5000) })).text()
  }

  log(): string {
    return readFileSync(this.#logFile, 'utf8')
  }

  /** Its log from here on. */
  mark(): () => string {
    const from = this.log().length
    return () => this.log().slice(from)
  }

  async remove(): Promise<void> {
    if (this.runs) await this.end('SIGKILL')
    this.ways.postgres.close()
    this.ways.objects.close()
  }
}

function credentialsOf(env: Readonly<Record<string, string>>): string {
  return `[default]\naws_access_key_id = ${env['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = ${env['AWS_SECRET_ACCESS_KEY']}\n`
}
