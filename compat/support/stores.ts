/**
 * A real PostgreSQL and a real S3 server (`object-servers.ts`) on loopback, for brokers that keep nothing of their own; with fresh data that goes when they
 * stop.
 *
 * PostgreSQL is Debian's package, as its user when this runs as root, with the package's durable settings.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Missing } from './cache.ts'
import { chosenKind, ObjectServer, type Store } from './object-servers.ts'
import { accepts, freePorts, must, until } from './run.ts'

export interface RestorableStore extends Store {
  /** Archives its WAL from now on, and makes a base backup. It is restarted for it. */
  backUp(): Promise<void>
  markPoint(name: string): Promise<void>
  /** Puts the backup in the place of the data, and recovers it up to the point. Resolves when it takes writes again. */
  restoreTo(point: string): Promise<void>
}

export interface Stores {
  readonly postgres: RestorableStore
  readonly objects: Store
  /** For `--cluster` and `--objects`: of the stores themselves, or by way of these proxies. */
  urls(ways?: Readonly<Record<'postgres' | 'objects', { readonly port: number }>>): { cluster: string; objects: string }
  /** Credentials, for the environment of a broker. */
  readonly env: Readonly<Record<string, string>>
  remove(): Promise<void>
}

const password = 'only-for-tests'
const user = 'millrace'
const bucket = 'millrace'
const commandWithinSeconds = 60

export interface StartedPostgres {
  readonly postgres: RestorableStore
  readonly user: string
  readonly password: string
  remove(): Promise<void>
}

/** The database alone, with settings such as `wal_level=logical`. */
export async function startPostgres(settings: readonly string[] = []): Promise<StartedPostgres> {
  const postgres = await Postgres.start(await freePorts(1), settings)
  return { postgres, user, password, remove: () => postgres.remove() }
}

export async function startStores(): Promise<Stores> {
  const kind = chosenKind()
  const port = await freePorts(1 + kind.ports)
  const postgres = await Postgres.start(port)
  try {
    const objects = await ObjectServer.start(kind, port + 1, { user, password, bucket })
    return {
      postgres,
      objects,
      urls: (ways = { postgres, objects }) => ({
        cluster: `postgres://${user}@127.0.0.1:${ways.postgres.port}/postgres`,
        objects: `s3://${bucket}/test?endpoint=http://127.0.0.1:${ways.objects.port}&region=us-east-1`,
      }),
      env: { PGPASSWORD: password, AWS_ACCESS_KEY_ID: user, AWS_SECRET_ACCESS_KEY: password },
      async remove() {
        await objects.remove()
        await postgres.remove()
      },
    }
  } catch (error) {
    await postgres.remove()
    throw error
  }
}

class Postgres implements RestorableStore {
  readonly port: number
  readonly #settings: readonly string[]
  readonly #directory: string
  readonly #bin: string
  /** How a command runs as a user who is not root: PostgreSQL refuses root. */
  readonly #as: readonly string[]

  static async start(port: number, settings: readonly string[] = []): Promise<Postgres> {
    const root = '/usr/lib/postgresql'
    const version = existsSync(root) ? readdirSync(root).sort().at(-1) : undefined
    if (version === undefined) throw new Missing('PostgreSQL is missing (apt-get install postgresql)')
    const postgres = new Postgres(port, join(root, version, 'bin'), settings)
    await postgres.#init()
    await postgres.restart()
    return postgres
  }

