/** Calls of the API, typed by its routes. An int64 is a string of digits here. */
import type { Static } from 'typebox'
import type { Problem, Routes } from '../../src/console/api.ts'
import { idleHeader, idleMs } from './activity.ts'

type Name = keyof Routes
type Part<Key extends string, T> = object extends T ? { [K in Key]?: T } : { [K in Key]: T }
type Optional<T> = { [K in keyof T]: T[K] | (undefined extends T[K] ? undefined : never) }
export type Input<N extends Name> = Part<'params', Static<Routes[N]['params']>> &
  Part<'query', Optional<Static<Routes[N]['query']>>> &
  Part<'body', Static<Routes[N]['body']>>
export type Output<N extends Name> = Static<Routes[N]['response']>

/** The API refused, or could not be reached (status 0). */
export class ApiError extends Error {
  readonly status: number
  /** Kafka's name of the error. */
  readonly code: string | null

  constructor({ detail, status, error }: Pick<Problem, 'detail' | 'status' | 'error'>) {
    super(detail)
    this.status = status
    this.code = error
  }
}

interface AnyInput {
  params?: object
  query?: object
  body?: unknown
}

function address(name: Name, { params = {}, query = {} }: AnyInput): string {
  const path = name.split(' ')[1]!
  const filled = path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(String((params as Record<string, unknown>)[key])))
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) if (value !== undefined && value !== '') search.set(key, String(value))
  return `/api${filled}${search.size === 0 ? '' : `?${search}`}`
}

/** Of what the browser saves or shows by itself. */
export function hrefOf<N extends Name>(name: N, input: Input<N>): string {
  return address(name, input as AnyInput)
}

async function request(name: Name, input: AnyInput, signal?: AbortSignal): Promise<Response> {
  const { body } = input
  const headers: Record<string, string> = { [idleHeader]: idleMs() }
  const init: RequestInit = { method: name.split(' ')[0]!, headers, ...(signal === undefined ? {} : { signal }) }
  if (body !== undefined) {
    init.body = JSON.stringify(body)
    headers['content-type'] = 'application/json'
  }
  const response = await fetch(address(name, input), init).catch((error: unknown) => {
    if (signal?.aborted) throw error
    throw new ApiError({ status: 0, error: null, detail: 'The console does not answer. Does the services process run?' })
  })
  if (response.ok) return response
  const problem = (await response.json().catch(() => null)) as Problem | null
  throw new ApiError(problem ?? { status: response.status, error: null, detail: `HTTP ${response.status}` })
}

export async function call<N extends Name>(name: N, input: Input<N>, signal?: AbortSignal): Promise<Output<N>> {
  const response = await request(name, input as AnyInput, signal)
  return (await response.json()) as Output<N>
}

/** The bytes of a download. */
export async function bytesOf<N extends Name>(name: N, input: Input<N>, signal: AbortSignal): Promise<Uint8Array> {
  const response = await request(name, input as AnyInput, signal)
  return new Uint8Array(await response.arrayBuffer())
}

/** For useQuery and useQueries. */
export interface Question<T> {
  queryKey: readonly [name: string, input: object]
  queryFn: (context: { signal: AbortSignal }) => Promise<T>
}

export function asked<N extends Name>(name: N, input: Input<N>): Question<Output<N>> {
  return { queryKey: [name, input], queryFn: ({ signal }) => call(name, input, signal) }
}

/** Server-sent events. Reading one after the other holds up the service when this page is slow. */
export async function* streamed<N extends Name>(name: N, input: Input<N>, signal: AbortSignal): AsyncGenerator<Output<N>, void> {
  const response = await request(name, input as AnyInput, signal)
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    text += value
    const events = text.split('\n\n')
    text = events.pop()!
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1]
      if (data === undefined) continue
      if (event.startsWith('event: problem')) throw new ApiError(JSON.parse(data) as Problem)
      yield JSON.parse(data) as Output<N>
    }
  }
}
