/** The records of a view: a page, a search that can be stopped, or the live tail. Each change of what is asked begins anew. */
import { useCallback, useEffect, useReducer, useRef } from 'react'
import { ApiError, type Output, streamed } from '../api.ts'
import { type FilterName, filterNames } from '../router.tsx'

type Event = Output<'GET /topics/:topic/messages'>
export type ShownRecord = Extract<Event, { kind: 'records' }>['records'][number]
export type ShownBytes = NonNullable<ShownRecord['value']>
type Progress = Omit<Extract<Event, { kind: 'progress' }>, 'kind'>

/** What the URL says. */
export type Wanted = {
  from?: string | undefined
  partition?: number | undefined
  live?: boolean | undefined
} & { [N in FilterName]?: string | undefined }

export interface Messages {
  records: readonly ShownRecord[]
  progress: Progress | null
  /** In the live tail: how many came too fast to be shown. */
  skipped: number
  state: 'running' | 'done' | 'stopped' | 'failed'
  error: Error | null
  /** Where to go on. */
  next: string | null
}

/** The live tail keeps the newest of them. */
const mostLive = 1_000
const pageSize = 200
/** The live tail begins anew when the service is back. */
const againMs = 2_000

const none: Messages = { records: [], progress: null, skipped: 0, state: 'running', error: null, next: null }

type Action =
  | { kind: 'begin'; keep: boolean }
  | { kind: 'event'; event: Event; live: boolean }
  | { kind: 'ended'; state: Messages['state']; error: Error | null }

function reduce(now: Messages, action: Action): Messages {
  if (action.kind === 'begin') return action.keep ? { ...now, state: 'running', error: null } : none
  if (action.kind === 'ended') return { ...now, state: action.state, error: action.error }
  const { event, live } = action
  switch (event.kind) {
    case 'records':
      if (live) return { ...now, records: [...event.records.toReversed(), ...now.records].slice(0, mostLive) }
      return { ...now, records: [...now.records, ...event.records] }
    case 'progress':
      return { ...now, progress: event }
    case 'skipped':
      return { ...now, skipped: now.skipped + event.records }
    case 'end':
      return { ...now, next: event.next }
  }
}

/** What the API is asked for, but for how many. */
export function queryOf({ from = 'newest', partition, live = false, ...filters }: Wanted) {
  return {
    from,
    newestFirst: from === 'newest',
    ...(partition === undefined ? {} : { partitions: String(partition) }),
    ...(live ? { live } : {}),
    ...(Object.fromEntries(filterNames.map(name => [name, filters[name]])) as { [N in FilterName]?: string }),
  }
}

/** So that a list has what is produced from this page. */
const produced = new EventTarget()

export function announceProduced(topic: string): void {
  produced.dispatchEvent(new CustomEvent('record', { detail: topic }))
}

export function useMessages(topic: string, wanted: Wanted) {
  const [messages, dispatch] = useReducer(reduce, none)
  const running = useRef<AbortController | null>(null)
  const trying = useRef<number | undefined>(undefined)
  const asked = JSON.stringify(queryOf(wanted))
  const live = wanted.live === true
  const { from = 'newest' } = wanted
  const isPlain = !live && from === 'newest' && filterNames.every(name => wanted[name] === undefined)
  const run = useCallback(
    async (more: string | null, keep = more !== null): Promise<void> => {
      running.current?.abort()
      clearTimeout(trying.current)
      const stop = new AbortController()
      running.current = stop
      dispatch({ kind: 'begin', keep })
      const ended = (state: 'done' | 'failed', error: Error | null) => {
        dispatch({ kind: 'ended', state, error })
        const isRefused = error instanceof ApiError && error.status >= 400 && error.status < 500
        if (live && !isRefused) trying.current = window.setTimeout(() => void run(null, true), againMs)
      }
      const query = { ...(JSON.parse(asked) as ReturnType<typeof queryOf>), limit: pageSize, ...(more === null ? {} : { from: more }) }
      try {
        for await (const event of streamed('GET /topics/:topic/messages', { params: { topic }, query }, stop.signal)) {
          if (stop.signal.aborted) return
          dispatch({ kind: 'event', event, live })
        }
        ended('done', null)
      } catch (error) {
        if (stop.signal.aborted) return
        ended('failed', error as Error)
      }
    },
    [topic, asked, live],
  )
  useEffect(() => {
    void run(null)
    return () => {
      running.current?.abort()
      clearTimeout(trying.current)
    }
  }, [run])
  useEffect(() => {
    const listen = (event: globalThis.Event) => {
      if (isPlain && (event as CustomEvent<string>).detail === topic) void run(null)
    }
    produced.addEventListener('record', listen)
    return () => produced.removeEventListener('record', listen)
  }, [topic, isPlain, run])
  const stop = () => {
    running.current?.abort()
    clearTimeout(trying.current)
    dispatch({ kind: 'ended', state: 'stopped', error: null })
  }
  const again = () => void run(null)
  const more = () => messages.next !== null && void run(messages.next)
  return { messages, stop, again, more }
}
