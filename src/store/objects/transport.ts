/** One HTTP exchange as a value, so that requests can be answered by Node's sockets or by the simulator. */

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** `https://host:port`, without a slash at the end. */
  readonly origin: string
  /** Path and query, encoded. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: readonly Uint8Array[]
  /** Until the whole answer is here. */
  readonly timeoutMs: number
  /** A longer answer is an error, before it is read. */
  readonly mostBytes: number
  /** How a transport may divide the content, if the answer is a success and has just these bytes. */
  readonly parts?: readonly number[]
}

export interface HttpResponse {
  readonly status: number
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The content, divided as the request asked; then `body` is empty. */
  readonly parts?: readonly Buffer[]
}

export interface Transport {
  /** Rejects when there is no whole answer; whether the request was carried out is then unknown. */
  send(request: HttpRequest): Promise<HttpResponse>
  close(): void
}
