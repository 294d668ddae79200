/** A small WebHDFS for tests, NameNode and DataNode in one, with faults: for `OP path`, or `DATA OP path` for the second step. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FaultyServer, isSpoilt } from '../faulty-server.testing.ts'

export type Fault = 'reset' | 'silence' | 'garbage' | 'lost' | { readonly status: number; readonly exception: string }

export class FakeHdfs extends FaultyServer<Fault> {
  readonly files = new Map<string, Buffer>()
  readonly folders = new Set<string>(['/'])
  readonly queries: URLSearchParams[] = []

  /** Those that anybody can see. */
  get visible(): string[] {
    return [...this.files.keys()].filter(name => !name.includes('/+tmp/')).sort()
  }

  protected async answer(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://localhost')
    const isData = url.pathname.startsWith('/data')
    const path = decodeURIComponent(url.pathname.replace(/^(?:\/data)?\/webhdfs\/v1/, '')) || '/'
    const operation = url.searchParams.get('op')!
    const what = `${isData ? 'DATA ' : ''}${operation} ${path}`
    this.queries.push(url.searchParams)
    const fault = this.faultOf(what)
    if (isSpoilt(fault, response)) return
    if (typeof fault === 'object' && fault !== null) return refuse(response, fault.status, fault.exception)
    if (!isData && ['CREATE', 'APPEND', 'OPEN'].includes(operation)) {
      if (operation !== 'CREATE' && !this.files.has(path)) return refuse(response, 404, 'FileNotFoundException')
      return void response.writeHead(307, { location: `http://${request.headers.host}/data${request.url}` }).end()
    }
    // As DataNodes do, though nobody asked for it.
    if (isData && operation !== 'OPEN') response.writeContinue()
    this.#work(operation, path, url.searchParams, body, fault === 'lost' ? null : response)
    if (fault === 'lost') request.socket.destroy()
  }

  #work(operation: string, path: string, query: URLSearchParams, body: Buffer, response: ServerResponse | null): void {
    const answer = (status: number, content: string | Buffer = '') => void response?.writeHead(status).end(content)
    const json = (value: unknown) => answer(200, JSON.stringify(value))
    const missing = () => answer(404, JSON.stringify({ RemoteException: { exception: 'FileNotFoundException', message: path } }))
    switch (operation) {
      case 'CREATE':
        this.#parents(path)
        this.files.set(path, body)
        answer(201)
        break
      case 'APPEND':
        this.files.set(path, Buffer.concat([this.files.get(path)!, body]))
        answer(200)
        break
      case 'OPEN':
        answer(200, this.files.get(path)!)
        break
      case 'MKDIRS':
        this.#parents(`${path}/x`)
        json({ boolean: true })
        break
      case 'RENAME':
        json({ boolean: this.#rename(path, query.get('destination')!) })
        break
      case 'DELETE':
        for (const name of [...this.files.keys()]) if (name === path || name.startsWith(`${path}/`)) this.files.delete(name)
        for (const name of [...this.folders]) if (name === path || name.startsWith(`${path}/`)) this.folders.delete(name)
        json({ boolean: true })
        break
      case 'GETFILESTATUS': {
        const status = this.#status(path)
        if (status === null) missing()
        else json({ FileStatus: { ...status, pathSuffix: '' } })
        break
      }
      default:
        if (!this.folders.has(path)) missing()
        else json({ FileStatuses: { FileStatus: this.#children(path) } })
    }
  }

  #children(path: string) {
    const names = [...this.files.keys(), ...this.folders].filter(name => name !== path && name.slice(0, name.lastIndexOf('/')) === path)
    return names.map(name => ({ ...this.#status(name)!, pathSuffix: name.slice(name.lastIndexOf('/') + 1) }))
  }

  #status(path: string) {
    const file = this.files.get(path)
    if (file !== undefined) return { type: 'FILE', length: file.length }
    return this.folders.has(path) ? { type: 'DIRECTORY', length: 0 } : null
  }

  #rename(from: string, to: string): boolean {
    const file = this.files.get(from)
    if (file === undefined || this.files.has(to) || !this.folders.has(to.slice(0, to.lastIndexOf('/')))) return false
    this.files.delete(from)
    this.files.set(to, file)
    return true
  }

  #parents(path: string): void {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) this.folders.add(path.slice(0, at))
  }
}

function refuse(response: ServerResponse, status: number, exception: string): void {
  const body = { RemoteException: { exception, javaClassName: `org.apache.hadoop.${exception}`, message: 'as the test wishes' } }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
