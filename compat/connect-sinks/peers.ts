/** Real servers of the sinks, by the scripts of the peers beside this repository. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Missing, repository } from '../support/cache.ts'
import { accepts, must, type start, until } from '../support/run.ts'

export interface Peer {
  /** The first of its ports. */
  readonly port: number
  readonly pid: number
  /** SIGKILL, and a start with the same data. */
  killAndStart(): Promise<void>
  stop(): Promise<void>
}

export async function startPeer(name: string, ports: readonly number[], more: readonly string[] = []): Promise<Peer> {
  const beside = ['..', '../..'].map(above => join(repository, above, 'shared', 'peers', 'sinks'))
  const folder = [process.env['SINK_PEERS'] ?? '', ...beside].find(each => existsSync(join(each, name, 'up.sh')))
  if (folder === undefined) throw new Missing(`the scripts that start ${name} are not there (SINK_PEERS names their folder)`)
  const directory = mkdtempSync(join(tmpdir(), `millrace-${name}-`))
  const up = () => must('bash', [join(folder, name, 'up.sh'), directory, ...ports.map(String), ...more], { seconds: 900 })
  await up().catch(error => {
    throw new Missing(`${name} does not start: ${(error as Error).message.replace(/\s+/g, ' ').slice(-300)}`)
  })
  return {
    port: ports[0]!,
    get pid() {
      return Number(readFileSync(join(directory, 'pid'), 'utf8'))
    },
    async killAndStart() {
      await must('bash', ['-c', `kill -9 "$(cat ${directory}/pid)"; rm ${directory}/pid`])
      // On a loaded machine a server may need longer than its script waits; then it is started again, as its operator would.
      await up().catch(up).catch(up)
    },
    async stop() {
      await must('bash', [join(folder, name, 'down.sh'), directory])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A server that listens on one port. */
export class Restartable {
  readonly #port: number
  readonly #launch: () => ReturnType<typeof start>
  #process: ReturnType<typeof start>

  static async start(port: number, launch: () => ReturnType<typeof start>): Promise<Restartable> {
    const server = new Restartable(port, launch)
    await until(() => accepts(port), `the server on port ${port}`)
    return server
  }

  private constructor(port: number, launch: () => ReturnType<typeof start>) {
    this.#port = port
    this.#launch = launch
    this.#process = launch()
  }

  /** By SIGKILL. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await until(async () => !(await accepts(this.#port)), `the end of the server on port ${this.#port}`)
  }

  async restart(): Promise<void> {
    await this.kill()
    this.#process = this.#launch()
    await until(() => accepts(this.#port), `the server on port ${this.#port}`)
  }
}
