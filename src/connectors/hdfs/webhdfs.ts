/**
 * WebHDFS: the calls this sink needs.
 *
 * Hides which NameNode is active, the two steps in which bytes reach a DataNode, and which errors pass. Reference: "WebHDFS REST API" of Hadoop 3.4.
 */
import type { System } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { type HttpAnswer, HttpClient, isPassing, isSuccess, jsonOf, shown } from '../http-client/http-client.ts'
import type { HdfsConfig } from './sink.ts'

export interface FileStatus {
  /** Empty for the path itself. */
  readonly name: string
  readonly isDirectory: boolean
  readonly size: number
}

/** HDFS refused. `kind` is the name of its exception. */
class HdfsError extends Error {
  readonly kind: string

  constructor(doing: string, kind: string, message: string) {
    super(`${doing}: ${kind}: ${message}`)
    this.name = 'HdfsError'
    this.kind = kind
  }
}

/** Bytes may have reached the file, or not. */
export class UnsureWrite extends RetriableError {
  constructor(message: string, cause: unknown) {
    super(message, { cause })
    this.name = 'UnsureWrite'
  }
}

/** Exceptions that pass: a NameNode that starts, or one that is not the active one; with an IOException no DataNode has room, or none answers. */
const passing: ReadonlySet<string> = new Set([
  'IOException',
  'StandbyException',
  'RetriableException',
  'SafeModeException',
  'ObserverRetryOnActiveException',
])

export class WebHdfs {
  readonly #nameNodes: readonly string[]
  readonly #who: Readonly<Record<string, string>>
  readonly #client: HttpClient
  #active = 0

