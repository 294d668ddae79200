/** A small WebHDFS for tests, NameNode and DataNode in one, with faults. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { requestBody } from '../request-body.testing.ts'

export type Fault = 'reset' | 'silence' | 'garbage' | 'lost' | { readonly status: number; readonly exception: string }

export class FakeHdfs {
  readonly files = new Map<string, Buffer>()
  readonly folders = new Set<string>(['/'])
  readonly log: string[] = []
  /** For the next requests that match `OP path`, or `DATA OP path` for the second step. */
  readonly faults: { on: RegExp; fault: Fault; left: number }[] = []
  readonly queries: URLSearchParams[] = []
  readonly #server: Server

  private constructor() {
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => void this.#answer(request, response))
  }

  static async start(): Promise<FakeHdfs> {
    const fake = new FakeHdfs()
    await new Promise<void>(resolve => fake.#server.listen(0, '127.0.0.1', resolve))
    return fake
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  /** Those that anybody can see. */
  get visible(): string[] {
    return [...this.files.keys()].filter(name => !name.includes('/+tmp/')).sort()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await requestBody(request)
    const url = new URL(request.url!, 'http://localhost')
    const isData = url.pathname.startsWith('/data')
    const path = decodeURIComponent(url.pathname.replace(/^(?:\/data)?\/webhdfs\/v1/, '')) || '/'
    const operation = url.searchParams.get('op')!
    const what = `${isData ? 'DATA ' : ''}${operation} ${path}`
    this.log.push(what)
    this.queries.push(url.searchParams)
    const fault = this.faults.find(each => each.left > 0 && each.on.test(what))
    if (fault !== undefined) fault.left--
    if (fault?.fault === 'reset') return void request.socket.destroy()
    if (fault?.fault === 'silence') return
    if (fault?.fault === 'garbage') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello')
    if (typeof fault?.fault === 'object') return refuse(response, fault.fault.status, fault.fault.exception)
    if (!isData && ['CREATE', 'APPEND', 'OPEN'].includes(operation)) {
      if (operation !== 'CREATE' && !this.files.has(path)) return refuse(response, 404, 'FileNotFoundException')
      return void response.writeHead(307, { location: `${this.url}/data${request.url}` }).end()
    }
    // As DataNodes do, though nobody asked for it.
    if (isData && operation !== 'OPEN') response.writeContinue()
    this.#work(operation, path, url.searchParams, body, fault?.fault === 'lost' ? null : response)
    if (fault?.fault === 'lost') request.socket.destroy()
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