  private constructor(port: number, bin: string, settings: readonly string[]) {
    this.port = port
    this.#settings = settings
    this.#bin = bin
    this.#directory = mkdtempSync(join(tmpdir(), 'millrace-postgres-'))
    process.on('exit', () => this.#endAtOnce())
    const isRoot = process.getuid?.() === 0
    this.#as = isRoot ? ['runuser', '-u', 'postgres', '--'] : ['env']
    if (isRoot) chownSync(this.#directory, Number(execFileSync('id', ['-u', 'postgres'])), -1)
  }

  async #init(): Promise<void> {
    const file = join(this.#directory, 'password')
    writeFileSync(file, password, { mode: 0o644 })
    const options = ['-D', this.#data, '-U', user, '-A', 'scram-sha-256', `--pwfile=${file}`, '-E', 'UTF8', '--locale=C.UTF-8']
    await this.#run('initdb', options)
  }

  get #data(): string {
    return join(this.#directory, 'data')
  }

  #run(program: string, args: readonly string[]): Promise<string> {
    return this.#asUser(join(this.#bin, program), args)
  }

  #asUser(program: string, args: readonly string[]): Promise<string> {
    const [command, ...before] = this.#as
    const env = { PGPASSWORD: password }
    return must(command!, [...before, program, ...args], { seconds: commandWithinSeconds, cwd: this.#directory, env })
  }

  get #address(): readonly string[] {
    return ['-h', '127.0.0.1', '-p', String(this.port), '-U', user]
  }

  async #ask(sql: string): Promise<string> {
    return (await this.#run('psql', [...this.#address, '-d', 'postgres', '-Atqc', sql])).trim()
  }

  async backUp(): Promise<void> {
    await this.#asUser('mkdir', [this.#archive])
    await this.#ask('alter system set archive_mode = on')
    await this.#ask(`alter system set archive_command = 'cp %p ${this.#archive}/%f'`)
    await this.#stop()
    await this.restart()
    await this.#run('pg_basebackup', [...this.#address, '-D', this.#backup, '-X', 'stream', '-c', 'fast'])
  }

  async markPoint(name: string): Promise<void> {
    await this.#ask(`select pg_create_restore_point('${name}')`)
  }

  async restoreTo(point: string): Promise<void> {
    const file = await this.#ask('select pg_walfile_name(pg_switch_wal())')
    await until(async () => existsSync(join(this.#archive, file)), 'the WAL to be archived')
    await this.#stop()
    renameSync(this.#data, join(this.#directory, 'lost'))
    renameSync(this.#backup, this.#data)
    const settings = { restore_command: `cp ${this.#archive}/%f %p`, recovery_target_name: point, recovery_target_action: 'promote' }
    const lines = Object.entries(settings).map(([key, value]) => `${key} = '${value}'\n`)
    appendFileSync(join(this.#data, 'postgresql.auto.conf'), lines.join(''))
    await this.#asUser('touch', [join(this.#data, 'recovery.signal')])
    await this.restart()
    await until(async () => (await this.#ask('select pg_is_in_recovery()')) === 'f', 'the end of the recovery')
  }

  get #archive(): string {
    return join(this.#directory, 'archive')
  }

  get #backup(): string {
    return join(this.#directory, 'backup')
  }

  #stop(): Promise<string> {
    return this.#run('pg_ctl', ['-D', this.#data, '-m', 'fast', '-w', '-s', 'stop'])
  }

  async restart(): Promise<void> {
    const own = ['listen_addresses=127.0.0.1', `unix_socket_directories=${this.#directory}`, ...this.#settings]
    const options = `-p ${this.port} ${own.map(setting => `-c ${setting}`).join(' ')}`
    await this.#run('pg_ctl', ['-D', this.#data, '-l', join(this.#directory, 'log'), '-w', '-s', '-o', options, 'start'])
  }

  get pid(): number {
    return Number(readFileSync(join(this.#data, 'postmaster.pid'), 'utf8').split('\n')[0])
  }

  /** A run that is ended early leaves no server behind. */
  #endAtOnce(): void {
    if (!existsSync(join(this.#data, 'postmaster.pid'))) return
    process.kill(this.pid, 'SIGQUIT')
  }

  async kill(): Promise<void> {
    const postmaster = this.pid
    // Its backends see that it is gone and end; until then they hold the shared memory, and a new one does not start.
    process.kill(postmaster, 'SIGKILL')
    await until(async () => !(await accepts(this.port)) && !existsAs(postmaster), 'the killed PostgreSQL to end')
  }

  async remove(): Promise<void> {
    await this.#run('pg_ctl', ['-D', this.#data, '-m', 'immediate', '-s', 'stop']).catch(() => {}) // it may have been killed
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

function existsAs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
