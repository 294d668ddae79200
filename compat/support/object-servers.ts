/**
 * The S3 servers with which clusters are tried, on loopback: MinIO by default, and SeaweedFS with OBJECT_SERVER=seaweedfs. Each keeps its data in a
 * directory of its own, and is built once.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cached, needs } from './cache.ts'
import { accepts, must, start, until } from './run.ts'

export interface Store {
  readonly port: number
  /** Of the process that all others are children of. */
  readonly pid: number
  /** SIGKILL of all its processes; the data stays. */
  kill(): Promise<void>
  /** Resolves when it answers again. */
  restart(): Promise<void>
}

export interface Login {
  readonly user: string
  readonly password: string
  readonly bucket: string
}

interface Kind {
  readonly name: string
  /** From the one of S3 on. */
  readonly ports: number
  binary(): Promise<string>
  args(port: number, directory: string): string[]
  env(login: Login): Record<string, string>
  /** Before the first start. */
  prepare(directory: string, login: Login): void
  isReady(port: number): Promise<boolean>
  /** After the first start. */
  makeBucket(port: number, bucket: string): Promise<void>
}

const isOk = async (url: string, method = 'GET') => (await fetch(url, { method }).catch(() => null))?.ok === true

/** The last release of the server that `go install` can build. */
const minioModule = 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c'

const minio: Kind = {
  name: 'minio',
  ports: 1,
  async binary() {
    await needs('go', 'it builds MinIO')
    const directory = await cached('minio', minioModule, async at => {
      await must('go', ['install', '-ldflags=-s -w', minioModule], { seconds: 3000, env: { GOBIN: at, GOTOOLCHAIN: 'local' } })
    })
    return join(directory, 'minio')
  },
  args: (port, directory) => ['server', '--quiet', '--address', `127.0.0.1:${port}`, directory],
  env: ({ user, password }) => ({
    MINIO_ROOT_USER: user,
    MINIO_ROOT_PASSWORD: password,
    MINIO_BROWSER: 'off',
    MINIO_UPDATE: 'off',
    // Buckets by virtual hosts, too.
    MINIO_DOMAIN: 'localhost',
    // It encrypts what a request wants encrypted.
    MINIO_KMS_SECRET_KEY: `any:${Buffer.alloc(32, 7).toString('base64')}`,
  }),
  prepare: (directory, { bucket }) => void mkdirSync(join(directory, bucket)),
  isReady: port => isOk(`http://127.0.0.1:${port}/minio/health/ready`),
  async makeBucket() {},
}

const seaweedModule = 'github.com/seaweedfs/seaweedfs@v0.0.0-20261109003541-7506e5f91cd6'

/** Its parts, each with a port, and one for gRPC that is as much higher. */
const seaweedParts = ['s3', 'master', 'volume', 'filer']

const seaweed: Kind = {
  name: 'seaweedfs',
  ports: 2 * seaweedParts.length,
  async binary() {
    await needs('go', 'it builds SeaweedFS')
    const directory = await cached('seaweedfs', seaweedModule, async at => {
      // `go install` does not take a module that replaces another one.
      const { Dir: source } = JSON.parse(await must('go', ['mod', 'download', '-json', seaweedModule])) as { Dir: string }
      const copy = join(at, 'source')
      cpSync(source, copy, { recursive: true })
      await must('chmod', ['-R', 'u+w', copy])
      const env = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod' }
      await must('go', ['build', '-ldflags=-s -w', '-o', join(at, 'weed'), './weed'], { cwd: copy, seconds: 7200, env })
      rmSync(copy, { recursive: true })
    })
    return join(directory, 'weed')
  },
  args: (port, directory) => [
    ...['-logtostderr=true', 'server', `-dir=${directory}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1', '-filer', '-s3'],
    ...['-volume.max=20', '-master.volumeSizeLimitMB=64'],
    ...seaweedParts.flatMap((part, index) => [`-${part}.port=${port + index}`, `-${part}.port.grpc=${port + seaweedParts.length + index}`]),
  ],
  env: ({ user, password }) => ({ AWS_ACCESS_KEY_ID: user, AWS_SECRET_ACCESS_KEY: password }),
  prepare() {},
  // It lists the buckets, or says that nobody may.
  isReady: async port => (await fetch(`http://127.0.0.1:${port}/`).catch(() => null))?.status === 403 && (await isOk(filerOf(port))),
  // Buckets are directories of its file system.
  makeBucket: (port, bucket) => until(() => isOk(`${filerOf(port)}buckets/${bucket}/`, 'POST'), 'the bucket'),
}

function filerOf(port: number): string {
  return `http://127.0.0.1:${port + seaweedParts.indexOf('filer')}/`
}

const kinds = [minio, seaweed]

/** That the environment names. */
export function chosenKind(): Kind {
  const name = process.env['OBJECT_SERVER'] || minio.name
  const kind = kinds.find(each => each.name === name)
  if (kind === undefined) throw new Error(`OBJECT_SERVER=${name}: there are ${kinds.map(each => each.name).join(', ')}`)
  return kind
}

export class ObjectServer implements Store {
  readonly port: number
  readonly #kind: Kind
  readonly #binary: string
  readonly #login: Login
  readonly #directory: string
  #child: ReturnType<typeof start> | null = null

  static async start(kind: Kind, port: number, login: Login): Promise<ObjectServer> {
    const server = new ObjectServer(kind, port, await kind.binary(), login)
    mkdirSync(server.#data)
    kind.prepare(server.#data, login)
    await server.restart()
    await kind.makeBucket(port, login.bucket)
    return server
  }

  private constructor(kind: Kind, port: number, binary: string, login: Login) {
    this.#kind = kind
    this.port = port
    this.#binary = binary
    this.#login = login
    this.#directory = mkdtempSync(join(tmpdir(), `millrace-${kind.name}-`))
  }

  get #data(): string {
    return join(this.#directory, 'data')
  }

  async restart(): Promise<void> {
    const { args, env, name, isReady } = this.#kind
    this.#child = start(this.#binary, args(this.port, this.#data), join(this.#directory, 'output'), env(this.#login))
    await until(async () => (await accepts(this.port)) && (await isReady(this.port)), name)
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#kind.name} does not run`)
    return this.#child.pid
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
