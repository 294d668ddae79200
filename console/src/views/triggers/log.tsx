/** What a function writes, while it writes. */
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { type Output, streamed } from '../../api.ts'
import { clockTime } from '../../format.ts'
import { Input } from '../../ui/button.tsx'
import { Bar } from '../../ui/page.tsx'
import { Empty, Failed, Loading } from '../../ui/states.tsx'
import css from './triggers.module.css'

type Line = Output<'GET /triggers/:trigger/logs'>['lines'][number] & { id: number }

const here = getRouteApi('/triggers/$trigger/log')
/** Older ones are in the topic. */
const mostLines = 2_000

export function TriggerLog() {
  const { trigger } = here.useParams()
  const [attempt, setAttempt] = useState(0)
  const { lines, error } = useLog(trigger, attempt)
  const [search, setSearch] = useState('')
  const place = useRef<HTMLElement>(null)
  const atEnd = useRef(true)
  const wanted = search.toLowerCase()
  const shown = lines?.filter(each => each.message.toLowerCase().includes(wanted)) ?? []
  // Whoever has scrolled up reads, and is left in peace.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another line is what matters
  useEffect(() => {
    if (atEnd.current) place.current?.scrollTo({ top: place.current.scrollHeight })
  }, [shown.at(-1)?.id])
  if (error !== null) return <Failed error={error} retry={() => setAttempt(attempt + 1)} />
  if (lines === null) return <Loading />
  return (
    <>
      <Bar>
        <Input
          type="search"
          aria-label="Search the log"
          placeholder="Line contains…"
          value={search}
          onChange={event => setSearch(event.target.value)}
        />
        <span className={css['note']} role="status">
          ● Live
        </span>
      </Bar>
      {shown.length === 0 ? (
        <Empty title={lines.length === 0 ? 'Nothing has been written yet' : 'No line contains this'}>
          {lines.length === 0 && <p>What the function writes to standard output and error is shown here at once, and kept for a week.</p>}
        </Empty>
      ) : (
        <section
          ref={place}
          className={css['log']}
          aria-label="Log"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: who has only a keyboard scrolls it with the arrows
          tabIndex={0}
          onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
            atEnd.current = scrollTop + clientHeight > scrollHeight - 40
          }}
        >
          <ol>
            {shown.map(({ id, time, stream, version, message }) => (
              <li key={id} className={css[stream]}>
                <span className={css['time']} title={`${time}, version ${version}`}>
                  {clockTime(Date.parse(time), true)}
                </span>
                <span className={css['stream']}>{stream === 'stdout' ? '' : stream}</span>
                <span className={css['message']}>{message}</span>
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  )
}

/** `lines` null: not known yet. */
function useLog(trigger: string, attempt: number): { lines: readonly Line[] | null; error: Error | null } {
  const [lines, setLines] = useState<readonly Line[] | null>(null)
  const [error, setError] = useState<Error | null>(null)
  const last = useRef(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt begins anew
  useEffect(() => {
    const stop = new AbortController()
    setError(null)
    const follow = async () => {
      let first = true
      for await (const event of streamed('GET /triggers/:trigger/logs', { params: { trigger } }, stop.signal)) {
        const more = event.lines.map(each => ({ ...each, id: ++last.current }))
        const isFirst = first
        first = false
        setLines(before => [...(isFirst ? [] : (before ?? [])), ...more].slice(-mostLines))
      }
    }
    follow().then(
      () => {
        if (!stop.signal.aborted) setError(new Error('The log has ended: the service has stopped.'))
      },
      (problem: Error) => {
        if (!stop.signal.aborted) setError(problem)
      },
    )
    return () => stop.abort()
  }, [trigger, attempt])
  return { lines, error }
}