  constructor(config: HdfsConfig, system: System, signal: AbortSignal) {
    this.#nameNodes = config['hdfs.url'].map(url =>
      url
        .replace(/^swebhdfs:/, 'https:')
        .replace(/^webhdfs:/, 'http:')
        .replace(/\/+$/, ''),
    )
    const token = config['hdfs.delegation.token']
    const user = config['hdfs.user']
    this.#who = token !== null ? { delegation: token } : user !== '' ? { 'user.name': user } : {}
    this.#client = new HttpClient({ system, signal, timeoutMs: config['hdfs.request.timeout.ms'] })
  }

  /** null: there is none. */
  async list(path: string): Promise<FileStatus[] | null> {
    const answer = await this.#json('GET', path, 'LISTSTATUS', {}, said => Array.isArray(said.FileStatuses?.FileStatus)).catch(orNull)
    return answer === null ? null : answer.FileStatuses!.FileStatus.map(statusOf)
  }

  async status(path: string): Promise<FileStatus | null> {
    const answer = await this.#json('GET', path, 'GETFILESTATUS', {}, said => typeof said.FileStatus === 'object').catch(orNull)
    return answer === null ? null : statusOf(answer.FileStatus!)
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#json('PUT', path, 'MKDIRS', {}, saysWhether)
  }

  /** Whether it was renamed: HDFS says false, and no more, where the target is there or the source is not. */
  async rename(from: string, to: string): Promise<boolean> {
    return (await this.#json('PUT', from, 'RENAME', { destination: to }, saysWhether)).boolean!
  }

  async remove(path: string): Promise<void> {
    await this.#json('DELETE', path, 'DELETE', { recursive: 'true' }, saysWhether)
  }

  async read(path: string): Promise<Buffer> {
    const answer = await this.#nameNode('GET', path, 'OPEN', {})
    const { location } = answer
    return location === null ? answer.body : (await this.#send(location, 'GET', null, `read ${path}`)).body
  }

  create(path: string, bytes: Buffer): Promise<void> {
    return this.#write('PUT', path, 'CREATE', { overwrite: 'true' }, bytes)
  }

  append(path: string, bytes: Buffer): Promise<void> {
    return this.#write('POST', path, 'APPEND', {}, bytes)
  }

  /** The NameNode says which DataNode takes the bytes. Until then nothing is written, whatever fails. */
  async #write(method: string, path: string, operation: string, parameters: Record<string, string>, bytes: Buffer): Promise<void> {
    const { location } = await this.#nameNode(method, path, operation, parameters)
    if (location === null || !URL.canParse(location))
      throw new RetriableError(`${operation} ${path}: the NameNode named no DataNode; is this the address of WebHDFS?`)
    try {
      await this.#send(location, method, bytes, `${operation} ${path}`)
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      throw new UnsureWrite((error as Error).message, error)
    }
  }

  async #json(
    method: string,
    path: string,
    operation: string,
    parameters: Record<string, string>,
    isExpected: (said: Answer) => boolean,
  ): Promise<Answer> {
    return jsonOf<Answer>(await this.#nameNode(method, path, operation, parameters), `WebHDFS to ${operation} ${path}`, isExpected)
  }

  /** Asks the NameNode that answered last, then the others. */
  async #nameNode(method: string, path: string, operation: string, parameters: Record<string, string>): Promise<Reply> {
    const query = new URLSearchParams({ op: operation, ...parameters, ...this.#who })
    const where = `/webhdfs/v1${path.split('/').map(encodeURIComponent).join('/')}?${query}`
    let failure: unknown = null
    for (let step = 0; step < this.#nameNodes.length; step++) {
      const chosen = (this.#active + step) % this.#nameNodes.length
      try {
        const reply = await this.#send(`${this.#nameNodes[chosen]}${where}`, method, null, `${operation} ${path}`)
        this.#active = chosen
        return reply
      } catch (error) {
        if (!(error instanceof RetriableError)) throw error
        failure = error
      }
    }
    throw failure
  }

  /** By Node's own client, because DataNodes answer 100 first, unasked, which `fetch` takes for an error. No connection is used twice: see HttpClient. */
  async #send(url: string, method: string, bytes: Buffer | null, doing: string): Promise<Reply> {
    const type = bytes === null ? {} : { 'content-type': 'application/octet-stream' }
    const body = bytes ?? (method === 'GET' ? undefined : Buffer.alloc(0))
    const answer = await this.#client.send({
      method,
      url: new URL(url),
      headers: { connection: 'close', ...type },
      ...(body === undefined ? {} : { body }),
    })
    if (answer.status === 307) return { ...answer, location: answer.headers.location ?? null }
    if (!isSuccess(answer.status)) throw refusal(answer.status, answer.body, doing)
    return { ...answer, location: null }
  }
}

interface Reply extends HttpAnswer {
  readonly location: string | null
}

interface Answer {
  readonly boolean?: boolean
  readonly FileStatus?: RawStatus
  readonly FileStatuses?: { readonly FileStatus: RawStatus[] }
  readonly RemoteException?: { readonly exception?: string; readonly message?: string }
}

interface RawStatus {
  readonly pathSuffix: string
  readonly type: string
  readonly length: number
}

const saysWhether = (said: Answer) => typeof said.boolean === 'boolean'

function statusOf({ pathSuffix, type, length }: RawStatus): FileStatus {
  return { name: pathSuffix, isDirectory: type === 'DIRECTORY', size: length }
}

function refusal(status: number, body: Buffer, doing: string): Error {
  let remote: Answer['RemoteException']
  try {
    remote = (JSON.parse(body.toString()) as Answer | null)?.RemoteException
  } catch {
    // An answer of something in between: the status says all.
  }
  const kind = remote?.exception ?? `HTTP ${status}`
  const message = shown((remote?.message ?? body.toString('utf8', 0, 300)).split('\n')[0]!)
  if (passing.has(kind) || isPassing(status)) return new RetriableError(`${doing}: ${kind}: ${message}`)
  return new HdfsError(doing, kind, message)
}

function orNull(error: unknown): null {
  if (error instanceof HdfsError && error.kind === 'FileNotFoundException') return null
  throw error
}
