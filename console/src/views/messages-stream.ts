/** The records of a view: a page, a search that can be stopped, or the live tail. Each change of what is asked begins anew. */
import { useCallback, useEffect, useReducer, useRef } from 'react'
import { type Output, streamed } from '../api.ts'

type Event = Output<'GET /topics/:topic/messages'>
export type ShownRecord = Extract<Event, { kind: 'records' }>['records'][number]
type Progress = Omit<Extract<Event, { kind: 'progress' }>, 'kind'>

export interface Wanted {
  topic: string
  from: string
  partition: number | undefined
  contains: string
  live: boolean
}

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

const none: Messages = { records: [], progress: null, skipped: 0, state: 'running', error: null, next: null }

type Action =
  | { kind: 'begin'; more: boolean }
  | { kind: 'event'; event: Event; live: boolean }
  | { kind: 'ended'; state: Messages['state']; error: Error | null }

function reduce(now: Messages, action: Action): Messages {
  if (action.kind === 'begin') return action.more ? { ...now, state: 'running', error: null } : none
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

export function useMessages({ topic, from, partition, contains, live }: Wanted) {
  const [messages, dispatch] = useReducer(reduce, none)
  const running = useRef<AbortController | null>(null)
  const run = useCallback(
    async (place: string, more: boolean) => {
      running.current?.abort()
      const stop = new AbortController()
      running.current = stop
      dispatch({ kind: 'begin', more })
      const query = {
        from: place,
        newestFirst: from === 'newest',
        limit: pageSize,
        contains,
        ...(partition === undefined ? {} : { partitions: String(partition) }),
        ...(live ? { live } : {}),
      }
      try {
        for await (const event of streamed('GET /topics/:topic/messages', { params: { topic }, query }, stop.signal)) {
          if (stop.signal.aborted) return
          dispatch({ kind: 'event', event, live })
        }
        dispatch({ kind: 'ended', state: 'done', error: null })
      } catch (error) {
        if (stop.signal.aborted) return
        dispatch({ kind: 'ended', state: 'failed', error: error as Error })
      }
    },
    [topic, from, partition, contains, live],
  )
  useEffect(() => {
    void run(from, false)
    return () => running.current?.abort()
  }, [run, from])
  const stop = () => {
    running.current?.abort()
    dispatch({ kind: 'ended', state: 'stopped', error: null })
  }
  const again = () => void run(from, false)
  const more = () => messages.next !== null && void run(messages.next, true)
  return { messages, stop, again, more }
}
