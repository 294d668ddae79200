/** What a configuration makes of real records, while it is being written: before and after, side by side. */
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { ApiError, call, type Output } from '../../api.ts'
import { count } from '../../format.ts'
import { Button, Input } from '../../ui/button.tsx'
import { type Line, linesBetween } from '../../ui/lines.ts'
import { prettyJson } from '../../ui/pretty-json.ts'
import { wordsIn } from '../../words.ts'
import type { Config } from './draft.ts'
import css from './preview.module.css'

type Previewed = Output<'POST /connector-plugins/:class/preview'>['records'][number]

const sampled = 10

interface PreviewProps {
  className: string
  isSource: boolean
  /** With its name. */
  config: Config
  close: () => void
}

export function Preview({ className, isSource, config, close }: PreviewProps) {
  const read = wordsIn(config['topics'] ?? config['topic'] ?? config['kafka.topic'] ?? '')[0] ?? ''
  /** null: that of the connector. */
  const [chosen, setChosen] = useState<string | null>(null)
  const [typed, setTyped] = useState<string | null>(null)
  const [at, setAt] = useState(0)
  const topic = chosen ?? read
  const result = useQuery({
    queryKey: ['POST /connector-plugins/:class/preview', className, topic, config],
    queryFn: ({ signal }) =>
      call('POST /connector-plugins/:class/preview', { params: { class: className }, body: { config, topic, records: sampled } }, signal),
    enabled: topic !== '',
    placeholderData: earlier => earlier,
    retry: false,
  })
  const records = result.data?.records ?? []
  const shown = records[Math.min(at, records.length - 1)]
  return (
    <section className={css['preview']} aria-label="Preview">
      <header className={css['bar']}>
        <strong>Preview</strong>
        <label className={css['topic']} htmlFor="preview-topic">
          newest records of
          <Input
            id="preview-topic"
            value={typed ?? topic}
            placeholder="a topic"
            onChange={event => setTyped(event.target.value)}
            onBlur={() => typed !== null && setChosen(typed.trim())}
            onKeyDown={event => {
              if (event.key !== 'Enter') return
              event.preventDefault()
              setChosen((typed ?? topic).trim())
            }}
          />
          {isSource && ' as if the connector gave them'}
        </label>
        {records.length > 0 && <Steps at={Math.min(at, records.length - 1)} of={records.length} go={setAt} record={shown!} />}
        <span className={css['end']}>
          <Button small kind="quiet" onClick={() => void result.refetch()}>
            Newer ones
          </Button>
          <Button small kind="quiet" aria-label="Close the preview" onClick={close}>
            ✕
          </Button>
        </span>
      </header>
      {topic === '' ? (
        <p className={css['note']}>Name a topic whose records are to be shown.</p>
      ) : result.isError ? (
        <p className={css['problem']} role="alert">
          {result.error.message}
          {result.error instanceof ApiError && result.error.status === 403 && ` Reading them needs READ on the topic ${topic}.`}
        </p>
      ) : result.isPending ? (
        <p className={css['note']}>Reading…</p>
      ) : shown === undefined ? (
        <p className={css['note']}>{`The topic ${topic} has no records.`}</p>
      ) : (
        <Sides record={shown} result={isSource ? 'After the transforms' : 'What the connector gets'} />
      )}
    </section>
  )
}

function Steps({ at, of, go, record }: { at: number; of: number; go: (at: number) => void; record: Previewed }) {
  return (
    <span className={css['steps']}>
      <Button small aria-label="The record before" disabled={at === 0} onClick={() => go(at - 1)}>
        ‹
      </Button>
      <span role="status">{`${at + 1} of ${of}: partition ${record.partition}, offset ${count(record.offset)}`}</span>
      <Button small aria-label="The record after" disabled={at === of - 1} onClick={() => go(at + 1)}>
        ›
      </Button>
    </span>
  )
}

function Sides({ record: { before, after, problem }, result }: { record: Previewed; result: string }) {
  const place = useRef<HTMLElement>(null)
  // What has changed may be far down.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another record, or another result
  useEffect(() => {
    const first = place.current?.querySelector<HTMLElement>(`.${css['removed']}, .${css['added']}`)
    place.current?.scrollTo({ top: first === null || first === undefined ? 0 : first.offsetTop - 60 })
  }, [before, after])
  const rows = before === null || after === null ? null : pairsOf(linesBetween(prettyJson(before), prettyJson(after)))
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has only a keyboard scrolls it with the arrows
    <section ref={place} className={css['sides']} tabIndex={0} aria-label="Before and after">
      <section aria-label="As it is read">
        <h3>As it is read</h3>
        <pre>
          {rows === null ? (
            (before !== null && prettyJson(before)) || 'It could not be read.'
          ) : (
            <Half lines={rows.map(each => each.left)} />
          )}
        </pre>
      </section>
      <section aria-label={result}>
        <h3>{result}</h3>
        {problem !== null ? (
          <p className={css['problem']}>{problem}</p>
        ) : rows === null ? (
          <p className={css['note']}>Nothing: the record is dropped.</p>
        ) : (
          <pre>
            <Half lines={rows.map(each => each.right)} />
          </pre>
        )}
      </section>
    </section>
  )
}

function Half({ lines }: { lines: readonly (Line | null)[] }) {
  return lines.map((line, at) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: lines may be the same
    <span key={at} className={line === null ? css['gap'] : css[line.kind]}>
      {line?.text ?? ''}
    </span>
  ))
}

interface Pair {
  left: Line | null
  right: Line | null
}

/** Lines that are the same stand beside each other; between them, what was removed beside what was added. */
function pairsOf(lines: readonly Line[]): Pair[] {
  const pairs: Pair[] = []
  let removed: Line[] = []
  let added: Line[] = []
  const flush = () => {
    for (let at = 0; at < Math.max(removed.length, added.length); at++) pairs.push({ left: removed[at] ?? null, right: added[at] ?? null })
    removed = []
    added = []
  }
  for (const line of lines) {
    if (line.kind === 'removed') removed.push(line)
    else if (line.kind === 'added') added.push(line)
    else {
      flush()
      pairs.push({ left: line, right: line })
    }
  }
  flush()
  return pairs
}
