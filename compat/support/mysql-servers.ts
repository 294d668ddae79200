/**
 * Real MariaDB and MySQL on loopback, with fresh data that goes when they stop. MariaDB is Debian's package. MySQL is not in Debian's stable release; the
 * packages of its unstable one are unpacked beside it, with their own C library, and nothing is installed.
 */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Connection, createConnection } from 'mysql2/promise'
import { cached, fetching, Missing } from './cache.ts'
import { accepts, freePorts, must, start, until } from './run.ts'

export type MysqlKind = 'mariadb' | 'mysql'

interface Program {
  readonly command: readonly string[]
  /** Makes a directory of data. */
  init(data: string): Promise<unknown>
}

const commandWithinSeconds = 120
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

function mariadb(): Program {
  const program = '/usr/sbin/mariadbd'
  if (!existsSync(program)) throw new Missing('MariaDB is missing (apt-get install mariadb-server)')
  const init = (data: string) =>
    must('mariadb-install-db', ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', ...asRoot], {
      seconds: commandWithinSeconds,
    })
  return { command: [program, '--no-defaults', ...asRoot], init }
}

const asRoot = process.getuid?.() === 0 ? ['--user=root'] : []

async function mysql(): Promise<Program> {
  const root = await cached('mysql', 'mysql-server-core of unstable, with its libraries', at => fetching('MySQL', unpack(at)))
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu')
  const command = [
    join(libraries, 'ld-linux-x86-64.so.2'),
    ...['--library-path', `${libraries}:${join(root, 'usr/lib/mysql/private')}`],
    join(root, 'usr/sbin/mysqld'),
    ...['--no-defaults', ...asRoot, '--mysqlx=OFF', '--secure-file-priv=', '--innodb-buffer-pool-size=64M'],
    ...[`--lc-messages-dir=${root}/usr/share/mysql`, `--character-sets-dir=${root}/usr/share/mysql/charsets`],
    `--plugin-dir=${root}/usr/lib/mysql/plugin`,
  ]
  const init = (data: string) =>
    must(command[0]!, [...command.slice(1), '--initialize-insecure', `--datadir=${data}`], { seconds: commandWithinSeconds })
  return { command, init }
}

/** By apt, which has state of its own there. The archive is that of this machine. */
async function unpack(at: string): Promise<void> {
  const targets = await must('apt-get', ['indextargets', '--format', '$(LABEL) $(REPO_URI)', 'Created-By: Packages'])
  const archive = /^Debian (\S+)$/m.exec(targets)?.[1]
  if (archive === undefined || process.arch !== 'x64') throw new Error('it is taken from the archive of a Debian on x64')
  const apt = join(at, 'apt')
  for (const folder of ['etc', 'lib/lists/partial', 'cache/archives/partial']) mkdirSync(join(apt, folder), { recursive: true })
  writeFileSync(join(apt, 'etc/sources.list'), `deb [signed-by=${keyring}] ${archive} unstable main\n`)
  writeFileSync(join(apt, 'status'), '')
  writeFileSync(
    join(apt, 'apt.conf'),
    // The machine's own settings count, too.
    `Dir::Etc "${apt}/etc"; Dir::Etc::parts "/etc/apt/apt.conf.d"; Dir::State "${apt}/lib"; Dir::State::status "${apt}/status"; Dir::Cache "${apt}/cache"; APT::Sandbox::User "root";\n`,
  )
  const options = { seconds: 300, env: { APT_CONFIG: join(apt, 'apt.conf') } }
  await must('apt-get', ['update'], options)
  await must('apt-get', ['install', '-y', '--download-only', '--no-install-recommends', 'mysql-server-core'], options)
  const archives = join(apt, 'cache/archives')
  for (const file of readdirSync(archives).filter(each => each.endsWith('.deb'))) await must('dpkg', ['-x', join(archives, file), at])
  rmSync(apt, { recursive: true })
}

export class MysqlServer {
  readonly port: number
  readonly #command: readonly string[]
  readonly #directory: string
  readonly #settings: readonly string[]
  #process: ChildProcess | null = null

  /** `settings`: its options. Throws Missing if it cannot be had. */
  static async start(kind: MysqlKind, settings: readonly string[] = []): Promise<MysqlServer> {
    const { command, init } = kind === 'mariadb' ? mariadb() : await mysql()
    const directory = mkdtempSync(join(tmpdir(), `millrace-${kind}-`))
    const server = new MysqlServer(await freePorts(1), command, directory, settings)
    await init(server.#data)
    await server.restart()
    return server
  }

  private constructor(port: number, command: readonly string[], directory: string, settings: readonly string[]) {
    this.port = port
    this.#command = command
    this.#directory = directory
    this.#settings = settings
  }

  get #data(): string {
    return join(this.#directory, 'data')
  }

  /** After {@link kill}. */
  async restart(): Promise<void> {
    const [program, ...before] = this.#command
    const place = [`--datadir=${this.#data}`, `--port=${this.port}`, '--bind-address=127.0.0.1', `--socket=${this.#directory}/socket`]
    const pid = `--pid-file=${this.#directory}/pid`
    this.#process = start(program!, [...before, ...place, pid, ...this.#settings], join(this.#directory, 'log'))
    await until(() => accepts(this.port), `the server on port ${this.port}`)
  }

  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL')
    await until(async () => !(await accepts(this.port)), 'the end of the server')
  }

  connect(database?: string): Promise<Connection> {
    return createConnection({
      ...{ host: '127.0.0.1', port: this.port, user: 'root', ...(database !== undefined && { database }) },
      ...{ multipleStatements: true, supportBigNumbers: true, bigNumberStrings: true, dateStrings: true },
    })
  }

  async ask(sql: string, database?: string): Promise<Record<string, unknown>[]> {
    const connection = await this.connect(database)
    try {
      const [rows] = await connection.query(sql)
      return rows as Record<string, unknown>[]
    } finally {
      await connection.end()
    }
  }

  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
